package smartauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Kinds of failure, requests made, and when the server is asked again.
func TestFailures(t *testing.T) {
	oauth := func(code string) string { return `{"error":"` + code + `","error_description":"the reason"}` }
	type fault = smarttest.Fault
	stalls := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"access_token":`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for _, c := range []struct {
		name     string
		fault    fault
		kind     smartauth.Kind
		code     string
		requests int
		coolDown time.Duration
		hint     string
		took     time.Duration // 0: not looked at, as there is jitter in it
	}{
		{"503", fault{Status: 503}, smartauth.Temporary, "", 3, 250 * time.Millisecond, "", 0},
		{"500 HTML", fault{Status: 500, Body: "<html>"}, smartauth.Temporary, "", 3, 250 * time.Millisecond, "", 0},
		{"429", fault{Status: 429}, smartauth.Temporary, "", 3, 250 * time.Millisecond, "", 0},
		{"408", fault{Status: 408}, smartauth.Temporary, "", 3, 250 * time.Millisecond, "", 0},
		{"Retry-After that is worth waiting", fault{Status: 503, Header: http.Header{"Retry-After": {"2"}}},
			smartauth.Temporary, "", 3, 2 * time.Second, "", 4 * time.Second},
		{"Retry-After just too long", fault{Status: 503, Header: http.Header{"Retry-After": {"3"}}},
			smartauth.Temporary, "", 1, 3 * time.Second, "", time.Nanosecond},
		{"Retry-After that is not", fault{Status: 503, Header: http.Header{"Retry-After": {"30"}}},
			smartauth.Temporary, "", 1, 30 * time.Second, "", 0},
		{"Retry-After of a year", fault{Status: 429, Header: http.Header{"Retry-After": {"31536000"}}},
			smartauth.Temporary, "", 1, time.Minute, "", 0},
		{"Retry-After in words", fault{Status: 503, Header: http.Header{"Retry-After": {"later"}}},
			smartauth.Temporary, "", 3, 250 * time.Millisecond, "", 0},
		{"connection closed", fault{CloseConnection: true}, smartauth.Temporary, "", 3, 250 * time.Millisecond, "", 0},
		{"no answer", fault{Hang: true}, smartauth.Temporary, "", 1, 250 * time.Millisecond, "", 15 * time.Second},
		{"an answer without end", fault{Handler: stalls}, smartauth.Temporary, "", 1, 250 * time.Millisecond, "no answer within 15s", 15 * time.Second},
		{"Access Denied", fault{Status: 401, Body: "Access Denied"}, smartauth.Refused, "", 1, time.Second, "not approved", 0},
		{"403", fault{Status: 403}, smartauth.Refused, "", 1, time.Second, "not in the JWKS", 0},
		{"Bad Request without scopes", fault{Status: 400, Body: "Bad Request"}, smartauth.Refused, "", 1, time.Second, "Config.Scopes is empty", 0},
		{"invalid_client", fault{Status: 401, Body: oauth("invalid_client")}, smartauth.Refused, "invalid_client", 1, time.Second, "cannot read that JWKS", 0},
		{"invalid_grant", fault{Status: 400, Body: oauth("invalid_grant")}, smartauth.Refused, "invalid_grant", 1, time.Second, "not approved", 0},
		{"invalid_request", fault{Status: 400, Body: oauth("invalid_request")}, smartauth.Refused, "invalid_request", 1, time.Second, "not approved", 0},
		{"an OAuth error with status 200", fault{Status: 200, Body: oauth("invalid_client")}, smartauth.Refused, "invalid_client", 1, time.Second, "not approved", 0},
		{"invalid_scope", fault{Status: 400, Body: oauth("invalid_scope")}, smartauth.Permanent, "invalid_scope", 1, time.Minute, "Config.Scopes", 0},
		{"unauthorized_client", fault{Status: 400, Body: oauth("unauthorized_client")}, smartauth.Permanent, "unauthorized_client", 1, time.Minute, "", 0},
		{"unsupported_grant_type", fault{Status: 400, Body: oauth("unsupported_grant_type")}, smartauth.Permanent, "unsupported_grant_type", 1, time.Minute, "", 0},
		{"404", fault{Status: 404}, smartauth.Refused, "", 1, time.Second, "not a token endpoint", 0},
		{"307", fault{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}}, smartauth.Refused, "", 1, time.Second, "redirects", 0},
		{"HTML with status 200", fault{Body: "<html>"}, smartauth.Refused, "", 1, time.Second, "", 0},
		{"DPoP", fault{Body: `{"access_token":"t","token_type":"DPoP"}`}, smartauth.Permanent, "", 1, time.Minute, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.Fail(smarttest.TokenEndpoint, c.fault)
				begin := time.Now()
				_, err := src.Token(t.Context())
				var e *smartauth.Error
				if !errors.As(err, &e) {
					t.Fatalf("error %v, want *smartauth.Error", err)
				}
				if took := time.Since(begin); c.took != 0 && took != c.took.Truncate(time.Microsecond) {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if e.Phase != smartauth.PhaseExchange || e.Kind != c.kind || e.Code != c.code {
					t.Errorf("%s, %v, %q; want exchange, %v, %q", e.Phase, e.Kind, e.Code, c.kind, c.code)
				}
				if c.code != "" && e.Description != "the reason" {
					t.Errorf("description %q", e.Description)
				}
				if !strings.Contains(err.Error(), c.hint) {
					t.Errorf("%q does not mention %q", err, c.hint)
				}
				if n := srv.Counts().TokenRequests; n != c.requests {
					t.Errorf("%d token requests, want %d", n, c.requests)
				}
				if n := len(srv.Requests(smarttest.Other)); n != 0 {
					t.Error("a redirect of the token endpoint was followed")
				}
				if got := time.Until(e.RetryAt); got != c.coolDown {
					t.Errorf("cool-down %v, want %v", got, c.coolDown)
				}
				if _, again := src.Token(t.Context()); again != err {
					t.Errorf("in the cool-down: %v, want the same error", again)
				}
				if n := srv.Counts().TokenRequests; n != c.requests {
					t.Error("the server was asked during the cool-down")
				}
				time.Sleep(c.coolDown)
				srv.Clear()
				if _, err := src.Token(t.Context()); err != nil {
					t.Errorf("after the cool-down: %v", err)
				}
			})
		})
	}
}

func TestCoolDownsGrow(t *testing.T) {
	for _, c := range []struct {
		status int
		want   []time.Duration
	}{
		{503, []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second}},
		{401, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second}},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: c.status})
				for i, want := range c.want {
					_, err := src.Token(t.Context())
					var e *smartauth.Error
					if !errors.As(err, &e) || time.Until(e.RetryAt) != want {
						t.Errorf("failure %d: %v, want a cool-down of %v", i, err, want)
					}
					time.Sleep(want)
				}
			})
		})
	}
}

func TestRefusalTellsWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clientID string
		srv, src := sandbox(t, func(c *smartauth.Config) { clientID = c.ClientID })
		srv.SetApproved(clientID, false)
		_, err := src.Token(t.Context())
		if err == nil {
			t.Fatal("no error")
		}
		for _, want := range []string{"smartauth: exchange at " + srv.TokenURL(), "401 Unauthorized", "alg ES384", `kid "`, fmt.Sprintf("aud %q", srv.TokenURL()),
			fmt.Sprintf("iss %q", clientID), "not approved", "not in the JWKS", "cannot read that JWKS", "RS512", "not asked again before"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not mention %q", err, want)
			}
		}
	})
}
