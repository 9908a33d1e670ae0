package smarttest

import (
	"context"
	"crypto"
	"errors"
	"net"
	"net/http"
	"slices"

	smartauth "github.com/smartauth-go/smartauth/core"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// An authServer is the authorization server. What the profiles have in common is here; the rest in koppeltaal.go and
// smart.go.
type authServer struct {
	profile       Profile
	clock         clock
	audience      string   // that assertions for the token endpoint carry
	introspection []string // those that assertions for the introspection endpoint carry
	algorithms    []string // of the SMART profile
	workers       chan struct{}
	reportAccess  bool // whether introspection reports access tokens as active

	tokens  tokenIssuer
	clients registry
	jtis    jtiSet
	codes   codeSet
	base    string       // of the FHIR server
	hc      *http.Client // reads JWKS
	record  *recorder
}

func newAuthServer(s *Server) *authServer {
	key := serverRSAKey()
	kid, err := smartauth.Thumbprint(&key.PublicKey)
	if err != nil {
		panic(err) // RSA keys have one
	}
	a := &authServer{profile: s.opts.Profile, record: s.record, audience: s.opts.Audience, algorithms: slices.Clone(s.opts.Algorithms),
		base: s.BaseURL()}
	if a.audience == "" {
		a.audience = s.TokenURL()
	}
	a.introspection = []string{a.audience}
	a.workers = make(chan struct{}, koppeltaalWorkers)
	if s.opts.IntrospectionAudience == EndpointAudience {
		a.introspection, a.reportAccess = []string{s.IntrospectionURL()}, true
	}
	a.tokens.issuer, a.tokens.key, a.tokens.kid, a.tokens.profile = s.AuthOrigin(), key, kid, a.profile
	a.tokens.lifetime.Store(int64(s.opts.TokenLifetime))
	a.clients.role = koppeltaalRole
	if a.profile == SMART {
		a.clients.role = smartRole
	}
	// A new connection for each document: nothing is kept between two assertions, neither keys nor goroutines.
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return s.transport.DialContext(ctx, network, addr)
	}
	a.hc = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	return a
}

func (s *Server) routeAuth(w http.ResponseWriter, r *http.Request) {
	endpoint, method, h := Other, http.MethodGet, http.HandlerFunc(notFound)
	switch r.URL.Path {
	case "/oauth2/token":
		endpoint, method, h = TokenEndpoint, http.MethodPost, s.auth.serveToken
	case "/oauth2/introspect":
		endpoint, method, h = Introspection, http.MethodPost, s.auth.serveIntrospection
	case "/oauth2/authorize":
		if s.opts.Profile == SMART {
			break
		}
		endpoint, h = Authorization, s.auth.serveAuthorization
		if r.Method == http.MethodPost { // authorize-post
			method = r.Method
		}
	case "/.well-known/smart-configuration":
		endpoint, h = Discovery, s.serveAuthDiscovery
	case "/.well-known/jwks.json":
		h = s.serveAuthKeys
	default:
		method = r.Method
	}
	if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
		h = methodNotAllowed(method)
	}
	s.handle(endpoint, &s.auth.clock, w, r, h)
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	writeHTML(w, http.StatusNotFound, "The requested URL was not found on the server.")
}

func methodNotAllowed(allowed string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allowed)
		writeHTML(w, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
	}
}

func (a *authServer) serveToken(w http.ResponseWriter, r *http.Request) {
	if a.profile == SMART {
		a.serveSMARTToken(w, r)
		return
	}
	a.serveKoppeltaalToken(w, r)
}

// authenticate returns the client that an assertion for one of the audiences is by. It uses the assertion up.
func (a *authServer) authenticate(ctx context.Context, raw string, audiences []string) (client, error) {
	if a.profile == SMART {
		return a.authenticateSMART(ctx, raw, audiences)
	}
	return a.authenticateKoppeltaal(ctx, raw, audiences)
}

var (
	errUnknownClient = errors.New("iss is no registered client")
	errNotApproved   = errors.New("the client is not approved")
)

func (a *authServer) client(u unverified) (client, error) {
	iss, err := text(u.claims, "iss")
	if err != nil {
		return client{}, err
	}
	c, known := a.clients.get(iss)
	switch {
	case !known:
		return client{}, errUnknownClient
	case !c.approved:
		return client{}, errNotApproved
	}
	return c, nil
}

// clientKey returns the key that the assertion says it is signed by. Each user agent is one try to read the JWKS.
func (a *authServer) clientKey(ctx context.Context, c client, u unverified, userAgents ...string) (crypto.PublicKey, error) {
	if c.pem != nil {
		return c.pem, nil
	}
	kid, err := text(u.header, "kid")
	if err != nil {
		return nil, err
	}
	var set jwkSet
	for _, agent := range userAgents {
		if set, err = fetchJWKS(ctx, a.hc, c.jwksURL, agent); err == nil {
			return set.signingKey(kid)
		}
	}
	return nil, err
}

// issue answers a token request that was found good.
func (a *authServer) issue(w http.ResponseWriter, clientID, tokenType, scope string) {
	token, expiresIn := a.tokens.issue(clientID, scope, a.clock.now())
	a.record.issued()
	response := map[string]any{"access_token": token, "token_type": tokenType, "expires_in": expiresIn}
	if scope != "" {
		response["scope"] = scope
	}
	writeJSON(w, http.StatusOK, "application/json", response)
}
