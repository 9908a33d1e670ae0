package otelsmart_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Who goes on with the old token has a stale one, whoever fetches it.
func TestStaleTokens(t *testing.T) {
	for name, fault := range map[string]smarttest.Fault{"refused": {Status: 401, Delay: time.Millisecond}, "slow": {Delay: 4 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				token := w.must("first")
				w.Fail(smarttest.TokenEndpoint, fault)
				w.src.Invalidate(token)
				for range 2 {
					go func() { _, _ = w.call("goes on") }()
				}
				time.Sleep(10 * time.Second)
				if got := w.points(requests, "smartauth.token.source"); got["stale"] != 2 || got["network"] != 1 || got["shared"] != 0 {
					w.Errorf("requests %v", got)
				}
				if spans := w.draw(); strings.Count(spans, "token.source=stale") != 1 {
					w.Errorf("spans:\n%s", spans)
				}
			})
		})
	}
}

// A waiter who gives up has no token, and no error of ours.
func TestCancelledWaitersAreNotCounted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: time.Second})
		go func() { _, _ = w.call("leader") }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(w.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, _ = w.src.Token(ctx)
		time.Sleep(10 * time.Second)
		if got := w.points(requests, "smartauth.token.source"); len(got) != 1 || got["network"] != 1 {
			w.Errorf("requests %v", got)
		}
		if m, found := w.metrics()["smartauth.token.wait.duration"]; found {
			w.Errorf("waits %v", m.Data)
		}
	})
}

// An acquisition that waits for another's discovery says so.
func TestSpanOfAJoinedDiscovery(t *testing.T) {
	for name, opts := range map[string][]otelsmart.Option{"own": nil, "instrumented": {otelsmart.WithInstrumentedClient()}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.Fail(smarttest.Discovery, smarttest.Fault{Delay: time.Second})
				go func() {
					ctx, end := w.request(w.Context(), "asks for the metadata")
					defer end()
					_, _ = w.src.Metadata(ctx)
				}()
				synctest.Wait()
				w.must("request")
				want := `
		asks for the metadata server
		  smartauth.discover client http.response.status_code=200
		request server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover internal -> smartauth.discover
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200`
				if opts != nil {
					want = `
		asks for the metadata server
		request server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover internal -> asks for the metadata
		    smartauth.sign internal`
				}
				w.drawn(want, common...)
			}, opts...)
		})
	}
}

// The link of a waiter leads to the acquisition of the same Observer.
func TestWaiterWithTwoObservers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cfg.Observer = smartauth.MultiObserver(w.observer, otelsmart.NewObserver(otelsmart.WithTracerProvider(newWorld(w.T).provider)))
	}, func(w *world) {
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: time.Second})
		go func() { _, _ = w.call("leader") }()
		synctest.Wait()
		w.must("waiter")
		w.drawn(`
		leader server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200
		waiter server
		  smartauth.token.acquire internal refresh.reason=initial token.source=shared -> smartauth.token.acquire`, common...)
	})
}

// What a server writes is in no status, also where core quotes it.
func TestStatusQuotesNoServer(t *testing.T) {
	for name, change := range map[string]func(*world){
		"token_type": func(w *world) {
			w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Body: `{"access_token":"x","token_type":"marker"}`})
		},
		"plain http": func(w *world) {
			w.Fail(smarttest.Discovery, smarttest.Fault{Body: `{"token_endpoint":"http://marker.example/token"}`})
		},
		"moved": func(w *world) {
			w.must("first")
			w.Fail(smarttest.Discovery, smarttest.Fault{Body: `{"token_endpoint":"https://marker.example/token"}`})
			time.Sleep(2 * time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				change(w)
				_, _ = w.call("fails")
				synctest.Wait()
				if told := everythingTold(w); strings.Contains(told, "marker") || !strings.Contains(told, "Error") {
					w.Error(told)
				}
			})
		})
	}
}

func TestSecretsOfDiscoveryStaySecret(t *testing.T) {
	for _, fault := range []smarttest.Fault{
		{Body: marker}, {Status: 401, Body: marker}, {Status: 302, Header: http.Header{"Location": {"https://" + marker + ".example/?" + marker}}},
		{Body: `{"token_endpoint":"https://user:` + marker + `@host/token"}`}, {Body: `{"token_endpoint":"://` + marker + `"}`},
		{Body: `{"token_endpoint":"https://` + marker + `.example:1/?secret=` + marker + `"}`},
	} {
		inWorld(t, nil, func(w *world) {
			w.Fail(smarttest.Discovery, fault)
			w.cfg.Observer = w.observer
			_, _ = w.call("fails")
			_, _ = w.src.Metadata(w.Context())
			time.Sleep(time.Minute)
			told := everythingTold(w)
			told = strings.ReplaceAll(told, marker+".example", "") // where the request goes is no secret
			if i := strings.Index(told, marker); i >= 0 || !strings.Contains(told, "smartauth.discover") {
				w.Errorf("%+v is told: %s", fault, told[max(i-200, 0):])
			}
		})
	}
}

// The number of series depends on nothing that a server, a key or a caller makes up.
func TestCardinality(t *testing.T) {
	series := func(n int) (count int) {
		inWorld(t, nil, func(w *world) {
			w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Handler: func(rw http.ResponseWriter, r *http.Request) {
				switch n := len(w.Requests(smarttest.TokenEndpoint)); n % 3 {
				case 0:
					rw.WriteHeader(http.StatusUnauthorized)
					_, _ = fmt.Fprintf(rw, `{"error":"reason-%d","error_description":"%d"}`, n, n)
				default:
					_, _ = fmt.Fprintf(rw, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d,"scope":"s%d"}`, n, 50+n, n)
				}
			}})
			for i := range n {
				cfg := w.NewClient(smarttest.ClientOptions{ID: fmt.Sprint("client-", i), KeyID: fmt.Sprint("key-", i)})
				cfg.Observer = w.observer
				src := w.source(cfg)
				for range 6 {
					_, _ = src.Token(w.Context())
					_, _ = src.Token(w.Context())
					time.Sleep(30 * time.Minute)
				}
				src.Rejected(w.Context(), smartauth.Rejection{Outcome: smartauth.OutcomeFailed})
				src.BearerSkipped(w.Context(), smartauth.BearerSkipped{Reason: smartauth.SkipOptOut})
				w.metrics()
			}
			for _, m := range w.metrics() {
				_, sets := points(m)
				count += len(sets)
			}
		})
		return count
	}
	if few, many := series(2), series(20); few != many || few == 0 {
		t.Errorf("%d series for 2 clients, %d for 20", few, many)
	}
}

func TestScope(t *testing.T) {
	version, err := os.ReadFile("version.go")
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, nil, func(w *world) {
		w.must("first")
		var all metricdata.ResourceMetrics
		if err := w.reader.Collect(w.Context(), &all); err != nil {
			w.Fatal(err)
		}
		scope := all.ScopeMetrics[0].Scope
		if got := w.recorder.Ended()[0].InstrumentationScope(); got != scope {
			w.Errorf("scope of spans %v, of metrics %v", got, scope)
		}
		if scope.Name != "github.com/smartauth-go/smartauth/otel" || scope.SchemaURL != semconv.SchemaURL ||
			!strings.Contains(string(version), fmt.Sprintf("version = %q", scope.Version)) {
			w.Errorf("scope %+v", scope)
		}
	})
}

func TestExpiresInIsRounded(t *testing.T) {
	for delay, want := range map[time.Duration]string{400 * time.Millisecond: "token.expires_in=300", 600 * time.Millisecond: "token.expires_in=299"} {
		inWorld(t, nil, func(w *world) {
			w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: delay})
			w.must("first")
			if spans := w.draw(); !strings.Contains(spans, want) {
				w.Errorf("after %v:\n%s", delay, spans)
			}
		})
	}
}

// It may happen for every request.
func TestSkipAllocations(t *testing.T) {
	for _, o := range observers() {
		if o.observer == nil {
			continue
		}
		src, ctx := cached(t, o.observer), t.Context()
		if n := testing.AllocsPerRun(1000, func() { src.BearerSkipped(ctx, smartauth.BearerSkipped{Reason: smartauth.SkipOptOut}) }); n != 0 {
			t.Errorf("observer %s: a request without a bearer costs %.0f allocations", o.name, n)
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	src, ctx := cached(b, observers()[2].observer), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		src.BearerSkipped(ctx, smartauth.BearerSkipped{Reason: smartauth.SkipOptOut})
	}
}
