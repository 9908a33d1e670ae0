package smarttest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p256Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// draft is an assertion before it is signed.
type draft struct {
	alg    string
	key    crypto.PrivateKey
	header map[string]any
	claims jwt.MapClaims
}

// newDraft returns what every server accepts.
func newDraft(s *smarttest.Server, clientID, alg, kid string, key crypto.PrivateKey) *draft {
	now := time.Now()
	return &draft{alg: alg, key: key, header: map[string]any{"typ": "JWT", "kid": kid}, claims: jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": s.TokenURL(), "jti": uuid.NewString(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}}
}

func (d *draft) sign() string {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(d.alg), d.claims)
	delete(token.Header, "typ")
	for name, value := range d.header {
		token.Header[name] = value
	}
	key := d.key
	if d.alg == "none" {
		key = jwt.UnsafeAllowNoneSignatureType
	}
	return must(token.SignedString(key))
}

func tokenForm(assertion string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion_type": {assertionType},
		"client_assertion": {assertion}}
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return m
}

func do(t *testing.T, s *smarttest.Server, r *http.Request) answer {
	t.Helper()
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func postForm(t *testing.T, s *smarttest.Server, target string, form url.Values) answer {
	t.Helper()
	r := must(http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, s, r)
}

func get(t *testing.T, s *smarttest.Server, target, token string) answer {
	t.Helper()
	return send(t, s, http.MethodGet, target, token, "")
}

func send(t *testing.T, s *smarttest.Server, method, target, token, body string) answer {
	t.Helper()
	r := must(http.NewRequest(method, target, strings.NewReader(body)))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	return do(t, s, r)
}

// register makes "app" a client with an RSA and an EC key in its JWKS.
func register(s *smarttest.Server) {
	s.RegisterJWKS("app", smarttest.Key{KeyID: "rsa", PublicKey: rsaKey().Public(), Use: "sig"},
		smarttest.Key{KeyID: "ec", PublicKey: ecKey().Public()}, smarttest.Key{KeyID: "p256", PublicKey: p256Key().Public()})
}

// accessToken returns a token for "app".
func accessToken(t *testing.T, s *smarttest.Server) string {
	t.Helper()
	a := postForm(t, s, s.TokenURL(), tokenForm(newDraft(s, "app", "ES384", "ec", ecKey()).sign()))
	if a.status != http.StatusOK {
		t.Fatalf("no token: %d %s", a.status, a.body)
	}
	return a.json(t)["access_token"].(string)
}
