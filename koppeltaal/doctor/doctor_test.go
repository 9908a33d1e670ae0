package doctor_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
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
		bubble(t, name, func(t *testing.T) {
			c.InMemory = true
			p := newPatient(t, c.Options, c.ClientOptions)
			r := diagnose(t, p)
			must(t, r)
			skipped := strings.Count("\n"+r.String(), "\nskip ")
			if r.Status != doctor.Green || r.Took != 0 || len(r.Checks) != 15 || skipped != c.skipped {
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
		took   time.Duration
		lines  []string
	}{
		{smarttest.Discovery, 10 * time.Second, []string{"fail discovery|no answer", "skip token|discovery failed"}},
		{smarttest.TokenEndpoint, 10 * time.Second, []string{"fail token endpoint|no answer in time", "skip token|token endpoint failed"}},
		{smarttest.JWKS, 21 * time.Second, []string{"fail JWKS answer|no answer in time", "skip JWKS key|JWKS answer failed", "fail token|"}},
		{smarttest.FHIR, 10 * time.Second, []string{"fail read|no answer in time"}},
	} {
		bubble(t, c.frozen.String(), func(t *testing.T) {
			p := newPatient(t, smarttest.Options{InMemory: true}, smarttest.ClientOptions{})
			p.Fail(c.frozen, hang)
			r := diagnose(t, p)
			must(t, r, c.lines...)
			if r.Took != c.took {
				t.Errorf("it took %v, want %v", r.Took, c.took)
			}
		})
	}
}

// A signer that freezes does not hold it up either.
func TestFrozenSigner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t, smarttest.Options{InMemory: true}, smarttest.ClientOptions{})
		p.Timeout = 5 * time.Second
		p.Config.Signer = frozenSigner{signerOf(t, newKey(t, elliptic.P384()), p.key.KeyID)}
		r := diagnose(t, p)
		must(t, r, "fail JWKS key", "fail algorithm|did not answer in time", "skip token|algorithm failed")
		if r.Took != 6*time.Second {
			t.Errorf("it took %v, want 6 s", r.Took)
		}
	})
}

// When ctx ends, the rest is skipped.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t, smarttest.Options{InMemory: true}, smarttest.ClientOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Hang: true})
		r := doctor.Run(ctx, p.Options)
		must(t, r, "ok discovery", "fail token endpoint", "fail clock|the time is up", "skip key|the time is up", "skip read|the time is up")
		if r.Took != 200*time.Millisecond {
			t.Errorf("it took %v, want 200 ms", r.Took)
		}
	})
}

// What was not looked at is no success.
func TestContextHasEnded(t *testing.T) {
	p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := doctor.Run(ctx, p.Options)
	if must(t, r, "fail settings|the time is up", "skip discovery|the time is up", "skip read|the time is up"); r.Status != doctor.Red {
		t.Errorf("status %v", r.Status)
	}
}

// What heeds no context is left to itself: a transport, and a signer in each of its methods.
func TestDeaf(t *testing.T) {
	for name, c := range map[string]struct {
		edit  func(p *patient, wake chan struct{})
		took  time.Duration
		lines []string
	}{
		"transport": {func(p *patient, wake chan struct{}) { p.Config.HTTPClient = &http.Client{Transport: deaf{wake}} },
			22 * time.Second, []string{"fail discovery|no answer in time", "fail JWKS answer|no answer in time"}},
		"transport for the FHIR server": {func(p *patient, wake chan struct{}) {
			p.ReadPath = "Task"
			p.Config.HTTPClient = &http.Client{Transport: deafTo{p.Transport(), "/Task", wake}}
		},
			14 * time.Second, []string{"fail read|no answer in time"}},
		"Current": {func(p *patient, wake chan struct{}) { p.Config.Signer = deafSigner{p.Config.Signer, "Current", wake} },
			11 * time.Second, []string{"ok settings", "ok token endpoint", "fail key|Config.Signer did not answer in time", "skip token"}},
		"KeyID": {func(p *patient, wake chan struct{}) { p.Config.Signer = deafSigner{p.Config.Signer, "KeyID", wake} },
			11 * time.Second, []string{"fail key|Config.Signer did not answer in time"}},
		"Public": {func(p *patient, wake chan struct{}) { p.Config.Signer = deafSigner{p.Config.Signer, "Public", wake} },
			11 * time.Second, []string{"ok settings", "fail key|Config.Signer did not answer in time"}},
		"Sign": {func(p *patient, wake chan struct{}) { p.Config.Signer = deafSigner{p.Config.Signer, "Sign", wake} },
			10 * time.Second, []string{"ok key", "fail algorithm|did not answer in time", "skip token"}},
	} {
		bubble(t, name, func(t *testing.T) {
			wake := make(chan struct{})
			defer close(wake)
			p := newPatient(t, smarttest.Options{InMemory: true}, smarttest.ClientOptions{})
			c.edit(p, wake)
			r := diagnose(t, p)
			must(t, r, c.lines...)
			if r.Took != c.took {
				t.Errorf("it took %v, want %v", r.Took, c.took)
			}
			if name == "transport" && (len(r.Requests) == 0 || r.Requests[0].Status != 0 || r.Requests[0].ID == "") {
				t.Errorf("a request without an answer is not told of: %+v", r.Requests)
			}
		})
	}
}

type deaf struct{ wake chan struct{} }

func (d deaf) RoundTrip(*http.Request) (*http.Response, error) {
	<-d.wake
	return nil, errors.New("too late")
}

// deafTo is deaf to requests for one path.
type deafTo struct {
	http.RoundTripper
	path string
	wake chan struct{}
}

func (d deafTo) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, d.path) {
		return deaf{d.wake}.RoundTrip(r)
	}
	return d.RoundTripper.RoundTrip(r)
}

// deafSigner is one of which a method does not return.
type deafSigner struct {
	smartauth.Signer
	method string
	wake   chan struct{}
}

func (d deafSigner) wait(method string) {
	if d.method == method {
		<-d.wake
	}
}

func (d deafSigner) Current() smartauth.Signer { d.wait("Current"); return d }
func (d deafSigner) KeyID() string             { d.wait("KeyID"); return d.Signer.KeyID() }
func (d deafSigner) Public() crypto.PublicKey {
	d.wait("Public")
	return d.Signer.(smartauth.PublicSigner).Public()
}

func (d deafSigner) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	d.wait("Sign")
	return d.Signer.Sign(ctx, alg, input)
}

// The application's observer sees nothing of it.
func TestObserverIsNotTold(t *testing.T) {
	p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
	seen := &observer{}
	p.Config.Observer = seen
	if must(t, diagnose(t, p)); seen.n.Load() != 0 {
		t.Errorf("it was told of %d phases", seen.n.Load())
	}
}

type observer struct{ n atomic.Int32 }

func (o *observer) PhaseStart(ctx context.Context, _ smartauth.PhaseStart) context.Context {
	o.n.Add(1)
	return ctx
}

func (o *observer) PhaseEnd(context.Context, smartauth.PhaseEnd) { o.n.Add(1) }

// A status is read back from JSON.
func TestStatus(t *testing.T) {
	for _, s := range []doctor.Status{doctor.Green, doctor.Yellow, doctor.Red, doctor.Skipped} {
		data, err := json.Marshal(s)
		back := doctor.Status(-1)
		if err != nil || json.Unmarshal(data, &back) != nil || back != s {
			t.Errorf("%s is read as %v", data, back)
		}
	}
	if json.Unmarshal([]byte(`"good"`), new(doctor.Status)) == nil {
		t.Error("good is a status")
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
