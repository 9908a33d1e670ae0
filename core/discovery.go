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
)

const (
	metadataLife    = time.Hour
	rediscoverAfter = time.Minute
	metadataMost    = 16 << 20 // CapabilityStatements of megabytes are common
)

// discoverer finds and remembers the Metadata of one FHIR server. The headers that limit a cache are ignored: the reference
// server's 30 s would mean a discovery for each token.
type discoverer struct {
	*settings
	notify notifier
	known  atomic.Pointer[discovered]
	doubt  atomic.Bool // what is known may be out of date

	mu      sync.Mutex // never held across a network call or an observer's
	lookup  *lookup    // the discovery under way, nil if none
	tried   time.Time  // when the last one began
	problem error      // why the last one could not replace what is known
}

func newDiscoverer(s *settings, n notifier) *discoverer {
	return &discoverer{settings: s, notify: n}
}

type discovered struct {
	Metadata
	token *url.URL
	at    time.Time
}

// lookup is a discovery under way, for everybody who needs it.
type lookup struct {
	done chan struct{} // closed when m and err are final
	m    *discovered
	err  error
}

// metadata returns what is known, for an hour, and longer if it cannot be had anew.
func (d *discoverer) metadata(ctx context.Context, attempt int) (*discovered, error) {
	m := d.known.Load()
	if d.current(m) {
		return m, nil
	}
	if authctx.From(ctx).Discoverer == d {
		return nil, &Error{Phase: PhaseDiscover, Kind: Permanent, err: errReentrant}
	}
	d.mu.Lock()
	if m = d.known.Load(); d.current(m) || m != nil && time.Since(d.tried) < rediscoverAfter {
		d.mu.Unlock()
		return m, nil
	}
	l := d.lookup
	if l == nil {
		l = &lookup{done: make(chan struct{}), err: errUnfinished}
		d.lookup, d.tried = l, time.Now()
		go d.look(context.WithoutCancel(ctx), l, m, attempt) // others may wait for it when ctx ends
	}
	d.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, &Error{Phase: PhaseDiscover, Kind: Temporary, err: waitError(ctx)}
	}
	if l.err != nil && m != nil {
		return m, nil
	}
	return l.m, l.err
}

// look runs a discovery. What is known already is not worth waiting long for.
func (d *discoverer) look(ctx context.Context, l *lookup, known *discovered, attempt int) {
	defer func() {
		if p := recover(); p != nil {
			l.err = panicError("discovery", p)
		}
		if l.err != nil {
			l.err = asError(l.err, PhaseDiscover)
		}
		d.mu.Lock()
		d.lookup, d.problem = nil, l.err
		d.mu.Unlock()
		close(l.done)
	}()
	limit := attemptLimit
	if known != nil {
		limit = refreshLimit
	}
	marks := authctx.From(ctx)
	marks.Discoverer = d
	ctx, cancel := context.WithTimeout(authctx.With(ctx, marks), limit)
	defer cancel()
	if l.m, l.err = d.discover(ctx, attempt); l.err == nil {
		d.known.Store(l.m)
		d.doubt.Store(false)
	}
}

func (d *discoverer) current(m *discovered) bool {
	return m != nil && !d.doubt.Load() && time.Since(m.at) < metadataLife
}

// staleHints tells of a discovery that failed and left us with what was known before.
func (d *discoverer) staleHints() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.problem == nil || d.known.Load() == nil {
		return nil
	}
	return []string{"the token endpoint is out of date: " + d.problem.Error()}
}

func (d *discoverer) discover(ctx context.Context, attempt int) (*discovered, error) {
	m, err := d.get(ctx, ".well-known/smart-configuration", "application/json", attempt, parseConfiguration)
	if e := (*Error)(nil); errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
		missing := err
		m, err = d.get(ctx, "metadata", "application/fhir+json", attempt, parseCapabilityStatement)
		if errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
			err = missing
		}
	}
	return m, err
}

// get makes one discovery request and reads its answer with parse.
func (d *discoverer) get(ctx context.Context, path, accept string, attempt int,
	parse func([]byte) (*Metadata, error)) (m *discovered, err error) {
	r, err := http.NewRequest(http.MethodGet, d.base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, asError(err, PhaseDiscover)
	}
	r.Header.Set("Accept", accept)
	start := PhaseStart{Phase: PhaseDiscover, Attempt: attempt, Method: r.Method, URL: displayURL(r.URL), Header: r.Header}
	err = d.notify.within(ctx, start, func(ctx context.Context, end *PhaseEnd) error {
		resp, err := send(ctx, d.discovery, r, PhaseDiscover, metadataMost)
		if err != nil {
			return err
		}
		end.StatusCode = resp.status
		if resp.status != http.StatusOK {
			return withDiscoveryHints(resp.failure(PhaseDiscover, start.URL))
		}
		meta, err := parse(resp.body)
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
	return &discovered{Metadata: *m, token: token, at: time.Now()}, nil
}
