package smartauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestDiscoveryIsRememberedForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		poll(t, src, 59*time.Minute)
		if n := srv.Counts().Discovery; n != 1 {
			t.Errorf("%d discoveries in the first hour, want 1", n)
		}
		srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 500})
		poll(t, src, time.Hour) // stale is better than none
		if n := srv.Counts().Discovery; n < 2 || n > 20 {
			t.Errorf("%d discoveries with the document gone; want one with each new token at most", n)
		}
	})
}

func TestStaleDiscoveryIsBetterThanNone(t *testing.T) {
	for name, fault := range map[string]smarttest.Fault{"gone": {Status: 404}, "HTML": {Body: "<html>"}, "hangs": {Hang: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				poll(t, src, time.Second)
				srv.Fail(smarttest.Discovery, fault)
				srv.Fail(smarttest.Metadata, smarttest.Fault{Status: 404})
				time.Sleep(2 * time.Hour)
				begin := time.Now()
				if _, err := src.Token(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > 3*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// A refusal may come from an endpoint that is no longer the right one; but not every refusal asks again.
func TestRefusalsRediscoverOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401})
		for begin := time.Now(); time.Since(begin) < 5*time.Minute; time.Sleep(time.Second) {
			if _, err := src.Token(t.Context()); err == nil {
				t.Fatal("no error")
			}
		}
		if n := srv.Counts().Discovery; n < 4 || n > 6 {
			t.Errorf("%d discoveries in five minutes of refusals, want one a minute", n)
		}
	})
}

// Everybody who needs the metadata shares one discovery, and nobody's own context reaches it.
func TestMetadataIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.Discovery, smarttest.Fault{Times: 1, Delay: 10 * time.Second})
		leader, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := src.Metadata(leader); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first caller left with %v", err)
			}
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				if _, err := src.Metadata(t.Context()); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, err := src.Token(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := srv.Counts().Discovery; n != 1 {
			t.Errorf("%d discoveries, want 1", n)
		}

		m, err := src.Metadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m.Capabilities[0] = "changed"
		if again, err := src.Metadata(t.Context()); err != nil || again.Capabilities[0] == "changed" {
			t.Errorf("callers share their copies: %v", err)
		}
	})
}

// A dead endpoint is looked up anew, but not on another host.
func TestTokenEndpointMoves(t *testing.T) {
	for _, c := range []struct {
		name string
		host string
		err  string
	}{
		{"to another port", "localhost", ""},
		{"to another host", "auth.example.nl", "moved from host localhost to auth.example.nl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				old, err := url.Parse(srv.TokenURL())
				if err != nil {
					t.Fatal(err)
				}
				moved, err := srv.Serve(c.host+":9999", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"access_token":"moved","token_type":"bearer"}`))
				}))
				if err != nil {
					t.Fatal(err)
				}
				moved = "https" + strings.TrimPrefix(moved, "http")
				if c.host == "localhost" {
					moved = "http" + strings.TrimPrefix(moved, "https")
				}
				srv.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = moved + old.Path })
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{CloseConnection: true})
				time.Sleep(301 * time.Second)

				token, err := src.Token(t.Context())
				if c.err == "" {
					if err != nil || token.AccessToken() != "moved" {
						t.Errorf("got %v, %v, want a token of the new endpoint", token, err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, %v, want an error about the move", token, err)
				}
			})
		})
	}
}

// poll calls Token once a second.
func poll(t *testing.T, src *smartauth.Source, d time.Duration) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(time.Second) {
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Without a token to acquire there is no flight, and a server that is down must not be asked by every caller.
func TestMetadataCoolsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 503, Header: http.Header{"Retry-After": {"60"}}})
		for range 100 {
			_, err := src.Metadata(t.Context())
			var e *smartauth.Error
			if !errors.As(err, &e) || time.Until(e.RetryAt) != time.Minute {
				t.Fatalf("error %v, want one that says when the server is asked again", err)
			}
			if _, again := src.Assertion(t.Context(), srv.TokenURL()); again != err {
				t.Fatalf("error %v, want the same one", again)
			}
		}
		if n := srv.Counts().Discovery; n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		srv.Clear()
		time.Sleep(time.Minute)
		if _, err := src.Metadata(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Others wait for the discovery that a caller set off, and it must not be reported as that caller's.
func TestDiscoveryIsNobodysOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.Discovery, smarttest.Fault{Delay: 5 * time.Second})
		var traced atomic.Int32
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) { traced.Add(1) }})
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := src.Metadata(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the context", err)
		}
		if _, err := src.Token(t.Context()); err != nil {
			t.Error(err)
		}
		if n := srv.Counts().Discovery; n != 1 {
			t.Errorf("%d discoveries, want the first caller's to serve the other", n)
		}
		if traced.Load() != 0 {
			t.Error("the discovery ran in the trace of the caller who left")
		}
		for _, s := range o.started() {
			if s.Phase == smartauth.PhaseDiscover && s.Cause != ctx {
				t.Error("the cause of the discovery is not the context of who set it off")
			}
		}
	})
}

func TestAttemptsAreCountedByPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		attempts := func() string {
			var seen []string
			for _, s := range o.started() {
				if s.Phase != smartauth.PhaseAcquire {
					seen = append(seen, fmt.Sprint(s.Phase, s.Attempt))
				}
			}
			o.mu.Lock()
			o.starts = nil
			o.mu.Unlock()
			return strings.Join(seen, " ")
		}
		srv.Fail(smarttest.Discovery, smarttest.Fault{Times: 1, Status: 503})
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: 503})
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := attempts(), "discover0 discover1 sign0 exchange0 sign1 exchange1"; got != want {
			t.Errorf("attempts %s, want %s", got, want)
		}
		time.Sleep(301 * time.Second)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, CloseConnection: true}) // the endpoint may have moved
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := attempts(), "sign0 exchange0 discover0 sign1 exchange1"; got != want {
			t.Errorf("attempts %s, want %s", got, want)
		}
	})
}

// The first assertion is signed as all others are.
func TestAssertionKnowsTheServersAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := smarttest.New(t, smarttest.Options{InMemory: true, Profile: smarttest.SMART})
		cfg := srv.NewClient(smarttest.ClientOptions{RSA: true})
		cfg.AssertionAudiences = []string{"https://elsewhere.example.nl/introspect"}
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		assertion, err := src.Assertion(t.Context(), cfg.AssertionAudiences[0])
		if err != nil {
			t.Fatal(err)
		}
		header, err := base64.RawURLEncoding.DecodeString(strings.Split(assertion, ".")[0])
		if err != nil || !strings.Contains(string(header), `"RS384"`) {
			t.Errorf("header %s, %v, want RS384, which the server advertises", header, err)
		}
	})
}
