// Package stacks holds tests that need several HTTP stacks, or otelhttp: the modules of the adapters and of otel/ would otherwise
// make their users download the others.
package stacks

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

const first = `first
- acquire initial
- - discover
- - sign
- - exchange
`

// The same things happen on each stack, and look the same in its traces and metrics.
func TestTracesOfTheStacks(t *testing.T) {
	for name, c := range map[string]struct {
		run        func(*world)
		want       string
		requests   map[string]int64 // by token source
		rejections map[string]int64 // by outcome
	}{
		"first and hit": {
			func(w *world) {
				w.within(w.Context(), "first", 200)
				w.within(w.Context(), "hit", 200)
			}, first + `hit
`, map[string]int64{"network": 1, "cache": 1}, nil},
		"refresh in the background": {
			func(w *world) {
				w.within(w.Context(), "first", 200)
				time.Sleep(290 * time.Second)
				w.within(w.Context(), "near its end", 200)
			}, first + `near its end
acquire expiring -> near its end
- sign
- exchange
`, map[string]int64{"network": 1, "cache": 1}, nil},
		"rejected": {
			func(w *world) {
				w.within(w.Context(), "first", 200)
				w.RevokeAll()
				time.Sleep(10 * time.Second)
				w.within(w.Context(), "healed", 200)
			}, first + `healed
- acquire rejected
- - sign
- - exchange
`, map[string]int64{"network": 2, "cache": 1}, map[string]int64{"recovered": 1}},
		"rejected, and no other token obtained": {
			func(w *world) {
				w.within(w.Context(), "first", 200)
				w.RevokeAll()
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401})
				time.Sleep(10 * time.Second)
				w.within(w.Context(), "refused", 0)
			}, first + `refused
- acquire rejected 401!
- - sign
- - exchange 401!
`, map[string]int64{"network": 2, "cache": 1}, map[string]int64{"failed": 1}},
		"waiter": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: time.Second})
				go w.within(w.Context(), "first", 200)
				time.Sleep(time.Millisecond)
				w.within(w.Context(), "waiter", 200)
			}, first + `waiter
- acquire initial -> acquire
`, map[string]int64{"network": 1, "shared": 1}, nil},
		"the first one and a waiter leave": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: time.Second})
				ctx, cancel := context.WithCancel(w.Context())
				time.AfterFunc(100*time.Millisecond, cancel)
				go w.within(ctx, "first", 0)
				time.Sleep(time.Millisecond)
				go w.within(ctx, "impatient", 0)
				time.Sleep(time.Millisecond)
				w.within(w.Context(), "patient", 200)
			}, first + `impatient
- acquire initial -> acquire
patient
- acquire initial -> acquire
`, map[string]int64{"network": 1, "shared": 1}, nil},
		"retry": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
				w.within(w.Context(), "slow", 200)
			}, `slow
- acquire initial
- - discover
- - sign
- - exchange 503!
- - sign
- - exchange 1
`, map[string]int64{"network": 1}, nil},
		"permanent": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 400, Body: `{"error":"unauthorized_client"}`})
				w.within(w.Context(), "fails", 0)
				w.within(w.Context(), "fails at once", 0)
			}, `fails
- acquire initial unauthorized_client!
- - discover
- - sign
- - exchange unauthorized_client!
fails at once
`, map[string]int64{"network": 1, "none": 1}, nil},
		"refused": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401, Body: "Access Denied"})
				w.within(w.Context(), "fails", 0)
			}, `fails
- acquire initial 401!
- - discover
- - sign
- - exchange 401!
`, map[string]int64{"network": 1}, nil},
		"discovery fails": {
			func(w *world) {
				w.Fail(smarttest.Discovery, smarttest.Fault{Body: "<html>"})
				w.within(w.Context(), "fails", 0)
			}, `fails
- acquire initial discovery!
- - discover discovery!
`, map[string]int64{"network": 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			onEachStack(t, nil, func(w *world) {
				c.run(w)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if got := w.draw(); got != c.want {
					w.Errorf("spans:\n%s\nwant:\n%s", got, c.want)
				}
				if got := w.counted("smartauth.token.requests", "smartauth.token.source"); !maps.Equal(got, c.requests) {
					w.Errorf("requests %v, want %v", got, c.requests)
				}
				if got := w.counted("smartauth.rejections", "smartauth.outcome"); !maps.Equal(got, c.rejections) {
					w.Errorf("rejections %v, want %v", got, c.rejections)
				}
			})
		})
	}
}
