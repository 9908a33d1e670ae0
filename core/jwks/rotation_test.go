package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// app is an application with a key ring, whose JWKS is served by our handler in the sandbox's network.
type app struct {
	t    *testing.T
	srv  *smarttest.Server
	keys *store
	ring *jwks.Ring
	src  *smartauth.Source
	http *http.Client
}

func newApp(t *testing.T, opts smarttest.Options, serve func(http.Handler) http.Handler) *app {
	opts.InMemory = true
	a := &app{t: t, srv: smarttest.New(t, opts), keys: &store{}}
	a.add("0")
	a.ring = must(jwks.NewRing(jwks.RingConfig{Load: a.keys.load}))
	handler := jwks.Handler(a.ring, a.ring.MaxAge())
	if serve != nil {
		handler = serve(handler)
	}
	origin := must(a.srv.Serve("keys.example.test:80", handler))
	a.srv.RegisterJWKSURL("app", origin+"/5f2c81")
	a.src = must(smartauth.New(smartauth.Config{BaseURL: a.srv.BaseURL(), ClientID: "app", Signer: a.ring, HTTPClient: a.srv.Client()}))
	a.http = smarthttp.NewClient(a.src, a.srv.Client())
	return a
}

func (a *app) add(kid string) {
	a.keys.set(func() {
		a.keys.keys = append(a.keys.keys, jwks.RingKey{Signer: must(smartauth.NewSigner(newEC(p384), kid)), Published: time.Now()})
	})
}

func (a *app) get() error {
	r := must(http.NewRequestWithContext(context.Background(), "GET", a.srv.BaseURL()+"/Patient", nil))
	resp, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// Ten thousand requests over twenty rotations: none fails, and no assertion is refused, also by a server that keeps the JWKS for as
// long as it may.
func TestRotationUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name     string
		cache    bool
		requests int
	}{{"read each time", false, 10_000}, {"cached for MaxAge", true, 2000}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, smarttest.Options{TokenLifetime: 20 * time.Second}, func(h http.Handler) http.Handler {
					if c.cache {
						return cached(h)
					}
					return h
				})
				const rotations, workers = 20, 10
				var failed atomic.Int32
				var wg sync.WaitGroup
				begin := time.Now()
				for w := range workers {
					wg.Go(func() {
						for i := range c.requests / workers {
							if err := a.get(); err != nil && failed.Add(1) <= 3 {
								t.Errorf("worker %d, request %d: %v", w, i, err)
							}
							time.Sleep(4 * time.Hour * workers / time.Duration(c.requests))
						}
					})
				}
				for i := range rotations {
					time.Sleep(11 * time.Minute)
					a.add(fmt.Sprint(i + 1))
				}
				wg.Wait()
				kids, refused := map[any]bool{}, 0
				for _, assertion := range a.srv.Assertions() {
					kids[assertion.Header["kid"]] = true
					if !assertion.Accepted {
						refused++
					}
				}
				t.Logf("%d requests, %d tokens, %d keys, %d failures, %d refusals in %v", c.requests, a.srv.Counts().TokenRequests, len(kids),
					failed.Load(), refused, time.Since(begin))
				if len(kids) != rotations+1 || refused > 0 || failed.Load() > 0 {
					t.Error("want 21 keys, and no failure or refusal")
				}
			})
		})
	}
}

// cached answers as a server's cache would that keeps what it once read for MaxAge, and does not ask before.
func cached(h http.Handler) http.Handler {
	var mu sync.Mutex
	var body []byte
	var until time.Time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !time.Now().Before(until) {
			rec := recorder{ResponseWriter: w}
			h.ServeHTTP(&rec, r)
			body, until = rec.body, time.Now().Add(maxAge)
			return
		}
		_, _ = w.Write(body)
	})
}

type recorder struct {
	http.ResponseWriter
	body []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return r.ResponseWriter.Write(p)
}

// The server answers 401 when it cannot read the JWKS, for whatever reason; when it can again, the next call succeeds.
func TestJWKSEndpointInTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		trouble func(http.Handler) http.Handler
		fails   bool
	}{
		"slow": {func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(5 * time.Second)
				h.ServeHTTP(w, r)
			})
		}, false},
		"redirects": {func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/5f2c81" {
					http.Redirect(w, r, "/elsewhere", http.StatusFound)
					return
				}
				h.ServeHTTP(w, r)
			})
		}, false},
		"redirects in a circle": {func(http.Handler) http.Handler { return http.RedirectHandler("/5f2c81", http.StatusFound) }, true},
		"down":                  {func(http.Handler) http.Handler { return http.NotFoundHandler() }, true},
		"fails": {func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) })
		}, true},
		"serves a page": {func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var trouble atomic.Bool
				a := newApp(t, smarttest.Options{}, func(h http.Handler) http.Handler {
					bad := c.trouble(h)
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if trouble.Load() {
							bad.ServeHTTP(w, r)
						} else {
							h.ServeHTTP(w, r)
						}
					})
				})
				trouble.Store(true)
				err := a.get()
				var e *smartauth.Error
				switch {
				case !c.fails && err != nil:
					t.Error(err)
				case c.fails && (!errors.As(err, &e) || e.Kind != smartauth.Refused || e.StatusCode != 401):
					t.Errorf("error %v, want a refusal by 401", err)
				}
				trouble.Store(false)
				time.Sleep(time.Minute)
				if err := a.get(); err != nil {
					t.Errorf("when it is well again: %v", err)
				}
			})
		})
	}
}
