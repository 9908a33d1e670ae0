package smarttest

import (
	"crypto"
	"crypto/rsa"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A Key is a public key in a client's JWKS (RFC 7517).
type Key struct {
	KeyID     string           // "" leaves kid out, which both profiles refuse
	PublicKey crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	Use       string           // "sig", "enc" or "" to leave it out
	Algorithm string           // alg, "" to leave it out; the sandbox does not look at it
}

// A client is the registration of one. The registry hands out copies.
type client struct {
	id       string
	pem      crypto.PublicKey // nil for a JWKS client
	rsa      bool             // has an RSA key, as far as the sandbox has seen its keys
	jwksURL  string
	approved bool
	scopes   []string // of its role, nil without one
}

type registry struct {
	mu      sync.Mutex
	clients map[string]client
	role    func(clientID string) []string // the role of a new client
}

func (r *registry) get(id string) (client, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clients[id]
	return c, ok
}

// register applies edit to a client; a new one is approved and has the profile's usual role.
func (r *registry) register(id string, edit func(*client)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clients[id]
	if !ok {
		c = client{id: id, approved: true, scopes: r.role(id)}
	}
	edit(&c)
	if r.clients == nil {
		r.clients = make(map[string]client)
	}
	r.clients[id] = c
}

// change applies edit to a client that was registered.
func (r *registry) change(method, id string, edit func(*client)) {
	if _, ok := r.get(id); !ok { // a misspelt id would make the test prove nothing
		panic(fmt.Sprintf("smarttest: %s: no client %q was registered", method, id))
	}
	r.register(id, edit)
}

// RegisterPEM registers a client with one public key, as domain admin still allows, or gives a known client that key
// instead of what it had. The Koppeltaal profile takes RS512 only from such clients, with any kid or none.
//
// As with the other Register methods, a new client is approved and has a role with rights to all that the store holds.
func (s *Server) RegisterPEM(clientID string, pub crypto.PublicKey) {
	s.auth.clients.register(clientID, func(c *client) { c.pem, c.jwksURL, c.rsa = pub, "", isRSA(pub) })
}

// RegisterJWKS registers a client whose keys the sandbox serves at [Server.JWKSURL], or gives a known client these keys
// instead of what it had. The authorization server fetches them over HTTP for every assertion, as the Koppeltaal reference
// server does, so a change works at once. It panics for a type of key that has no JWK form.
func (s *Server) RegisterJWKS(clientID string, keys ...Key) {
	document, err := encodeJWKS(keys)
	if err != nil {
		panic("smarttest: RegisterJWKS: " + err.Error())
	}
	s.RegisterJWKSHandler(clientID, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	}))
	hasRSA := slices.ContainsFunc(keys, func(k Key) bool { return isRSA(k.PublicKey) })
	s.auth.clients.register(clientID, func(c *client) { c.rsa = hasRSA })
}

func isRSA(pub crypto.PublicKey) bool {
	_, ok := pub.(*rsa.PublicKey)
	return ok
}

// RegisterJWKSHandler is RegisterJWKS with an application's own handler in place of a list of keys.
func (s *Server) RegisterJWKSHandler(clientID string, h http.Handler) {
	s.keys.put(clientID, h)
	s.RegisterJWKSURL(clientID, s.keys.url(clientID))
}

// RegisterJWKSURL registers a client whose keys are at the given URL, or gives a known client that URL instead of what it
// had. In memory the URL must be within the sandbox; see [Server.Serve].
func (s *Server) RegisterJWKSURL(clientID, url string) {
	s.auth.clients.register(clientID, func(c *client) { c.pem, c.jwksURL, c.rsa = nil, url, false })
}

// SetApproved changes whether a client may get tokens. One that is not approved is refused like an unknown one. It panics
// if no such client was registered.
func (s *Server) SetApproved(clientID string, approved bool) {
	s.auth.clients.change("SetApproved", clientID, func(c *client) { c.approved = approved })
}

// SetRole changes the scopes that a client's role allows, such as "system/Task.cru"; none means that it has no role. In
// the Koppeltaal profile a client without one gets a token without scope. Tokens already issued keep their rights. It
// panics if no such client was registered.
func (s *Server) SetRole(clientID string, scopes ...string) {
	scopes = slices.Clone(scopes)
	s.auth.clients.change("SetRole", clientID, func(c *client) { c.scopes = scopes })
}

// koppeltaalRole names each resource type, as Koppeltaal has no wildcard, and has one scope that carries a search
// parameter (TOP-KT-005a).
func koppeltaalRole(clientID string) []string {
	var scopes []string
	for _, resource := range strings.Fields("ActivityDefinition AuditEvent CareTeam Device Endpoint Organization Patient " +
		"Practitioner RelatedPerson Subscription") {
		scopes = append(scopes, "system/"+resource+".cruds")
	}
	return append(scopes, "system/Task.cruds?resource-origin=Device/"+clientID)
}

func smartRole(string) []string { return []string{"system/*.cruds"} }
