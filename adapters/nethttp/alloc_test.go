package smarthttp_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// okTransport answers without a network.
type okTransport struct{ resp http.Response }

func (t *okTransport) RoundTrip(*http.Request) (*http.Response, error) { return &t.resp, nil }

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
