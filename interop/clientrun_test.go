package interop

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

// clientRun is what a client did at fosite and at a FHIR server: three calls, with a lost answer and two revocations.
type clientRun struct {
	*goServer
	alg        string
	began      time.Time
	published  []byte
	set        jose.JSONWebKeySet // as go-jose reads what is published
	assertions []sentAssertion
}

// sentAssertion is an assertion and what it says, its signature not looked at.
type sentAssertion struct {
	jwt            string
	header, claims map[string]any
	signature      []byte
	kid, jti       string  // empty if they are no strings
	iat, exp       float64 // 0 if they are no numbers
}

// clientRuns returns a run for each algorithm that every SMART client must know.
func clientRuns(t *testing.T) []*clientRun {
	t.Helper()
	var runs []*clientRun
	for _, alg := range []string{"RS384", "ES384"} {
		runs = append(runs, runClient(t, alg))
	}
	return runs
}

func runClient(t *testing.T, alg string) *clientRun {
	t.Helper()
	key := generateKey(t, alg)
	signer, err := smartauth.NewSigner(key, "")
	if err != nil {
		t.Fatal(err)
	}
	r := &clientRun{alg: alg, began: time.Now()}
	if r.published, err = jwks.Marshal(jwks.KeyOf(signer)); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(r.published, &r.set); err != nil {
		t.Fatal(err)
	}
	r.goServer = startGo(t, fositePeer, client{ID: "app", Alg: alg, JWKS: r.published})
	src, err := smartauth.New(r.config(t, "app", "", key, ""))
	if err != nil {
		t.Fatal(err)
	}
	r.loseNext(1)
	hc := smarthttp.NewClient(src, nil)
	for range 3 {
		searchPatients(t, hc, r.FHIR)
		r.revokeAll()
	}
	for _, jwt := range r.seen() {
		r.assertions = append(r.assertions, read(t, jwt))
	}
	if len(r.assertions) != 4 {
		t.Fatalf("%d token requests, want 4", len(r.assertions))
	}
	return r
}

func read(t *testing.T, jwt string) sentAssertion {
	t.Helper()
	a := sentAssertion{jwt: jwt}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("an assertion of %d parts", len(parts))
	}
	for i, into := range []*map[string]any{&a.header, &a.claims, nil} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if into == nil {
			a.signature = data
		} else if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	a.kid, _ = a.header["kid"].(string)
	a.jti, _ = a.claims["jti"].(string)
	a.iat, _ = a.claims["iat"].(float64)
	a.exp, _ = a.claims["exp"].(float64)
	return a
}

// A clientCheck is something to see in a run.
type clientCheck struct {
	name  string
	check func(t *testing.T, r *clientRun)
}

// checkRuns makes a subtest of each check.
func checkRuns(t *testing.T, checks []clientCheck) {
	runs := clientRuns(t)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range runs {
				c.check(t, r)
			}
		})
	}
}

// every is a check of each assertion.
func every(name string, good func(r *clientRun, a sentAssertion) bool) clientCheck {
	return clientCheck{name, func(t *testing.T, r *clientRun) {
		for i, a := range r.assertions {
			if !good(r, a) {
				t.Errorf("assertion %d by %s: header %v, claims %v", i, r.alg, a.header, a.claims)
			}
		}
	}}
}

// field is a check of each token request for one parameter.
func field(name, want string) clientCheck {
	return clientCheck{name, func(t *testing.T, r *clientRun) {
		for _, form := range r.forms {
			if got := form[name]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}}
}
