package smartauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

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
			if s.Phase == smartauth.PhaseDiscover && !s.Shared && s.Cause != ctx {
				t.Error("the cause of the discovery is not the context of who set it off")
			}
		}
	})
}
