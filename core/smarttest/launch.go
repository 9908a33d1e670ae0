package smarttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// A portal is an application that launches the modules of others.
type portal struct {
	id, kid string
	key     *ecdsa.PrivateKey
}

func (s *Server) newPortal() portal {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err) // the random source does not fail
	}
	p := portal{id: uuid.NewString(), kid: "portal", key: key}
	s.RegisterJWKS(p.id, Key{KeyID: p.kid, PublicKey: p.key.Public(), Use: "sig"})
	return p
}

// LaunchToken returns an HTI token (TOP-KT-007) as a portal posts it to the module of a client: Patient/patient-1 launches
// Task/task-1. It is good for five minutes, and for one introspection or authorization. edit, if not nil, may change the
// claims before they are signed with the portal's key; iss is the client_id of the portal.
func (s *Server) LaunchToken(clientID string, edit func(claims map[string]any)) string {
	p, now := s.portal(), s.auth.clock.now()
	claims := jwt.MapClaims{
		"iss": p.id, "aud": "Device/" + clientID, "jti": uuid.NewString(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"sub": "Patient/patient-1", "patient": "Patient/patient-1", "resource": "Task/task-1", "intent": "plan",
		"definition": "https://module.example.nl/ActivityDefinition/sleep",
	}
	if edit != nil {
		edit(claims)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES384, claims)
	t.Header["kid"] = p.kid
	signed, err := t.SignedString(p.key)
	if err != nil {
		panic("smarttest: LaunchToken: " + err.Error())
	}
	return signed
}

// codeLife is what RFC 6749 section 4.1.2 recommends at most.
const codeLife = 10 * time.Minute

// A grant is what a code stands for.
type grant struct {
	clientID, redirectURI, challenge string
	launch                           jwt.MapClaims
	expiry                           time.Time
}

type codeSet struct {
	mu     sync.Mutex
	grants map[string]grant
}

func (s *codeSet) put(g grant) (code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grants == nil {
		s.grants = make(map[string]grant)
	}
	code = rand.Text()
	s.grants[code] = g
	return code
}

// take returns what a code stands for, once.
func (s *codeSet) take(code string) (grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants[code]
	delete(s.grants, code)
	return g, ok
}

// serveAuthorization takes the launch of SMART on HTI and sends the browser back with a code at once: nobody has to log in. As
// at the Koppeltaal reference server, that uses up the HTI token, PKCE is optional, and any redirect_uri will do.
func (a *authServer) serveAuthorization(w http.ResponseWriter, r *http.Request) {
	p, _ := formParameters(r, true)
	scopes := strings.Fields(p.Get("scope"))
	back, err := url.Parse(p.Get("redirect_uri"))
	challenge := p.Get("code_challenge")
	switch {
	case p.Get("response_type") != "code", !slices.Contains(scopes, "launch"), !slices.Contains(scopes, "openid"),
		p.Get("aud") != a.base, err != nil || !back.IsAbs() || back.Fragment != "",
		challenge != "" && p.Get("code_challenge_method") != "S256":
		badRequest(w)
		return
	}
	c, known := a.clients.get(p.Get("client_id"))
	if !known || !c.approved {
		accessDenied(w)
		return
	}
	if _, err := a.authenticateKoppeltaal(r.Context(), p.Get("launch"), []string{"Device/" + c.id}); err != nil {
		accessDenied(w)
		return
	}
	launch, _ := decodeJWT(p.Get("launch"))
	code := a.codes.put(grant{clientID: c.id, redirectURI: p.Get("redirect_uri"), challenge: challenge, launch: launch.claims,
		expiry: a.clock.now().Add(codeLife)})
	query := back.Query()
	query.Set("code", code)
	if p.Has("state") {
		query.Set("state", p.Get("state"))
	}
	back.RawQuery = query.Encode()
	w.Header().Set("Location", back.String())
	writeHTML(w, http.StatusFound, "You should be redirected automatically.")
}

// exchangeCode answers with everything about a launch but an access token. It knows a code once, whatever comes of it.
func (a *authServer) exchangeCode(w http.ResponseWriter, c client, p parameters) {
	g, ok := a.codes.take(p.Get("code"))
	sum := sha256.Sum256([]byte(p.Get("code_verifier")))
	now := a.clock.now()
	if !ok || g.clientID != c.id || g.redirectURI != p.Get("redirect_uri") || !now.Before(g.expiry) ||
		g.challenge != "" && g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		accessDenied(w)
		return
	}
	response := map[string]any{"access_token": "NOOP", "token_type": "Bearer", "expires_in": 300, "scope": "launch openid fhirUser"}
	for _, name := range []string{"sub", "patient", "resource", "definition", "intent"} {
		if v, present := g.launch[name]; present {
			response[name] = v
		}
	}
	response["id_token"] = a.tokens.sign(jwt.MapClaims{"iss": a.tokens.issuer, "sub": g.launch["sub"], "aud": c.id, "type": "id",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": uuid.NewString()})
	writeJSON(w, http.StatusOK, "application/json", response)
}
