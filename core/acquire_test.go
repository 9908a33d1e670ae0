package smartauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestAttemptsAreCountedByPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		attempts := func() string {
			var seen []string
			for _, s := range o.started() {
				if s.Phase != smartauth.PhaseAcquire {
					seen = append(seen, fmt.Sprint(s.Phase, s.Attempt))
				}
			}
			o.mu.Lock()
			o.starts = nil
			o.mu.Unlock()
			return strings.Join(seen, " ")
		}
		srv.Fail(smarttest.Discovery, smarttest.Fault{Times: 1, Status: 503})
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: 503})
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := attempts(), "discover0 discover1 sign0 exchange0 sign1 exchange1"; got != want {
			t.Errorf("attempts %s, want %s", got, want)
		}
		time.Sleep(301 * time.Second)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, CloseConnection: true}) // the endpoint may have moved
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := attempts(), "sign0 exchange0 discover0 sign1 exchange1"; got != want {
			t.Errorf("attempts %s, want %s", got, want)
		}
	})
}

func TestEveryAttemptHasItsOwnAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cfg smartauth.Config
		srv, src := sandbox(t, func(c *smartauth.Config) { cfg = *c })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 2, Status: 503})
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		assertions := srv.Assertions()
		if len(assertions) != 3 {
			t.Fatalf("%d assertions, want 3", len(assertions))
		}
		seen := map[any]bool{}
		for _, a := range assertions {
			jti := a.Claims["jti"]
			text, _ := jti.(string)
			if id, err := uuid.Parse(text); err != nil || len(text) != 36 || id.Version() != 4 || id.Variant() != uuid.RFC4122 || seen[jti] {
				t.Errorf("jti %v, want a new UUID v4 each time", jti)
			}
			seen[jti] = true

			iat, exp := number(a.Claims["iat"]), number(a.Claims["exp"])
			if exp-iat != 300 {
				t.Errorf("exp is iat + %v, want 300", exp-iat)
			}
			if age := float64(time.Now().Unix()) - iat; age < 5 || age > 8 {
				t.Errorf("iat is %v s old, want back-dated by 5", age)
			}
			for claim, want := range map[string]any{"iss": cfg.ClientID, "sub": cfg.ClientID, "aud": srv.TokenURL()} {
				if a.Claims[claim] != want {
					t.Errorf("claim %s is %v, want %v", claim, a.Claims[claim], want)
				}
			}
			if len(a.Claims) != 6 {
				t.Errorf("claims %v, want iss, sub, aud, jti, iat, exp and no other", a.Claims)
			}
			for field, want := range map[string]any{"alg": "ES384", "typ": "JWT", "kid": cfg.Signer.KeyID()} {
				if a.Header[field] != want {
					t.Errorf("header %s is %v, want %v", field, a.Header[field], want)
				}
			}
		}
	})
}

func TestRequestsOfAnAcquisition(t *testing.T) {
	for _, c := range []struct {
		scopes []string
		scope  string
	}{
		{nil, ""},
		{[]string{"system/*.rs"}, "system%2F%2A.rs"},
		{[]string{"system/Patient.rs", "system/Task.cruds"}, "system%2FPatient.rs+system%2FTask.cruds"},
	} {
		t.Run(c.scope, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, func(cfg *smartauth.Config) { cfg.Scopes = c.scopes })
				srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 404})
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				for endpoint, accept := range map[smarttest.Endpoint]string{smarttest.Discovery: "application/json",
					smarttest.Metadata: "application/fhir+json", smarttest.TokenEndpoint: "application/json"} {
					if r := srv.Requests(endpoint); len(r) != 1 || r[0].Header.Get("Accept") != accept {
						t.Errorf("%v: %+v, want one request that accepts %s", endpoint, r, accept)
					}
				}
				r := srv.Requests(smarttest.TokenEndpoint)[0]
				if got := r.Header.Get("Content-Type"); r.Method != http.MethodPost || got != "application/x-www-form-urlencoded" {
					t.Errorf("%s of %s", r.Method, got)
				}
				fields := strings.Split(string(r.Body), "&")
				for _, want := range []string{"grant_type=client_credentials", "scope=" + c.scope,
					"client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"} {
					if !slices.Contains(fields, want) {
						t.Errorf("the form has no %s: %q", want, fields)
					}
				}
				if len(fields) != 4 {
					t.Errorf("%d fields, want these three, the assertion and no other", len(fields))
				}
			})
		})
	}
}

// A pause that an acquisition would not outlast is not begun: whoever waits has the answer at once.
func TestNoPauseAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503, Delay: 13500 * time.Millisecond, Header: http.Header{"Retry-After": {"2"}}})
		began := time.Now()
		_, err := src.Token(t.Context())
		if e := (*smartauth.Error)(nil); !errors.As(err, &e) || e.StatusCode != 503 {
			t.Errorf("error %v", err)
		}
		if took, n := time.Since(began), srv.Counts().TokenRequests; took != 29*time.Second || n != 2 {
			t.Errorf("%d requests in %v, want 2 in 29 s, which leaves less than the two that the server asks for", n, took)
		}
	})
}
