package benchmarks

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	"golang.org/x/oauth2"
)

// A stackPeer makes one call with its stack, as the stack's user does, and reads the answer.
type stackPeer struct {
	name string
	call func() error
}

// restyPeers returns resty as it is, attached, and over oauth2.Transport.
func restyPeers(tb testing.TB) ([]stackPeer, *answer) {
	tb.Helper()
	s, base := newSources(tb), newAnswer()
	peer := func(name string, transport http.RoundTripper, attach func(*resty.Client) error) stackPeer {
		client := resty.New().SetBaseURL(s.smartauth.BaseURL()).SetTransport(transport)
		if err := attach(client); err != nil {
			tb.Fatal(err)
		}
		return stackPeer{name, func() error {
			_, err := client.R().SetHeader("X-Request-Id", "value").Get("/Patient?_count=1")
			return err
		}}
	}
	asItIs := func(*resty.Client) error { return nil }
	return []stackPeer{
		peer("bare", base, asItIs),
		peer("smartauth", base, func(c *resty.Client) error { return smartresty.Attach(c, s.smartauth) }),
		peer("oauth2", &oauth2.Transport{Source: s.oauth2, Base: base}, asItIs),
	}, base
}

// retryablePeers does the same for go-retryablehttp.
func retryablePeers(tb testing.TB) ([]stackPeer, *answer) {
	tb.Helper()
	s, base := newSources(tb), newAnswer()
	address := s.smartauth.BaseURL() + "/Patient?_count=1"
	peer := func(name string, transport http.RoundTripper, attach func(*retryablehttp.Client) error) stackPeer {
		client := retryablehttp.NewClient()
		client.HTTPClient, client.Logger = &http.Client{Transport: transport}, nil
		if err := attach(client); err != nil {
			tb.Fatal(err)
		}
		return stackPeer{name, func() error {
			r, err := retryablehttp.NewRequest(http.MethodGet, address, nil)
			if err != nil {
				return err
			}
			r.Header.Set("X-Request-Id", "value")
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			return err
		}}
	}
	asItIs := func(*retryablehttp.Client) error { return nil }
	return []stackPeer{
		peer("bare", base, asItIs),
		peer("smartauth", base, func(c *retryablehttp.Client) error { return smartretryable.Attach(c, s.smartauth) }),
		peer("oauth2", &oauth2.Transport{Source: s.oauth2, Base: base}, asItIs),
	}, base
}

func BenchmarkResty(b *testing.B)         { benchmarkStack(b, restyPeers) }
func BenchmarkRetryableHTTP(b *testing.B) { benchmarkStack(b, retryablePeers) }

func benchmarkStack(b *testing.B, of func(testing.TB) ([]stackPeer, *answer)) {
	peers, _ := of(b)
	for _, p := range inTurn(peers) {
		b.Run("peer="+p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var stacks = map[string]func(testing.TB) ([]stackPeer, *answer){"resty": restyPeers, "retryablehttp": retryablePeers}

func TestStackAllocations(t *testing.T) {
	for name, of := range stacks {
		peers, _ := of(t)
		allocations := make(map[string]float64)
		for _, p := range peers {
			allocations[p.name] = testing.AllocsPerRun(1000, func() { _ = p.call() })
		}
		for _, peer := range []string{"smartauth", "oauth2"} {
			t.Logf("%s: %s adds %.0f allocations to %.0f", name, peer, allocations[peer]-allocations["bare"], allocations["bare"])
		}
		if added := allocations["smartauth"] - allocations["bare"]; added > 7 {
			t.Errorf("%s: Attach adds %.0f allocations to a call, want at most 7", name, added)
		}
	}
}

// What is compared must do the same work, and the bare stack none of it.
func TestStacksSendTheSame(t *testing.T) {
	for name, of := range stacks {
		peers, base := of(t)
		sent := make(map[string]http.Header)
		for _, p := range peers {
			if err := p.call(); err != nil {
				t.Fatal(name, p.name, err)
			}
			sent[p.name] = base.sent.Header
		}
		if !maps.EqualFunc(sent["smartauth"], sent["oauth2"], slices.Equal) {
			t.Errorf("%s: smartauth and oauth2 send different headers", name)
		}
		with := sent["smartauth"].Clone()
		with.Del("Authorization")
		if len(with) == len(sent["smartauth"]) || !maps.EqualFunc(with, sent["bare"], slices.Equal) {
			t.Errorf("%s: the token is not all that Attach adds", name)
		}
	}
}
