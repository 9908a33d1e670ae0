package smartauth_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// elsewhere gives c a transport with a client in it, as that of retryablehttp, and returns what other.example.nl then gets.
func elsewhere(c *smartauth.Config) *[]string {
	const answer = `{"access_token":"theirs","token_type":"bearer","expires_in":300,"token_endpoint":"https://other.example.nl/token"}`
	var got []string
	network := c.HTTPClient.Transport
	inner := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "other.example.nl" {
			return network.RoundTrip(r)
		}
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		got = append(got, r.Method+" "+string(body))
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	})}
	c.HTTPClient = &http.Client{Transport: roundTripper(inner.Do)}
	return &got
}

// A client within the transport follows redirects without asking, and must gain nobody an assertion or our trust by that.
func TestTransportThatFollowsRedirects(t *testing.T) {
	for _, c := range []struct {
		name     string
		endpoint smarttest.Endpoint
		status   int
		says     string
		there    []string
	}{
		{"token 307", smarttest.TokenEndpoint, http.StatusTemporaryRedirect, "the token endpoint redirects", nil},
		{"token 308", smarttest.TokenEndpoint, http.StatusPermanentRedirect, "the token endpoint redirects", nil},
		{"token 302", smarttest.TokenEndpoint, http.StatusFound, "must not follow redirects", []string{"GET "}},
		{"discovery 302", smarttest.Discovery, http.StatusFound, "must not follow redirects", []string{"GET "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var there *[]string
				srv, src := sandbox(t, func(c *smartauth.Config) { there = elsewhere(c) })
				srv.Fail(c.endpoint, smarttest.Fault{Status: c.status, Header: http.Header{"Location": {"https://other.example.nl/"}}})
				token, err := src.Token(t.Context())
				var e *smartauth.Error
				if !errors.As(err, &e) || e.Kind != smartauth.Refused || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, %v, want a refusal that says %q", token, err, c.says)
				}
				if len(*there) != len(c.there) || len(c.there) > 0 && (*there)[0] != c.there[0] {
					t.Errorf("the other host got %q, want %q", *there, c.there)
				}
			})
		})
	}
}

func TestTransportThatFollowsRedirectsWithinTheOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, func(c *smartauth.Config) { elsewhere(c) })
		srv.Fail(smarttest.Discovery, smarttest.Fault{Times: 1, Status: http.StatusFound,
			Header: http.Header{"Location": {"/fhir/DEFAULT/.well-known/smart-configuration?v=2"}}})
		if _, err := src.Token(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
