package smartretryable_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestAttachRefuses(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for _, c := range []struct {
			name   string
			client *retryablehttp.Client
			src    smartauth.TokenSource
			opts   []smarthttp.Option
			says   string
		}{
			{"nil client", nil, s.src, nil, "client is nil"},
			{"nil source", s.bare(), nil, nil, "source is nil"},
			{"source of nowhere", s.bare(), nowhere{s.src}, nil, "no origin"},
			{"option that is no origin", s.bare(), s.src, []smarthttp.Option{smarthttp.WithOrigins("files.example.nl")}, "Origins: not an absolute"},
		} {
			var before retryablehttp.Client
			if c.client != nil {
				c.client.CheckRetry = nil
				before.HTTPClient = c.client.HTTPClient
			}
			err := smartretryable.Attach(c.client, c.src, c.opts...)
			if err == nil || !strings.HasPrefix(err.Error(), "smartretryable: Attach: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v, want one that says %q", c.name, err, c.says)
			}
			if c.client != nil && (c.client.HTTPClient != before.HTTPClient || c.client.CheckRetry != nil || c.client.RequestLogHook != nil) {
				t.Errorf("%s: the client was changed", c.name)
			}
		}
	})
}

// nowhere hides where the tokens of a source belong.
type nowhere struct{ smartauth.TokenSource }

func TestAttachTwiceIsAttachOnce(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		var requests, checks int
		client := s.bare()
		client.RequestLogHook = func(retryablehttp.Logger, *http.Request, int) { requests++ }
		client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
			checks++
			return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
		}
		second := s.source(t)
		attachTo(t, client, s.src)
		below := client.HTTPClient
		for range 3 {
			attachTo(t, client, second)
		}
		if client.HTTPClient != below {
			t.Error("Attach stacks")
		}
		s.search(t, client, 200)
		if s.lastBearer() != tokenOf(t, second) {
			t.Error("the first source's token was sent")
		}
		if requests != 1 || checks != 1 {
			t.Errorf("the hooks were called %d and %d times for one request", requests, checks)
		}
		s.failWith(401, 503, 401)
		s.search(t, client, 401)
		if c := s.Counts(); c.TokenRequests != 2 || c.FHIR != 4 {
			t.Errorf("%d token requests and %d requests, want none of the first source and one resend", c.TokenRequests, c.FHIR)
		}
	})
}

func TestNoSourceIsKeptBeyondTheNext(t *testing.T) {
	client := retryablehttp.NewClient()
	var alive atomic.Int64
	for range 100 {
		src := &staticSource{smartauth.NewToken("token", time.Time{})}
		alive.Add(1)
		runtime.AddCleanup(src, func(int) { alive.Add(-1) }, 0)
		attachTo(t, client, src)
	}
	for range 100 {
		runtime.GC()
		time.Sleep(time.Millisecond) // for the cleanups, which have a goroutine of their own
		if alive.Load() <= 1 {
			break
		}
	}
	if n := alive.Load(); n > 1 {
		t.Errorf("%d sources are alive, want the last", n)
	}
	runtime.KeepAlive(client)
}

// A client may be given the HTTPClient of another that is attached: each has its own source.
func TestHTTPClientOfAnAttachedClient(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		other := s.source(t)
		first, second := s.bare(), s.bare()
		attachTo(t, first, s.src)
		second.HTTPClient = first.HTTPClient
		attachTo(t, second, other)
		for range 2 {
			s.search(t, second, 200)
			if s.lastBearer() != tokenOf(t, other) {
				t.Error("the second client sent another token")
			}
			s.search(t, first, 200)
			if s.lastBearer() != tokenOf(t, s.src) {
				t.Error("the first client sent another token")
			}
		}
	})
}

// A nil HTTPClient is what the client would make for itself, and an empty client what Attach makes usable.
func TestNilHTTPClient(t *testing.T) {
	srv := smarttest.New(t, smarttest.Options{})
	src, err := smartauth.New(srv.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	shared := http.DefaultTransport
	http.DefaultTransport = &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		requests.Add(1)
		return nil, nil
	}}
	defer func() { http.DefaultTransport = shared }()
	for _, client := range []*retryablehttp.Client{retryablehttp.NewClient(), {}} {
		client.HTTPClient, client.Logger = nil, nil
		attachTo(t, client, src)
		if status, err := statusOf(client.Get(srv.BaseURL() + "/Patient?_count=1")); err != nil || status != http.StatusOK {
			t.Errorf("status %d, %v", status, err)
		}
		if requests.Load() > 0 {
			t.Error("the client shares http.DefaultTransport")
		}
		client.HTTPClient.CloseIdleConnections()
	}
}

// Nobody's token goes with somebody else's requests, whatever they share.
func TestSharedHTTPClient(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		shared, other := s.Client(), s.source(t)
		shared.Timeout = 30 * time.Second
		attached := func(src smartauth.TokenSource) *retryablehttp.Client {
			client := s.bare()
			client.HTTPClient = shared
			if src != nil {
				attachTo(t, client, src)
			}
			return client
		}
		first, second, stranger := attached(s.src), attached(other), attached(nil)
		for range 2 {
			s.search(t, first, 200)
			if s.lastBearer() != tokenOf(t, s.src) {
				t.Error("the first client sent another token")
			}
			s.search(t, second, 200)
			if s.lastBearer() != tokenOf(t, other) {
				t.Error("the second client sent another token")
			}
			s.search(t, stranger, 401)
			if s.lastBearer() != "" {
				t.Error("a client that is not attached sent a token")
			}
			if status, err := statusOf(shared.Get(s.BaseURL() + "/Patient?_count=1")); err != nil || status != 401 || s.lastBearer() != "" {
				t.Errorf("the http.Client itself: status %d, %v, bearer %t", status, err, s.lastBearer() != "")
			}
		}
		if shared.Transport != s.Transport() || first.HTTPClient.Timeout != shared.Timeout {
			t.Error("the http.Client was changed, or its settings were lost")
		}
	})
}

func TestSkippedBearerIsReported(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		foreign, err := s.Serve("files.example.test:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
		}))
		if err != nil {
			t.Fatal(err)
		}
		client := s.attached(t)
		own := s.patients(t, t.Context())
		own.Header.Set("Authorization", "Bearer own")
		if status, err := statusOf(client.Do(own)); err != nil || status != 401 || s.lastBearer() != "own" {
			t.Errorf("own Authorization: status %d, %v, and %q was sent", status, err, s.lastBearer())
		}
		if status, err := statusOf(client.Do(s.patients(t, smarthttp.WithoutBearer(t.Context())))); err != nil || status != 401 || s.lastBearer() != "" {
			t.Errorf("opted out: status %d, %v", status, err)
		}
		resp, err := client.Get(foreign + "/file")
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if len(got) > 0 {
			t.Error("the other origin got a token")
		}
		s.search(t, client, 200)

		want := []smartauth.SkipReason{smartauth.SkipOwnAuthorization, smartauth.SkipOptOut, smartauth.SkipForeignOrigin}
		if !slices.Equal(s.skipped.reasons, want) {
			t.Errorf("skipped %v, want %v", s.skipped.reasons, want)
		}
	})
}

type idle struct {
	http.RoundTripper
	closed bool
}

func (i *idle) CloseIdleConnections() { i.closed = true }

// go-retryablehttp closes idle connections whenever it gives up.
func TestIdleConnectionsAreClosed(t *testing.T) {
	base := &idle{}
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{Transport: base}
	attachTo(t, client, staticSource{})
	client.HTTPClient.CloseIdleConnections()
	if !base.closed {
		t.Error("CloseIdleConnections did not reach the transport below")
	}
}
