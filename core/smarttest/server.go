package smarttest

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// basePath is where the Koppeltaal reference server has its one tenant.
const basePath = "/fhir/DEFAULT"

// A Server is a running sandbox: a FHIR server, an authorization server and a host for the clients' keys, each an origin
// of its own. Make one with [New] or [Start]. To a request whose body is larger than 16 MiB they answer 413.
type Server struct {
	opts      Options
	network   network
	transport *http.Transport

	fhirOrigin, authOrigin, keyOrigin *origin

	mu    sync.Mutex
	extra []*origin // of Serve

	record *recorder
	faults *faultSet
	keys   *keyHost
	auth   *authServer
	fhir   *fhirServer

	discoveryEdit atomic.Pointer[func(map[string]any)]
	portal        func() portal

	closing   chan struct{}
	closeOnce sync.Once
}

// New starts a sandbox that is closed when the test ends. It fails the test if it cannot start.
func New(tb testing.TB, opts Options) *Server {
	tb.Helper()
	s, err := Start(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Start starts a sandbox. Close it when it is done with.
func Start(opts Options) (*Server, error) {
	s := &Server{opts: opts.withDefaults(), closing: make(chan struct{}), record: &recorder{}, faults: &faultSet{}}
	if opts.InMemory {
		s.network = newMemory()
		s.opts.Addr = ""
	} else {
		s.network = &loopback{}
	}
	s.transport = &http.Transport{DialContext: s.network.dial, MaxIdleConnsPerHost: 256, IdleConnTimeout: 90 * time.Second}

	for _, o := range []struct {
		origin **origin
		addr   string
	}{{&s.fhirOrigin, s.opts.Addr}, {&s.authOrigin, ""}, {&s.keyOrigin, ""}} {
		started, err := newOrigin(s.network, o.addr)
		if err != nil {
			s.Close()
			return nil, err
		}
		*o.origin = started
	}

	s.keys = &keyHost{origin: s.keyOrigin.url}
	s.auth = newAuthServer(s)
	s.fhir = newFHIRServer(s)
	s.portal = sync.OnceValue(s.newPortal)
	s.fhirOrigin.serve(http.HandlerFunc(s.routeFHIR))
	s.authOrigin.serve(http.HandlerFunc(s.routeAuth))
	s.keyOrigin.serve(http.HandlerFunc(s.routeKeys))
	return s, nil
}

// Close stops the servers and closes all connections, also those of requests that a [Fault] holds. It returns when the
// servers' goroutines have ended, so a [Fault.Handler] and a handler of [Server.Serve] must return when its request's context
// ends. Further calls do nothing.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.mu.Lock()
		origins := append([]*origin{s.fhirOrigin, s.authOrigin, s.keyOrigin}, s.extra...)
		s.mu.Unlock()
		for _, o := range origins {
			if o != nil {
				o.close()
			}
		}
		s.transport.CloseIdleConnections()
	})
}

// BaseURL returns the base of the FHIR server, tenant included, without trailing slash.
func (s *Server) BaseURL() string { return s.fhirOrigin.url + basePath }

// FHIROrigin returns scheme, host and port of the FHIR server.
func (s *Server) FHIROrigin() string { return s.fhirOrigin.url }

// AuthOrigin returns scheme, host and port of the authorization server.
func (s *Server) AuthOrigin() string { return s.authOrigin.url }

// TokenURL returns the token endpoint.
func (s *Server) TokenURL() string { return s.authOrigin.url + "/oauth2/token" }

// IntrospectionURL returns the introspection endpoint.
func (s *Server) IntrospectionURL() string { return s.authOrigin.url + "/oauth2/introspect" }

// AuthorizationURL returns the authorization endpoint, which the SMART profile does not have.
func (s *Server) AuthorizationURL() string { return s.authOrigin.url + "/oauth2/authorize" }

// JWKSURL returns where the sandbox serves the keys of a client; see [Server.RegisterJWKS].
func (s *Server) JWKSURL(clientID string) string { return s.keys.url(clientID) }

// Client returns a new http.Client that reaches the sandbox over [Server.Transport].
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.transport} }

// Transport returns the transport that reaches the sandbox: the same one each time, so that tests may wrap it. Close
// closes its idle connections. In memory it reaches nothing else. The authorization server dials with it, too, to read JWKS: a
// test may put a DialContext of its own there before the first request.
func (s *Server) Transport() *http.Transport { return s.transport }

// Serve adds a server of your own to the sandbox's network, such as one that redirects lead to, and returns its origin. It
// ends with the sandbox; its requests are not counted or recorded. An empty addr means a free port of loopback; in memory
// addr may name any host and port, such as "files.example.test:80".
func (s *Server) Serve(addr string, h http.Handler) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
		return "", http.ErrServerClosed
	default:
	}
	o, err := newOrigin(s.network, addr)
	if err != nil {
		return "", err
	}
	o.serve(h)
	s.extra = append(s.extra, o)
	return o.url, nil
}

// SetTokenLifetime changes how long tokens issued from now on last, in whole seconds, at least one. In the Koppeltaal profile
// the FHIR server takes them for another 60 s: see [Options].TokenLifetime.
func (s *Server) SetTokenLifetime(d time.Duration) { s.auth.tokens.lifetime.Store(int64(d)) }

// RevokeAll makes the FHIR server refuse all tokens issued so far.
func (s *Server) RevokeAll() { s.auth.tokens.revokeAll() }

// AlwaysUnauthorized makes the FHIR server refuse every token, or stops that: so does one that cannot read the keys of the
// authorization server. Discovery stays open.
func (s *Server) AlwaysUnauthorized(on bool) { s.fhir.refuseAll.Store(on) }

// A Host is one of the two servers that a client talks to.
type Host int

// The hosts, each with a clock of its own.
const (
	AuthServer Host = iota
	FHIRServer
)

// SetDown stops a server, so that its connections end and new ones are refused, or has it listen again on the same address;
// it returns an error if that is not free, as over loopback somebody may have taken it. It waits for the server's handlers
// to return: do not call it from one, or from the function of [Server.OnRequest].
func (s *Server) SetDown(h Host, down bool) error {
	o := s.authOrigin
	if h == FHIRServer {
		o = s.fhirOrigin
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
		return http.ErrServerClosed
	default:
	}
	if down {
		o.close()
		return nil
	}
	return o.reopen(s.network)
}

// SetClockOffset sets how far the clock of a server is ahead of the real one; negative is behind. It moves the times in
// the tokens it issues, its judgement of assertions and tokens, and its Date header.
func (s *Server) SetClockOffset(h Host, d time.Duration) {
	c := &s.auth.clock
	if h == FHIRServer {
		c = &s.fhir.clock
	}
	c.offset.Store(int64(d))
}

// SetDiscovery has edit change the FHIR server's smart-configuration document before it is sent, for example its
// token_endpoint. It is called for each request, possibly from several goroutines at once. Nil ends it.
func (s *Server) SetDiscovery(edit func(doc map[string]any)) {
	if edit == nil {
		s.discoveryEdit.Store(nil)
		return
	}
	s.discoveryEdit.Store(&edit)
}
