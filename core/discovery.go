package smartauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartauth-go/smartauth/internal/authctx"
	"github.com/smartauth-go/smartauth/internal/bounded"
	"github.com/smartauth-go/smartauth/internal/clean"
)

const (
	metadataLife    = time.Hour
	rediscoverAfter = time.Minute
)

// A document tells where the token endpoint is.
type document struct {
	path, accept string
	most         int64 // bytes that are read
	parse        func([]byte) (*Metadata, error)
}

var (
	configuration       = document{".well-known/smart-configuration", "application/json", 1 << 20, parseConfiguration}
	capabilityStatement = document{"metadata", "application/fhir+json", 16 << 20, parseCapabilityStatement} // those of megabytes are common
)

// discoverer finds and remembers the Metadata of one FHIR server. The headers that limit a cache are ignored: the reference
// server's 30 s would mean a discovery for each token.
type discoverer struct {
	*settings
	notify notifier
	pinned string // Config.TokenURL as others may see it
	known  atomic.Pointer[discovered]

	outdated atomic.Bool // what is known may be out of date

	mu      sync.Mutex // never held during a network call or a call of the observer
	lookup  *lookup    // the discovery under way, nil if none
	tried   time.Time  // when the last one began
	failing cooldown
}

func newDiscoverer(s *settings, n notifier) *discoverer {
	d := &discoverer{settings: s, notify: n}
	if s.token != nil {
		d.pinned = clean.URL(s.token)
	}
	return d
}

type discovered struct {
	Metadata
	token *url.URL
	shown string // token as others may see it
	at    time.Time
}

// lookup is a discovery under way, for everybody who needs it.
type lookup struct {
	cause context.Context // of the call that set it off, nil if that is an acquisition

	started chan struct{}   // closed when the observer has seen the first request begin
	ctx     context.Context // what its PhaseStart returned; readable after started

	done chan struct{} // closed when m and err are final
	m    *discovered
	err  error
}

// wait waits for the end of l in a phase of its own, as l is not of this trace.
func (d *discoverer) wait(ctx context.Context, l *lookup) error {
	select {
	case <-l.started:
	case <-l.done:
		return nil
	case <-ctx.Done():
		return waitError(ctx)
	}
	start := PhaseStart{Phase: PhaseDiscover, Shared: true, Cause: l.ctx}
	left := false
	err := d.notify.within(ctx, start, func(ctx context.Context, _ *PhaseEnd) error {
		select {
		case <-l.done:
			return l.err
		case <-ctx.Done():
			left = true
			return waitError(ctx)
		}
	})
	if left {
		return err
	}
	return nil
}

// metadata returns what is known, for an hour, and longer if it cannot be fetched again. attempt counts the discoveries that an
// acquisition has made before.
func (d *discoverer) metadata(ctx context.Context, attempt int) (*discovered, error) {
	m := d.known.Load()
	if d.current(m) {
		return m, nil
	}
	marks := authctx.From(ctx)
	if marks.Discoverer == d {
		return nil, &Error{Phase: PhaseDiscover, Kind: Permanent, err: errReentrant}
	}
	d.mu.Lock()
	if m = d.known.Load(); d.current(m) || m != nil && time.Since(d.tried) < rediscoverAfter {
		d.mu.Unlock()
		return m, nil
	}
	l := d.lookup
	joins := l != nil && d.notify.observer != nil
	if l == nil {
		if err := d.failing.coolDown(time.Now()); err != nil && m == nil && marks.Acquirer == nil { // an acquisition has a cool-down of its own
			d.mu.Unlock()
			return nil, err
		}
		l = &lookup{started: make(chan struct{}), done: make(chan struct{}), err: errUnfinished}
		d.lookup, d.tried = l, time.Now()
		go d.look(ctx, l, m, attempt)
	}
	d.mu.Unlock()
	if joins {
		if err := d.wait(ctx, l); err != nil {
			return nil, &Error{Phase: PhaseDiscover, Kind: Temporary, err: err}
		}
	} else {
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, &Error{Phase: PhaseDiscover, Kind: Temporary, err: waitError(ctx)}
		}
	}
	if l.err != nil && m != nil {
		return m, nil
	}
	return l.m, l.err
}

// look runs a discovery. Others may wait for it, so nothing of a caller's ctx reaches it; the ctx of an acquisition is no
// caller's, and is used. If something is known already, the limit is short: that will do.
func (d *discoverer) look(ctx context.Context, l *lookup, known *discovered, attempt int) {
	defer func() {
		if p := recover(); p != nil {
			l.err = bounded.Panic("discovery", p)
		}
		d.mu.Lock()
		d.lookup = nil
		if l.err == nil {
			d.failing = cooldown{}
		} else {
			own := *asError(l.err, PhaseDiscover) // the observer already holds the other
			d.failing.add(&own, time.Now(), true)
			l.err = &own
		}
		d.mu.Unlock()
		close(l.done)
	}()
	marks := authctx.From(ctx)
	if marks.Acquirer == nil {
		l.cause, ctx = ctx, context.Background()
		marks = authctx.Values{}
	}
	marks.Discoverer = d
	limit := attemptLimit
	if known != nil {
		limit = refreshLimit
	}
	ctx, cancel := context.WithTimeout(authctx.With(context.WithoutCancel(ctx), marks), limit)
	defer cancel()
	if l.m, l.err = d.discover(ctx, l, attempt); l.err == nil {
		d.known.Store(l.m)
		d.outdated.Store(false)
	}
}

func (d *discoverer) current(m *discovered) bool {
	return m != nil && !d.outdated.Load() && time.Since(m.at) < metadataLife
}

// staleHints tells of a discovery that failed and left us with what was known before.
func (d *discoverer) staleHints() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing.err == nil || d.known.Load() == nil {
		return nil
	}
	return []string{"the token endpoint may be out of date, as discovery failed: " + d.failing.err.Error()}
}

func (d *discoverer) discover(ctx context.Context, l *lookup, attempt int) (*discovered, error) {
	m, err := d.get(ctx, l, configuration, attempt)
	if e := (*Error)(nil); errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
		missing := err
		m, err = d.get(ctx, l, capabilityStatement, attempt)
		if errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
			err = missing
		}
	}
	return m, err
}

// get makes one discovery request.
func (d *discoverer) get(ctx context.Context, l *lookup, doc document, attempt int) (m *discovered, err error) {
	r, err := http.NewRequest(http.MethodGet, d.base.JoinPath(doc.path).String(), nil)
	if err != nil {
		return nil, asError(err, PhaseDiscover)
	}
	r.Header.Set("Accept", doc.accept)
	start := PhaseStart{Phase: PhaseDiscover, Cause: l.cause, Attempt: attempt, Method: r.Method, URL: clean.URL(r.URL), Header: r.Header}
	err = d.notify.within(ctx, start, func(ctx context.Context, end *PhaseEnd) error {
		if l.ctx == nil { // the first request
			l.ctx = ctx
			close(l.started)
		}
		resp, err := send(ctx, d.discovery, r, PhaseDiscover, doc.most)
		if err != nil {
			return err
		}
		end.StatusCode = resp.status
		if resp.status != http.StatusOK {
			return withDiscoveryHints(resp.failure(PhaseDiscover, start.URL))
		}
		meta, err := doc.parse(resp.body)
		if err == nil {
			m, err = d.accept(meta)
		}
		if err != nil {
			return &Error{Phase: PhaseDiscover, Kind: Refused, Endpoint: start.URL, err: err}
		}
		return nil
	})
	return m, err
}

// accept resolves the endpoints against the base (SMART 2.2, Conformance) and refuses a token endpoint that a signed
// assertion must not be sent to.
func (d *discoverer) accept(m *Metadata) (*discovered, error) {
	base := d.base.JoinPath("/")
	for _, endpoint := range []*string{&m.JWKSURI, &m.AuthorizationEndpoint, &m.TokenEndpoint, &m.IntrospectionEndpoint, &m.ManagementEndpoint} {
		if u, err := base.Parse(*endpoint); err == nil && *endpoint != "" {
			*endpoint = u.String()
		}
	}
	token, err := d.policy.parse(m.TokenEndpoint)
	if err != nil {
		return nil, fmt.Errorf("token_endpoint: %w", err)
	}
	if old := d.known.Load(); old != nil && !strings.EqualFold(old.token.Hostname(), token.Hostname()) {
		return nil, fmt.Errorf("token_endpoint has moved from host %s to %s, which is not followed: "+
			"if that is right, restart, or pin it with Config.TokenURL", old.token.Hostname(), token.Hostname())
	}
	return &discovered{Metadata: *m, token: token, shown: clean.URL(token), at: time.Now()}, nil
}
