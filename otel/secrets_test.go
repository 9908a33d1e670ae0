package otelsmart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
)

const marker = "hunter2"

// grant answers with a token, scopes and more, all of which are nobody's business.
const grant = `{"access_token":"` + marker + `-token","token_type":"bearer","expires_in":60,"scope":"system/Task.rs?owner=` + marker + `","x":"` + marker + `"}`

// echo answers with all that it was sent, and the token from before.
func echo(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_client " + marker + "-token",
		"error_description": marker + "-token " + r.Form.Get("client_assertion") + " " + r.URL.RawQuery})
}

// Marker secrets turn up in no span, metric or log, and in nothing that goes to a server but where they belong.
func TestSecretsStaySecret(t *testing.T) {
	for name, faults := range map[string][]smarttest.Fault{
		"success":       {{Body: grant}},
		"text":          {{Body: grant, Times: 1}, {Status: 401, Body: marker}},
		"HTML":          {{Body: grant, Times: 1}, {Status: 503, Body: "<p>" + marker}},
		"echo":          {{Body: grant, Times: 1}, {Handler: echo}},
		"unknown code":  {{Body: grant, Times: 1}, {Status: 400, Body: `{"error":"invalid_scope","error_description":"` + marker + `-token"}`}},
		"DPoP":          {{Body: grant, Times: 1}, {Body: `{"access_token":"` + marker + `","token_type":"DPoP"}`}},
		"malformed":     {{Body: grant, Times: 1}, {Body: `{"access_token":"` + marker}},
		"no connection": {{Body: grant, Times: 1}, {CloseConnection: true}},
		"too slow":      {{Body: grant, Times: 1}, {Hang: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			inWorld(t, func(w *world) {
				logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				w.cfg.Observer = smartauth.MultiObserver(w.observer, smartauth.NewLogObserver(logger))
				w.cfg.Scopes = []string{"system/Task.rs?owner=scope-in-config"}
				w.cfg.TokenURL = w.TokenURL() + "?secret=" + marker + "-query"
			}, func(w *world) {
				w.Fail(smarttest.TokenEndpoint, faults...)
				ctx := withBaggage(w.T, w.Context())
				for _, wait := range []time.Duration{0, 58 * time.Second, 61 * time.Second, 2 * time.Minute} { // initial, expiring, expired
					time.Sleep(wait)
					for range 2 { // the one that sets it off, and a waiter
						go func() { _, _ = w.src.Token(ctx) }()
						time.Sleep(time.Millisecond)
					}
					time.Sleep(time.Second)
				}
				if token, err := w.src.Token(ctx); err == nil {
					w.src.Invalidate(token)
					_, _ = w.src.Token(ctx)
				}
				gone, cancel := context.WithTimeoutCause(ctx, 0, errors.New(marker))
				defer cancel()
				_, _ = w.src.Token(gone)
				w.src.Rejected(ctx, smartauth.Rejection{Outcome: smartauth.OutcomeFailed})
				w.src.BearerSkipped(ctx, smartauth.BearerSkipped{Reason: smartauth.SkipOwnAuthorization})
				time.Sleep(time.Minute)
				synctest.Wait()

				told := everythingTold(w)
				if strings.Contains(told, "scope-in-config") { // a log may say which are missing
					w.Error("the scopes are told")
				}
				told += log.String()
				secrets := []string{marker}
				for _, r := range w.Requests(smarttest.TokenEndpoint) {
					form, err := url.ParseQuery(string(r.Body))
					if err != nil {
						w.Fatal(err)
					}
					secrets = append(secrets, strings.Split(form.Get("client_assertion"), ".")...)
					if bag := r.Header.Get("Baggage"); bag != "" {
						w.Errorf("baggage %q went to the authorization server", bag)
					}
				}
				if len(secrets) < 4 || !strings.Contains(told, "smartauth.exchange") {
					w.Fatal("nothing happened")
				}
				for _, s := range secrets {
					if i := strings.Index(told, s); i >= 0 {
						w.Errorf("%q is told: %s", s, told[max(i-200, 0):min(i+200, len(told))])
					}
				}
			}, otelsmart.WithPropagators(everything), otelsmart.WithClientID())
		})
	}
}

// everythingTold is the text of all spans and metrics.
func everythingTold(w *world) string {
	var b strings.Builder
	for _, s := range w.recorder.Ended() {
		fmt.Fprintf(&b, "%s %v %v %v %v\n", s.Name(), s.Attributes(), s.Status(), s.SpanContext().TraceState(), s.InstrumentationScope())
		for _, l := range s.Links() {
			fmt.Fprintf(&b, "link %v\n", l.Attributes)
		}
		if len(s.Events()) > 0 {
			w.Errorf("events %v", s.Events())
		}
		for _, a := range s.Attributes() {
			fmt.Fprintf(&b, "%s=%s\n", a.Key, a.Value.String())
		}
	}
	for _, m := range w.metrics() {
		text, err := json.Marshal(m)
		if err != nil {
			w.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}
