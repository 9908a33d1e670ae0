package otelsmart_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestSpansOfAFirstTokenInFull(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must("first")
		w.must("hit")
		w.drawn(`
		first server
		  smartauth.token.acquire internal server=AUTH attempts=1 grant_type=client_credentials refresh.reason=initial token.expires_in=300 token.source=network
		    smartauth.discover client http.request.method=GET http.response.status_code=200 server=FHIR url.full=FHIR/fhir/DEFAULT/.well-known/smart-configuration
		    smartauth.sign internal signing.alg=ES384 signing.kid=key-1
		    smartauth.exchange client http.request.method=POST http.response.status_code=200 server=AUTH url.full=AUTH/oauth2/token
		hit server`)
	})
}

// What the spans of the first token have in common with all the others is not repeated here.
func TestSpans(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(*world)
		want string
	}{
		"refresh in the background": {
			func(w *world) {
				w.must("first")
				time.Sleep(290 * time.Second)
				w.must("near its end")
			}, `
		first server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200
		near its end server
		smartauth.token.acquire internal attempts=1 refresh.reason=expiring token.source=network -> near its end
		  smartauth.sign internal
		  smartauth.exchange client http.response.status_code=200`},
		"expired": {
			func(w *world) {
				w.must("first")
				time.Sleep(301 * time.Second)
				w.must("later")
			}, `
		first server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200
		later server
		  smartauth.token.acquire internal attempts=1 refresh.reason=expired token.source=network
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200`},
		"rejected": {
			func(w *world) {
				token := w.must("first")
				w.src.Invalidate(token)
				w.must("refused before")
			}, `
		first server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200
		refused before server
		  smartauth.token.acquire internal attempts=1 refresh.reason=rejected token.source=network
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200`},
		"waiters": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: time.Second})
				go func() { _, _ = w.call("leader") }()
				time.Sleep(10 * time.Millisecond)
				go func() { _, _ = w.call("waiter") }()
				time.Sleep(10 * time.Second)
			}, `
		leader server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200
		waiter server
		  smartauth.token.acquire internal refresh.reason=initial token.source=shared -> smartauth.token.acquire`},
		"retry": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable}, smarttest.Fault{Times: 1, CloseConnection: true})
				w.must("patient")
			}, `
		patient server
		  smartauth.token.acquire internal attempts=3 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client Error(exchange: 503 Service Unavailable) error.type=503 http.response.status_code=503
		    smartauth.sign internal
		    smartauth.exchange client Error(exchange: EOF) error.type=connection http.request.resend_count=1
		    smartauth.sign internal
		    smartauth.exchange client http.request.resend_count=2 http.response.status_code=200`},
		"clock off": {
			func(w *world) {
				w.SetClockOffset(smarttest.AuthServer, time.Hour)
				w.must("first")
			}, `
		first server
		  smartauth.token.acquire internal attempts=2 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client Error(exchange: 401 Unauthorized) error.type=401 http.response.status_code=401
		    smartauth.sign internal
		    smartauth.exchange client http.request.resend_count=1 http.response.status_code=200`},
		"cancelled": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: time.Second})
				for _, name := range []string{"leader", "waiter"} {
					go func() {
						ctx, cancel := context.WithTimeoutCause(w.Context(), 500*time.Millisecond, errors.New("marker"))
						if name == "waiter" {
							ctx, cancel = context.WithCancel(w.Context())
							time.AfterFunc(500*time.Millisecond, cancel)
						}
						defer cancel()
						ctx, end := w.request(ctx, name)
						defer end()
						if _, err := w.src.Token(ctx); err == nil {
							w.Error("no error")
						}
					}()
					time.Sleep(10 * time.Millisecond)
				}
				go func() {
					ctx, end := w.request(w.Context(), "hasty")
					defer end()
					ctx, cancel := context.WithTimeoutCause(ctx, 100*time.Millisecond, errors.New("marker"))
					defer cancel()
					_, _ = w.src.Token(ctx)
				}()
				time.Sleep(10 * time.Second)
			}, `
		leader server
		  smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200
		waiter server
		  smartauth.token.acquire internal refresh.reason=initial token.source=shared -> smartauth.token.acquire
		hasty server
		  smartauth.token.acquire internal Error(the caller's time was up) error.type=timeout refresh.reason=initial token.source=shared -> smartauth.token.acquire`},
		"permanent": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 400, Body: `{"error":"invalid_scope","error_description":"marker"}`})
				if _, err := w.call("first"); err == nil {
					w.Error("no error")
				}
				if _, err := w.call("in the cool-down"); err == nil {
					w.Error("no error")
				}
			}, `
		first server
		  smartauth.token.acquire internal Error(exchange: 400 Bad Request: invalid_scope) error.type=invalid_scope attempts=1 oauth.error=invalid_scope refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client Error(exchange: 400 Bad Request: invalid_scope) error.type=invalid_scope http.response.status_code=400 oauth.error=invalid_scope
		in the cool-down server`},
		"refused": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401, Body: "Access Denied"})
				_, _ = w.call("first")
			}, `
		first server
		  smartauth.token.acquire internal Error(exchange: 401 Unauthorized) error.type=401 attempts=1 refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client Error(exchange: 401 Unauthorized) error.type=401 http.response.status_code=401`},
		"refused with an unknown code": {
			func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 403, Body: `{"error":"marker"}`})
				_, _ = w.call("first")
			}, `
		first server
		  smartauth.token.acquire internal Error(exchange: 403 Forbidden) error.type=403 attempts=1 oauth.error=other refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client Error(exchange: 403 Forbidden) error.type=403 http.response.status_code=403 oauth.error=other`},
		"discovery fails": {
			func(w *world) {
				w.Fail(smarttest.Discovery, smarttest.Fault{Status: 404})
				w.Fail(smarttest.Metadata, smarttest.Fault{Status: 500})
				_, _ = w.call("first")
			}, `
		first server
		  smartauth.token.acquire internal Error(discover: 500 Internal Server Error) error.type=500 refresh.reason=initial token.source=network
		    smartauth.discover client Error(discover: 404 Not Found) error.type=404 http.response.status_code=404
		    smartauth.discover client Error(discover: 500 Internal Server Error) error.type=500 http.response.status_code=500
		    smartauth.discover client Error(discover: 404 Not Found) error.type=404 http.request.resend_count=1 http.response.status_code=404
		    smartauth.discover client Error(discover: 500 Internal Server Error) error.type=500 http.request.resend_count=1 http.response.status_code=500
		    smartauth.discover client Error(discover: 404 Not Found) error.type=404 http.request.resend_count=2 http.response.status_code=404
		    smartauth.discover client Error(discover: 500 Internal Server Error) error.type=500 http.request.resend_count=2 http.response.status_code=500`},
		"no signature": {
			func(w *world) {
				w.cfg.Signer = brokenSigner{w.cfg.Signer, errors.New("the HSM is gone")}
				w.src = w.source(w.cfg)
				_, _ = w.call("first")
			}, `
		first server
		  smartauth.token.acquire internal Error(sign: the HSM is gone) error.type=signing refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal Error(sign: the HSM is gone) error.type=signing
		    smartauth.sign internal Error(sign: the HSM is gone) error.type=signing
		    smartauth.sign internal Error(sign: the HSM is gone) error.type=signing`},
		"outside of an acquisition": {
			func(w *world) {
				ctx, end := w.request(w.Context(), "request")
				defer end()
				if _, err := w.src.Metadata(ctx); err != nil {
					w.Error(err)
				}
				if _, err := w.src.Assertion(ctx, w.TokenURL()); err != nil {
					w.Error(err)
				}
			}, `
		request server
		  smartauth.discover client http.response.status_code=200
		  smartauth.sign internal`},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) { c.run(w); w.drawn(c.want, common...) })
		})
	}
}

// brokenSigner has lost its connection to the key.
type brokenSigner struct {
	smartauth.Signer
	err error
}

func (s brokenSigner) Sign(context.Context, string, []byte) ([]byte, error) { return nil, s.err }
