package interop

import (
	"bytes"
	"crypto"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// goPeer is an authorization server written in Go, which runs in the tests' process.
type goPeer struct {
	name string
	algs []string // of client assertions, as far as it takes them

	// start returns its token endpoint, and what its FHIR server asks it about a bearer.
	start func(t *testing.T, base string, clients []client) (token http.Handler, granted func(bearer string) bool)

	// byIssuer: the audience it wants is the URL it runs at, and not its token endpoint's.
	byIssuer bool

	// replayed is the error code for an assertion that was used before; empty if it does not look.
	replayed string
	// wrongKey is the status it refuses a wrong signature with, and unknownKey one for a kid that it does not know.
	wrongKey, unknownKey int
}

var goPeers = []goPeer{fositePeer, zitadelPeer}

// goServer is a running goPeer and the FHIR server that trusts it.
type goServer struct {
	goPeer
	base, FHIR, TokenURL string

	mu             sync.Mutex
	lose           int          // answers of the token endpoint to lose from now on
	forms          []url.Values // what the token endpoint was sent
	authorizations []string     // and the FHIR server
	revoked        map[string]bool
	bearers        []string // every token that was issued
}

func startGo(t *testing.T, peer goPeer, clients ...client) *goServer {
	t.Helper()
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	s := &goServer{goPeer: peer, base: srv.URL, FHIR: srv.URL + "/fhir", TokenURL: srv.URL + "/oauth/token", revoked: map[string]bool{}}
	token, granted := peer.start(t, srv.URL, clients)

	mux.HandleFunc("GET /fhir/.well-known/smart-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"token_endpoint":                                   s.TokenURL,
			"grant_types_supported":                            []string{"client_credentials"},
			"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
			"scopes_supported":                                 []string{"system/Observation.rs"}, // not all there are
			"token_endpoint_auth_signing_alg_values_supported": peer.algs,
		})
	})
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) { s.token(w, r, token) })
	mux.HandleFunc("GET /fhir/Patient", func(w http.ResponseWriter, r *http.Request) {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		s.authorizations = append(s.authorizations, r.Header.Get("Authorization"))
		revoked := s.revoked[bearer]
		s.mu.Unlock()
		if !ok || revoked || !granted(bearer) {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"searchset"}`)
	})
	return s
}

// token lets the peer answer. An answer that is to be lost becomes a 503, as from a proxy: the peer has seen the assertion.
func (s *goServer) token(w http.ResponseWriter, r *http.Request, peer http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	form, _ := url.ParseQuery(string(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	peer.ServeHTTP(rec, r)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	_ = json.Unmarshal(rec.Body.Bytes(), &answer)

	s.mu.Lock()
	s.forms = append(s.forms, form)
	lost := s.lose > 0
	if lost {
		s.lose--
	}
	if rec.Code == http.StatusOK {
		s.bearers = append(s.bearers, answer.AccessToken)
	}
	s.mu.Unlock()
	if lost {
		http.Error(w, "upstream is gone", http.StatusServiceUnavailable)
		return
	}
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (s *goServer) loseNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

func (s *goServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bearers)
}

// seen returns the assertions that were sent, in order.
func (s *goServer) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var assertions []string
	for _, form := range s.forms {
		assertions = append(assertions, form.Get("client_assertion"))
	}
	return assertions
}

// revokeAll makes every token issued so far worthless to the FHIR server.
func (s *goServer) revokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, bearer := range s.bearers {
		s.revoked[bearer] = true
	}
}

// config is for a client with this key. Where the peer asks for another audience than SMART has it, it is what a user of such
// a server would have to set.
func (s *goServer) config(t *testing.T, clientID, alg string, key crypto.Signer, kid string) smartauth.Config {
	t.Helper()
	signer, err := smartauth.NewSigner(key, kid)
	if err != nil {
		t.Fatal(err)
	}
	cfg := smartauth.Config{BaseURL: s.FHIR, ClientID: clientID, Signer: signer, Algorithm: alg, Scopes: []string{scope}}
	if s.byIssuer {
		cfg.TokenURL, cfg.Audience = s.TokenURL, s.base
	}
	return cfg
}
