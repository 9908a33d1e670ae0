package benchmarks

import (
	"maps"
	"net/http"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	"golang.org/x/oauth2"
)

// answer is the base of all transports: it answers without a network, and keeps what it was sent.
type answer struct {
	response http.Response
	sent     *http.Request
}

func newAnswer() *answer {
	return &answer{response: http.Response{StatusCode: http.StatusOK, Body: http.NoBody}}
}

func (a *answer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.sent = r
	return &a.response, nil
}

// floorTransport is the least that a transport can do without a change to the caller's request.
type floorTransport struct {
	source *floorSource
	base   http.RoundTripper
}

func (t *floorTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := t.source.Token()
	if err != nil {
		return nil, err
	}
	out := new(http.Request)
	*out = *r
	out.Header = maps.Clone(r.Header)
	out.Header["Authorization"] = token.header
	return t.base.RoundTrip(out)
}

type transportPeer struct {
	name      string
	transport http.RoundTripper
}

// transportPeers returns the peers on one base, bare first, and a request for them.
func transportPeers(tb testing.TB) ([]transportPeer, *answer, *http.Request) {
	tb.Helper()
	s := newSources(tb)
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, s.smartauth.BaseURL()+"/Patient?_count=1", nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range []string{"Accept", "User-Agent", "X-Request-Id", "X-Trace-Id"} {
		r.Header.Set(name, "value")
	}
	base := newAnswer()
	return []transportPeer{
		{"bare", base},
		{"floor", &floorTransport{s.floor, base}},
		{"smartauth", &smarthttp.Transport{Source: s.smartauth, Base: base}},
		{"oauth2", &oauth2.Transport{Source: s.oauth2, Base: base}},
		{"google", &googleTransport{s.google, base}},
	}, base, r
}

func BenchmarkTransport(b *testing.B) {
	peers, _, r := transportPeers(b)
	for _, p := range inTurn(peers) {
		b.Run("peer="+p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.transport.RoundTrip(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTransportAllocations(t *testing.T) {
	peers, _, r := transportPeers(t)
	allocations := make(map[string]float64)
	for _, p := range peers {
		allocations[p.name] = testing.AllocsPerRun(1000, func() { _, _ = p.transport.RoundTrip(r) })
	}
	if added := allocations["smartauth"] - allocations["bare"]; added > 3 {
		t.Errorf("the transport adds %.0f allocations, want at most 3", added)
	}
}

// What is compared must do the same work.
func TestTransportsSendTheSame(t *testing.T) {
	peers, base, r := transportPeers(t)
	var want string
	for _, p := range peers[1:] {
		if _, err := p.transport.RoundTrip(r); err != nil {
			t.Fatal(p.name, err)
		}
		got := base.sent.Header.Get("Authorization")
		if want == "" {
			want = got
		}
		if got == "" || got != want || len(base.sent.Header) != 5 || len(r.Header) != 4 {
			t.Errorf("%s: sent another request than %s, or changed the caller's", p.name, peers[1].name)
		}
	}
}
