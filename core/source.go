package smartauth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartauth-go/smartauth/internal/authctx"
)

// A Source acquires access tokens for one client at one FHIR server and keeps the current one. Make one with [New] and share
// it: all methods may be called from any goroutine. It needs no Close.
type Source struct {
	current atomic.Pointer[entry]
	counted *counters // nil without an Observer

	cfg        *settings
	notify     notifier
	discoverer *discoverer
	clock      clock

	mu      sync.Mutex // never held during a network call or a call of the observer
	flight  *flight    // the acquisition under way, nil if none
	failing cooldown
	renewal bucket
	changes []stateChange // not yet told
	telling bool
	told    told

	toldWarning string // of the Signer, guarded by mu
}

// New returns a Source for c, or an [*Error] that lists everything that is wrong with c. It makes no network call.
func New(c Config) (*Source, error) {
	cfg, err := c.check()
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, notify: newNotifier(c.Observer), renewal: newBucket()}
	s.notify.source = s
	s.discoverer = newDiscoverer(cfg, s.notify)
	if c.Observer != nil {
		s.counted = new(counters)
	}
	s.notify.sourceCreated(s)
	return s, nil
}

// Format prints whose tokens these are and where, whatever the verb, and nothing of what the Source holds.
func (s *Source) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "smartauth.Source(client %q at %s)", shorten(s.cfg.ClientID, 64), s.cfg.base)
}

// entry is what is known of the current token. It is never changed, only replaced.
type entry struct {
	token     *Token
	refreshAt time.Time // from here on a background refresh is due
	suspect   bool      // a server refused the token; callers wait for its successor
	kept      bool      // a suspect that callers go on with, as there was no successor, or not soon
}

func newEntry(t *Token, now time.Time) *entry {
	// A share of the lifetime, never a fixed time: that would renew tokens of two minutes back to back. The jitter keeps
	// replicas apart.
	share := 0.75 + 0.10*rand.Float64()
	return &entry{token: t, refreshAt: now.Add(time.Duration(float64(t.expiry.Sub(now)) * share))}
}

func (e *entry) fresh() bool { return e != nil && time.Until(e.refreshAt) > 0 }
func (e *entry) alive() bool { return e != nil && time.Until(e.token.expiry) > 0 }

// Token returns the current token. While it is fresh that costs no lock, no allocation and no observer call. When it is
// near its end it is returned still, and a refresh begins in the background. When there is none, Token waits for the one
// acquisition that serves everybody, until ctx ends; ctx has no other influence on it. Errors are [*Error], except when ctx
// ends before there is a token: that one wraps ctx.Err() and context.Cause(ctx).
func (s *Source) Token(ctx context.Context) (*Token, error) {
	if e := s.current.Load(); e.fresh() {
		s.counted.hit()
		return e.token, nil
	}
	return s.acquireOrWait(ctx)
}

// Invalidate says that a server answered 401 to t, or that the client's rights have changed, so that t should be replaced.
// It does nothing if t is not the current token, or if too many tokens were invalidated lately: three at once and then one
// every 10 s are replaced, so that a server that refuses everything does not flood the authorization server.
func (s *Source) Invalidate(t *Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.current.Load(); e != nil && e.token == t && e.alive() && !e.suspect && s.renewal.take(time.Now()) {
		s.current.Store(&entry{token: t, suspect: true})
	}
}

// ClientID returns Config.ClientID.
func (s *Source) ClientID() string { return s.cfg.ClientID }

// BaseURL returns Config.BaseURL without a trailing slash. Bearers belong to its origin.
func (s *Source) BaseURL() string { return s.cfg.base.String() }

// Metadata returns what the server says of itself: from memory if it was asked within the hour, and also after that if it
// cannot be asked now.
func (s *Source) Metadata(ctx context.Context) (*Metadata, error) {
	d, err := s.discoverer.metadata(ctx, 0)
	if err != nil {
		return nil, err
	}
	return d.clone(), nil
}

// TokenEndpoint returns the URL that assertions are posted to, and the aud they then have: the URL itself, unless
// Config.Audience says otherwise. Unless Config.TokenURL pins it, it is discovered, from memory if that was within the hour.
func (s *Source) TokenEndpoint(ctx context.Context) (endpoint *url.URL, audience string, err error) {
	u, _, err := s.tokenEndpoint(ctx, 0)
	if err != nil {
		return nil, "", err
	}
	clone := *u
	return &clone, s.audience(u), nil
}

func (s *Source) audience(endpoint *url.URL) string {
	if s.cfg.Audience != "" {
		return s.cfg.Audience
	}
	return endpoint.String()
}

// tokenEndpoint returns where to post to, and the algorithms that the server says it accepts: nil if it says nothing or was
// not asked.
func (s *Source) tokenEndpoint(ctx context.Context, attempt int) (*url.URL, []string, error) {
	if s.cfg.token != nil {
		return s.cfg.token, nil, nil
	}
	d, err := s.discoverer.metadata(ctx, attempt)
	if err != nil {
		return nil, nil, err
	}
	return d.token, d.TokenEndpointAuthSigningAlgs, nil
}

// Rejected passes an adapter's report on to the [Observer].
func (s *Source) Rejected(ctx context.Context, r Rejection) {
	r.Source = s
	s.notify.rejected(ctx, r)
}

// BearerSkipped passes an adapter's report on to the [Observer].
func (s *Source) BearerSkipped(ctx context.Context, b BearerSkipped) {
	b.Source = s
	s.notify.bearerSkipped(ctx, b)
}

var errReentrant = errors.New("Token was called from within its own acquisition: by an Observer, a Signer or the HTTP client's transport")

// acquireOrWait is Token without a fresh token at hand.
func (s *Source) acquireOrWait(ctx context.Context) (*Token, error) {
	marks := authctx.From(ctx)
	if marks.Acquirer == s {
		return nil, &Error{Phase: PhaseAcquire, Kind: Permanent, err: errReentrant}
	}

	s.mu.Lock()
	e := s.current.Load()
	now := time.Now()
	refused := e != nil && marks.Refused == e.token // this very caller's request was answered with 401
	switch {
	case e.fresh():
		s.mu.Unlock()
		s.counted.hit()
		return e.token, nil
	case e.alive() && !refused && (!e.suspect || e.kept):
		if s.flight == nil && s.failing.mayRefresh(now) {
			s.launch(ctx, e, true)
		}
		overdue := e.suspect || s.failing.err != nil
		s.mu.Unlock()
		s.counted.old(overdue)
		return e.token, nil
	case ctx.Err() != nil:
		s.mu.Unlock()
		return nil, waitError(ctx)
	}
	f, leader := s.flight, false
	if f == nil {
		if err := s.failing.coolDown(now); err != nil {
			s.noteLeftAlone(ctx, err)
			s.mu.Unlock()
			return s.counted.coolingDown(s.settle(e, refused, err))
		}
		f, leader = s.launch(ctx, e, false), true
	}
	f.awaited = true
	s.mu.Unlock()
	return s.wait(ctx, f, leader, func() (*Token, error) { return s.outcome(ctx, f, e, refused) })
}

// suspectPatience is how long callers wait for the successor of a token that a server refused to somebody else.
const suspectPatience = 2 * time.Second

// outcome returns what f ends with, or what there is instead for a caller who came with e as the current token.
func (s *Source) outcome(ctx context.Context, f *flight, e *entry, refused bool) (*Token, error) {
	var notSoon <-chan time.Time
	if e.alive() && !refused {
		t := time.NewTimer(time.Until(f.began.Add(suspectPatience)))
		defer t.Stop()
		notSoon = t.C
	}
	for {
		select {
		case <-f.done:
			return s.landed(f, e, refused)
		case <-ctx.Done():
			select {
			case <-f.done: // both at once: the work is done
				return s.landed(f, e, refused)
			default:
				return nil, waitError(ctx)
			}
		case <-notSoon:
			if e.alive() {
				s.keep(e)
				return e.token, nil
			}
			notSoon = nil
		}
	}
}

func (s *Source) landed(f *flight, e *entry, refused bool) (*Token, error) {
	if f.err != nil {
		return s.settle(e, refused, f.err)
	}
	return f.token, nil
}

// settle answers a caller for whom there is no new token: with the suspect while it lives, unless it was this caller
// that a server refused it to. One spurious 401 must not fail everybody while the authorization server is down.
func (s *Source) settle(e *entry, refused bool, err *Error) (*Token, error) {
	if e.alive() && !refused && err.Kind != Permanent {
		return e.token, nil
	}
	return nil, err
}

// keep lets callers go on with e at once from now on, if it is a suspect and still the current one.
func (s *Source) keep(e *entry) {
	if e != nil && e.suspect && !e.kept {
		kept := *e
		kept.kept = true
		s.current.CompareAndSwap(e, &kept)
	}
}

func waitError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("smartauth: waiting for a token: %w", cause)
	}
	return fmt.Errorf("smartauth: waiting for a token: %w: %w", err, cause)
}
