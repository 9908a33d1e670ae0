package doctor_test

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

// A healthy client is green in every check, and soon.
func TestHealthy(t *testing.T) {
	for name, c := range map[string]struct {
		smarttest.Options
		smarttest.ClientOptions
		skipped int
	}{
		"Koppeltaal":            {},
		"Koppeltaal, RSA":       {ClientOptions: smarttest.ClientOptions{RSA: true}, skipped: 1},
		"Koppeltaal with a PEM": {ClientOptions: smarttest.ClientOptions{PEM: true}, skipped: 5},
		"SMART":                 {Options: smarttest.Options{Profile: smarttest.SMART}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, c.Options, c.ClientOptions)
			r := diagnose(t, p)
			must(t, r)
			skipped := strings.Count("\n"+r.String(), "\nskip ")
			if r.Status != doctor.Green || r.Took > 2*time.Second || len(r.Checks) != 15 || skipped != c.skipped {
				t.Errorf("%v after %v, %d checks, %d skipped:\n%s", r.Status, r.Took, len(r.Checks), skipped, r)
			}
			if n := p.Counts().TokenRequests; n != 2 {
				t.Errorf("%d requests to the token endpoint, want a look at it and a token", n)
			}
		})
	}
}

// All servers freeze at once, and the time is up for each check that waits for them.
func TestFrozen(t *testing.T) {
	hang := smarttest.Fault{Hang: true}
	for _, c := range []struct {
		frozen smarttest.Endpoint
		lines  []string
	}{
		{smarttest.Discovery, []string{"fail discovery|no answer", "skip token|discovery failed"}},
		{smarttest.TokenEndpoint, []string{"fail token endpoint|no answer in time", "skip token|token endpoint failed"}},
		{smarttest.JWKS, []string{"fail JWKS answer|no answer in time", "skip JWKS key|JWKS answer failed", "fail token|"}},
		{smarttest.FHIR, []string{"fail read|no answer in time"}},
	} {
		t.Run(c.frozen.String(), func(t *testing.T) {
			p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
			p.Timeout = 500 * time.Millisecond
			p.Fail(c.frozen, hang)
			r := diagnose(t, p)
			must(t, r, c.lines...)
			if r.Took > 5*time.Second {
				t.Errorf("it took %v", r.Took)
			}
		})
	}
}

// A signer that freezes does not hold it up either.
func TestFrozenSigner(t *testing.T) {
	p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
	p.Timeout = 100 * time.Millisecond
	p.Config.Signer = frozenSigner{signerOf(t, newKey(t, elliptic.P384()), p.key.KeyID)}
	r := diagnose(t, p)
	must(t, r, "fail JWKS key", "fail algorithm|did not answer in time", "skip token|algorithm failed")
	if r.Took > 5*time.Second {
		t.Errorf("it took %v", r.Took)
	}
}

// When ctx ends, the rest is skipped.
func TestContextEnds(t *testing.T) {
	p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Hang: true})
	r := doctor.Run(ctx, p.Options)
	must(t, r, "ok discovery", "fail token endpoint", "skip key|the time is up", "skip read|the time is up")
	if r.Took > 3*time.Second {
		t.Errorf("it took %v", r.Took)
	}
}

// The text for the support has what they search their logs for, and the JSON has the words of the lines.
func TestForms(t *testing.T) {
	p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
	p.SetApproved(clientID, false)
	r := diagnose(t, p)
	support := r.Support()
	for _, want := range []string{p.BaseURL(), "client_id       my-app\n", "kid             " + p.key.KeyID, "alg             ES384", "EC P-384", p.Options.JWKSURL,
		"fail  token", "POST  " + p.TokenURL() + "  401  X-Request-Id "} {
		if !strings.Contains(support, want) {
			t.Errorf("%q is not in\n%s", want, support)
		}
	}
	sent := p.Requests(smarttest.TokenEndpoint)
	if id := sent[len(sent)-1].Header.Get("X-Request-Id"); id == "" || !strings.Contains(support, id) {
		t.Errorf("the id %q that was sent is not in\n%s", id, support)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"status":"fail"`, `"client_id":"my-app"`, `{"check":"token","status":"fail","found":"exchange at`, `{"check":"read","status":"skip"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%q is not in %s", want, data)
		}
	}
}
