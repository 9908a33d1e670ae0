package smartresty_test

import (
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

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
			{"other server, old name", s.bare().SetBaseURL("").SetHostURL("https://other.example.nl/fhir"), s.src, "other.example.nl"}, //nolint:staticcheck // the old name still works
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
		before, hooks := client.GetClient().Transport, hooksOf(client)
		for range 3 {
			attach(t, client, second)
		}
		if client.GetClient().Transport != before {
			t.Error("the transports stack")
		}
		if got := hooksOf(client); !maps.Equal(got, hooks) {
			t.Errorf("the hooks stack: %v after %v", got, hooks)
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

// hooksOf counts the hooks of client by the field of resty's that they are in.
func hooksOf(client *resty.Client) map[string]int {
	n := make(map[string]int)
	for _, name := range []string{"udBeforeRequest", "afterResponse", "RetryHooks", "RetryConditions", "successHooks", "errorHooks", "panicHooks"} {
		n[name] = reflect.ValueOf(client).Elem().FieldByName(name).Len()
	}
	return n
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
