package koppeltaal_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// sandbox is a server, a source, a client for launches, and one for FHIR with trace headers below the authentication.
type sandbox struct {
	*smarttest.Server
	src    *smartauth.Source
	client *koppeltaal.Client
	fhir   *http.Client
}

func start(t *testing.T, opts smarttest.Options, edits ...func(*smarttest.Server, *smartauth.Config)) *sandbox {
	t.Helper()
	s := &sandbox{Server: smarttest.New(t, opts)}
	t.Cleanup(func() { s.mustKeepSecretsFromURLs(t) })
	if opts.InMemory { // a refresh may be under way when the test ends, and the bubble must not end before it
		t.Cleanup(func() { time.Sleep(time.Minute) })
	}
	cfg := s.NewClient(smarttest.ClientOptions{})
	cfg.Observer = koppeltaal.NewTraceObserver()
	for _, edit := range edits {
		edit(s.Server, &cfg)
	}
	s.src = source(t, cfg)
	s.client = &koppeltaal.Client{Source: s.src, HTTPClient: s.Client()}
	s.fhir = smarthttp.NewClient(s.src, &http.Client{Transport: &koppeltaal.TraceTransport{Base: s.Transport()}})
	return s
}

func inMemory(t *testing.T, test func(*testing.T, *sandbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, start(t, smarttest.Options{InMemory: true})) })
}

var secretNames = []string{"client_assertion", "token", "access_token", "id_token", "code", "code_verifier", "launch"}

// mustKeepSecretsFromURLs looks at every request that the sandbox got: no query may hold an assertion, a token or a code.
func (s *sandbox) mustKeepSecretsFromURLs(t *testing.T) {
	t.Helper()
	for _, r := range s.Requests() {
		if u, err := url.Parse(r.RequestURI); err == nil && slices.ContainsFunc(secretNames, u.Query().Has) {
			t.Errorf("%s has a secret", r.RequestURI)
		}
		form, _ := url.ParseQuery(string(r.Body))
		secrets := []string{r.Bearer()}
		for _, name := range secretNames {
			secrets = append(secrets, form.Get(name))
		}
		for _, other := range s.Requests() {
			for _, secret := range secrets {
				if len(secret) > 8 && strings.Contains(other.RequestURI, secret) {
					t.Errorf("%s holds a secret", other.RequestURI)
				}
			}
		}
	}
}

// get reads a page of patients, and returns the header of the response.
func (s *sandbox) get(t *testing.T, ctx context.Context) http.Header {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL()+"/Patient?_count=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, r)
}

func (s *sandbox) do(t *testing.T, r *http.Request) http.Header {
	t.Helper()
	resp, err := s.fhir.Do(r)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s %v", resp.Status, err)
	}
	return resp.Header
}

// ids are those of a request.
type ids struct{ request, correlation, trace string }

var fhirID = regexp.MustCompile(`\A[A-Za-z0-9\-.]{1,64}\z`)

// idsOf returns the ids of the requests to an endpoint, which must all be FHIR ids, and the request ids unlike each other.
func (s *sandbox) idsOf(t *testing.T, e smarttest.Endpoint) []ids {
	t.Helper()
	var all []ids
	seen := map[string]bool{}
	for _, r := range s.Requests(e) {
		for _, name := range []string{koppeltaal.HeaderRequestID, koppeltaal.HeaderCorrelationID, koppeltaal.HeaderTraceID} {
			for _, v := range r.Header[name] {
				if !fhirID.MatchString(v) {
					t.Errorf("%s of %s is %q, which is no FHIR id", name, r.RequestURI, v)
				}
			}
			if len(r.Header[name]) > 1 {
				t.Errorf("%s has %s %q", r.RequestURI, name, r.Header[name])
			}
		}
		one := ids{r.Header.Get(koppeltaal.HeaderRequestID), r.Header.Get(koppeltaal.HeaderCorrelationID), r.Header.Get(koppeltaal.HeaderTraceID)}
		if one.request == "" || one.trace == "" || seen[one.request] {
			t.Errorf("%s has ids %+v", r.RequestURI, one)
		}
		if one.request == one.trace || one.request == one.correlation {
			t.Errorf("the request id of %s is the correlation or trace id, too: %+v", r.RequestURI, one)
		}
		seen[one.request] = true
		all = append(all, one)
	}
	return all
}

var served = koppeltaal.Trace{RequestID: "request-1", CorrelationID: "correlation-1", TraceID: "trace-1"}

// mustFollow fails the test unless each request was caused by the one of t and is in its trace.
func mustFollow(tt *testing.T, all []ids, t koppeltaal.Trace, n int) {
	tt.Helper()
	if len(all) != n {
		tt.Errorf("%d requests, want %d", len(all), n)
	}
	for _, one := range all {
		if one.correlation != t.RequestID || one.trace != t.TraceID {
			tt.Errorf("%+v does not follow from %+v", one, t)
		}
	}
}

// withTracing gives the sandbox another source and FHIR client, with a setting for both.
func withTracing(t *testing.T, s *sandbox, tracing koppeltaal.Tracing) {
	t.Helper()
	cfg := s.NewClient(smarttest.ClientOptions{})
	cfg.Observer = tracing.Observer()
	s.fhir = smarthttp.NewClient(source(t, cfg), &http.Client{Transport: &koppeltaal.TraceTransport{Base: s.Transport(), Tracing: tracing}})
}

func source(t *testing.T, cfg smartauth.Config) *smartauth.Source {
	t.Helper()
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return src
}
