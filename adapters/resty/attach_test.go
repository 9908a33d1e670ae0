package smartresty_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartauth "github.com/smartauth-go/smartauth/core"
)

func TestAttachRefuses(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for _, c := range []struct {
			name   string
			client *resty.Client
			src    smartauth.TokenSource
			says   string
		}{
			{"nil client", nil, s.src, "client is nil"},
			{"nil source", s.bare(), nil, "source is nil"},
			{"source of nowhere", s.bare(), nowhere{s.src}, "no origin"},
			{"token", s.bare().SetAuthToken("own"), s.src, "remove SetAuthToken"},
			{"basic", s.bare().SetBasicAuth("user", "password"), s.src, "remove SetBasicAuth"},
			{"header", s.bare().SetHeader("authorization", "Bearer own"), s.src, "remove SetHeader"},
			{"verbatim header", s.bare().SetHeaderVerbatim("authorization", "Bearer own"), s.src, "remove SetHeader"},
			{"other server", s.bare().SetBaseURL("https://other.example.nl/fhir"), s.src, "other.example.nl"},
			{"other server, old name", s.bare().SetBaseURL("").SetHostURL("https://other.example.nl/fhir"), s.src, "other.example.nl"},
			{"other port", s.bare().SetBaseURL("http://localhost:1/fhir"), s.src, "localhost:1"},
			{"no URL", s.bare().SetBaseURL("fhir.example.nl"), s.src, "absolute URL"},
		} {
			before := http.RoundTripper(nil)
			if c.client != nil {
				before = c.client.GetClient().Transport
			}
			err := smartresty.Attach(c.client, c.src)
			if err == nil || !strings.HasPrefix(err.Error(), "smartresty: Attach: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v, want one that says %q", c.name, err, c.says)
			}
			if err != nil && (strings.Contains(err.Error(), "Bearer own") || strings.Contains(err.Error(), "password")) {
				t.Errorf("%s: the error %v quotes a secret", c.name, err)
			}
			if c.client != nil && c.client.GetClient().Transport != before {
				t.Errorf("%s: the client was changed", c.name)
			}
		}
	})
}

// nowhere hides where the tokens of a source belong.
type nowhere struct{ smartauth.TokenSource }

func TestAttachAccepts(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for name, client := range map[string]*resty.Client{
			"no base URL":                     s.bare().SetBaseURL(""),
			"capitals":                        s.bare().SetBaseURL(strings.ToUpper(s.BaseURL())),
			"token in a header of its own":    otherHeader(s.bare()),
			"header that is no Authorization": s.bare().SetHeader("X-Authorization", "own"),
		} {
			if err := smartresty.Attach(client, s.src); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := smartresty.Attach(s.bare().SetBaseURL("https://files.example.nl"), s.src, smarthttp.WithOrigins("https://files.example.nl")); err != nil {
			t.Errorf("further origin: %v", err)
		}
	})
}

func otherHeader(client *resty.Client) *resty.Client {
	client.HeaderAuthorizationKey = "X-Api-Key"
	return client.SetAuthToken("own")
}

func TestAttachTwiceIsAttachOnce(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client, second := s.attached(t), s.source(t)
		before, hooks := client.GetClient().Transport, len(client.RetryHooks)
		for range 3 {
			attach(t, client, second)
		}
		if client.GetClient().Transport != before || len(client.RetryHooks) != hooks {
			t.Error("Attach stacks")
		}
		for _, c := range []*resty.Client{client, client.Clone()} {
			search(t, c.R(), http.StatusOK)
			if s.lastBearer() != tokenOf(t, second) {
				t.Error("the first source's token was sent")
			}
		}
		if n := s.Counts().TokenRequests; n != 1 {
			t.Errorf("%d token requests, want none of the first source", n)
		}
	})
}

// Nobody's token goes with somebody else's requests, whatever they share.
func TestSharedClients(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		shared := s.Client()
		other := s.source(t)
		first := resty.NewWithClient(shared).SetBaseURL(s.BaseURL())
		attach(t, first, s.src)
		second := resty.NewWithClient(shared).SetBaseURL(s.BaseURL())
		attach(t, second, other)
		stranger := resty.NewWithClient(shared).SetBaseURL(s.BaseURL())
		ofFirst, ofSecond := tokenOf(t, s.src), tokenOf(t, other)

		for range 2 {
			search(t, first.R(), http.StatusOK)
			if s.lastBearer() != ofFirst {
				t.Error("the first client sent another token")
			}
			search(t, second.R(), http.StatusOK)
			if s.lastBearer() != ofSecond {
				t.Error("the second client sent another token")
			}
			search(t, first.Clone().R(), http.StatusOK)
			if s.lastBearer() != ofFirst {
				t.Error("a clone of the first client sent another token")
			}
			search(t, stranger.R(), http.StatusUnauthorized)
			if s.lastBearer() != "" {
				t.Error("a client that is not attached sent a token")
			}
			resp, err := shared.Get(s.BaseURL() + "/Patient?_count=1")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if s.lastBearer() != "" {
				t.Error("the http.Client itself sent a token")
			}
		}
	})
}

// resty's Clone shares the array of the hooks, and what is added to the one can replace what was added to the other.
func TestCloneWithASourceOfItsOwn(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		nothing := func(*resty.Client, *resty.Request) error { return nil }
		for hooks := range 8 {
			client := s.bare()
			for range hooks {
				client.OnBeforeRequest(nothing)
			}
			attach(t, client, s.src)
			clone, other := client.Clone(), s.source(t)
			attach(t, clone, other)
			client.OnBeforeRequest(nothing)

			search(t, clone.R(), http.StatusOK)
			if s.lastBearer() != tokenOf(t, other) {
				t.Errorf("%d hooks: the clone sent another token than its source's", hooks)
			}
			search(t, client.R(), http.StatusOK)
			if s.lastBearer() != tokenOf(t, s.src) {
				t.Errorf("%d hooks: the client sent another token than its source's", hooks)
			}
		}
	})
}

// A request's context may come from a request of another client.
func TestContextOfAnotherClient(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		first, other := s.attached(t), s.source(t)
		second := s.bare()
		attach(t, second, other)
		r := first.R()
		search(t, r, http.StatusOK)
		search(t, second.R().SetContext(r.Context()), http.StatusOK)
		if s.lastBearer() != tokenOf(t, other) {
			t.Error("the second client sent another token")
		}
		search(t, r, http.StatusOK)
		if s.lastBearer() != tokenOf(t, s.src) {
			t.Error("the first client sent another token")
		}
	})
}

func TestSkippedBearerIsReported(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		files, err := s.Serve("files.example.test:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
		}))
		if err != nil {
			t.Fatal(err)
		}
		client := s.attached(t)
		search(t, client.R().SetAuthToken("own"), http.StatusUnauthorized)
		search(t, client.R().SetBasicAuth("user", "password"), http.StatusUnauthorized)
		search(t, client.R().SetHeader("Authorization", "Bearer own"), http.StatusUnauthorized)
		search(t, client.R().SetContext(smarthttp.WithoutBearer(t.Context())), http.StatusUnauthorized)
		if resp, err := client.R().Get(files + "/file"); err != nil || resp.String() != "" {
			t.Errorf("the other origin got %q, %v", resp, err)
		}
		search(t, client.R(), http.StatusOK)

		own := smartauth.SkipOwnAuthorization
		want := []smartauth.SkipReason{own, own, own, smartauth.SkipOptOut, smartauth.SkipForeignOrigin}
		if !slices.Equal(s.log.skipped, want) {
			t.Errorf("skipped %v, want %v", s.log.skipped, want)
		}
	})
}

// resty sets a proxy and TLS settings on its *http.Transport, which after Attach is below ours.
func TestTransportSettings(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		const refusing = "http://localhost:1"
		config := &tls.Config{ServerName: "fhir.example.nl", MinVersion: tls.VersionTLS12}
		below := s.Client().Transport.(*http.Transport).Clone() // the source goes without the proxy
		defer below.CloseIdleConnections()
		before := s.bare().SetTransport(below).SetProxy(refusing).SetTLSClientConfig(config)
		attach(t, before, s.src)
		if _, err := before.R().Get("/Patient"); err == nil || !strings.Contains(err.Error(), "proxyconnect") {
			t.Errorf("with a proxy that refuses: error %v", err)
		}
		if below.TLSClientConfig != config {
			t.Error("the TLS settings were lost")
		}

		after := s.attached(t)
		after.SetProxy(refusing).SetTLSClientConfig(config)
		if got := strings.Count(s.log.String(), "ERROR current transport is not an *http.Transport instance"); got != 2 {
			t.Errorf("resty logged %d of 2 settings it could not make", got)
		}
		search(t, after.R(), http.StatusOK)
	})
}

// wrapped is somebody's transport around ours.
type wrapped struct{ http.RoundTripper }

func TestTransportWrappedAfterAttach(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client := s.attached(t)
		client.SetTransport(wrapped{client.GetClient().Transport})
		search(t, client.R(), http.StatusOK)
		other := s.source(t)
		attach(t, client, other) // which cannot see that ours is below
		s.refuseOnce()
		search(t, client.R(), http.StatusOK)
		if s.lastBearer() != tokenOf(t, other) {
			t.Error("another source's token was sent")
		}
		if n := s.Counts().TokenRequests; n != 3 {
			t.Errorf("%d token requests, want one of the first source and two of the second", n)
		}
	})
}

// The attachments must keep no client alive.
func TestClientsAreForgotten(t *testing.T) {
	s := staticSource{smartauth.NewToken("token", time.Time{})}
	gone := make(chan bool, 1)
	func() {
		client := resty.New().SetBaseURL(s.BaseURL())
		attach(t, client, s)
		runtime.AddCleanup(client, func(gone chan bool) { gone <- true }, gone)
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Error("a client that nobody uses is kept")
}
