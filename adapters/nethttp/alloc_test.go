package smarthttp_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// staticSource always has the same token.
type staticSource struct{ token *smartauth.Token }

func (s staticSource) Token(context.Context) (*smartauth.Token, error) { return s.token, nil }
func (s staticSource) Invalidate(*smartauth.Token)                     {}
func (s staticSource) BaseURL() string                                 { return "https://fhir.example.nl/fhir/DEFAULT" }

// okTransport answers without a network.
type okTransport struct{ resp http.Response }

func (t *okTransport) RoundTrip(*http.Request) (*http.Response, error) { return &t.resp, nil }

// fhirRequest has the four headers that FHIR clients commonly set.
func fhirRequest(tb testing.TB) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "https://fhir.example.nl/fhir/DEFAULT/Patient?_count=1", nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, h := range []string{"Accept", "User-Agent", "X-Request-Id", "X-Trace-Id"} {
		r.Header.Set(h, "value")
	}
	return r
}

func TestTransportAllocations(t *testing.T) {
	base := &okTransport{resp: http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(nil)}}
	transport := &smarthttp.Transport{Source: staticSource{smartauth.NewToken("token", time.Time{})}, Base: base}
	r := fhirRequest(t)
	bare := testing.AllocsPerRun(1000, func() { _, _ = base.RoundTrip(r) })
	ours := testing.AllocsPerRun(1000, func() { _, _ = transport.RoundTrip(r) })
	if ours-bare > 3 {
		t.Errorf("the transport adds %.0f allocations to its base, want at most 3", ours-bare)
	}
}
