package smartauth

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/smartauth-go/smartauth/internal/authctx"
	"github.com/smartauth-go/smartauth/internal/bounded"
)

// notifier calls an Observer, and survives its panics. The zero value calls nobody.
type notifier struct {
	source    *Source // whose events these are; nil within a MultiObserver, where they say so themselves
	observer  Observer
	rejection RejectionObserver
	skip      SkipObserver
	state     StateObserver
	reported  *sync.Once
}

func newNotifier(o Observer) notifier {
	n := notifier{observer: o, reported: new(sync.Once)}
	n.rejection, _ = o.(RejectionObserver)
	n.skip, _ = o.(SkipObserver)
	n.state, _ = o.(StateObserver)
	return n
}

var errUnfinished = errors.New("smartauth: the phase did not finish: panic or runtime.Goexit")

// within runs do between PhaseStart and PhaseEnd; PhaseEnd comes also if do panics.
func (n notifier) within(ctx context.Context, s PhaseStart, do func(context.Context, *PhaseEnd) error) (err error) {
	if n.observer == nil {
		return do(ctx, new(PhaseEnd))
	}
	s.Source = n.source
	its := ctx
	n.guard(func() {
		if returned := n.observer.PhaseStart(ctx, s); returned != nil {
			its = returned
			ctx = &observed{ctx, authctx.With(context.WithoutCancel(returned), authctx.From(ctx))}
		}
	})
	end := PhaseEnd{Phase: s.Phase}
	err = errUnfinished
	defer func() {
		end.Err = err
		n.guard(func() { n.observer.PhaseEnd(its, end) })
	}()
	return do(ctx, &end)
}

// observed is the context within a phase: it ends with the one that the Observer was given, and has the values of the one that
// the Observer returned. That may be derived from anything, such as Cause, and must lift no limit and lose no mark of ours.
type observed struct {
	context.Context
	values context.Context
}

func (o *observed) Value(key any) any {
	if v := o.values.Value(key); v != nil {
		return v
	}
	return o.Context.Value(key)
}

func (n notifier) stateChanged(ctx context.Context, c StateChange) {
	if n.state != nil {
		n.guard(func() { n.state.StateChanged(ctx, c) })
	}
}

func (n notifier) rejected(ctx context.Context, r Rejection) {
	if n.rejection != nil {
		n.guard(func() { n.rejection.Rejected(ctx, r) })
	}
}

func (n notifier) bearerSkipped(ctx context.Context, s BearerSkipped) {
	if n.skip != nil {
		n.guard(func() { n.skip.BearerSkipped(ctx, s) })
	}
}

func (n notifier) sourceCreated(s *Source) {
	if o, ok := n.observer.(SourceObserver); ok {
		n.guard(func() { o.SourceCreated(s) })
	}
}

// guard keeps a panicking observer from breaking authentication. The first panic is logged, as it may be why nobody sees
// what the observer was to record.
func (n notifier) guard(call func()) {
	defer func() {
		if p := recover(); p != nil {
			n.reported.Do(func() { slog.Error(bounded.Panic("smartauth.Observer", p).Error()) })
		}
	}()
	call()
}

// MultiObserver returns an Observer that calls all of observers: PhaseStart in their order, each with the context that the
// one before returned, everything else in reverse order. Nil ones are left out, and so is a pointer that is there already;
// without any other the result is nil. Events that only some of them understand reach those.
func MultiObserver(observers ...Observer) Observer {
	var m multiObserver
	for _, o := range observers {
		m = m.with(o)
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

type multiObserver []notifier

func (m multiObserver) with(o Observer) multiObserver {
	switch inner, nested := o.(multiObserver); {
	case nested:
		for _, n := range inner {
			m = m.with(n.observer)
		}
		return m
	case o == nil:
		return m
	case reflect.TypeOf(o).Kind() == reflect.Pointer && slices.ContainsFunc(m, func(n notifier) bool { return n.observer == o }):
		return m
	}
	return append(m, newNotifier(o))
}

func (m multiObserver) PhaseStart(ctx context.Context, s PhaseStart) context.Context {
	for _, n := range m {
		n.guard(func() {
			if inner := n.observer.PhaseStart(ctx, s); inner != nil {
				ctx = inner
			}
		})
	}
	return ctx
}

func (m multiObserver) PhaseEnd(ctx context.Context, e PhaseEnd) {
	for _, n := range slices.Backward(m) {
		n.guard(func() { n.observer.PhaseEnd(ctx, e) })
	}
}

func (m multiObserver) Rejected(ctx context.Context, r Rejection) {
	for _, n := range slices.Backward(m) {
		n.rejected(ctx, r)
	}
}

func (m multiObserver) BearerSkipped(ctx context.Context, s BearerSkipped) {
	for _, n := range slices.Backward(m) {
		n.bearerSkipped(ctx, s)
	}
}

func (m multiObserver) SourceCreated(s *Source) {
	for _, n := range slices.Backward(m) {
		n.sourceCreated(s)
	}
}

func (m multiObserver) StateChanged(ctx context.Context, c StateChange) {
	for _, n := range slices.Backward(m) {
		n.stateChanged(ctx, c)
	}
}
