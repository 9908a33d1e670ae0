package smarthttp_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
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

// readingTransport reads the body before it answers.
type readingTransport struct {
	okTransport
	read int64
}

func (t *readingTransport) RoundTrip(r *http.Request) (_ *http.Response, err error) {
	t.read, err = io.Copy(io.Discard, r.Body)
	return &t.resp, err
}

// A body that can be had again is not kept.
func TestRepeatableBodyIsNotCopied(t *testing.T) {
	base := &readingTransport{okTransport: okTransport{http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(nil)}}}
	transport := &smarthttp.Transport{Source: staticSource{smartauth.NewToken("token", time.Time{})}, Base: base}
	body := strings.Repeat("x", 1<<20)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fhirRequest(t).URL.String(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = transport.RoundTrip(r)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err != nil || base.read != int64(len(body)) || n > 256<<10 {
		t.Errorf("%v, %d bytes read, %d allocated", err, base.read, n)
	}
}
