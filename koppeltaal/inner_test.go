package koppeltaal_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// A client within the transport follows redirects without asking: what only the server may see goes nowhere else by that, and
// nobody else says who launches.
func TestTransportThatFollowsRedirects(t *testing.T) {
	for status, says := range map[int]string{http.StatusTemporaryRedirect: "307", http.StatusFound: "must not follow redirects"} {
		for op, do := range both {
			t.Run(fmt.Sprint(op, " ", status), func(t *testing.T) {
				inMemory(t, func(t *testing.T, s *sandbox) {
					s.get(t, t.Context())
					inner := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						if r.URL.Host != "other.example.nl" {
							return s.Transport().RoundTrip(r)
						}
						if r.Method == http.MethodPost {
							t.Error("the other host got a form")
						}
						return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(strings.NewReader(`{"active":true,"sub":"x"}`))}, nil
					})}
					s.client.HTTPClient = &http.Client{Transport: roundTripper(inner.Do)}
					s.Fail(do.endpoint, smarttest.Fault{Status: status, Header: http.Header{"Location": {"https://other.example.nl/"}}})
					err := do.call(t.Context(), s.client)
					var e *koppeltaal.Error
					if !errors.As(err, &e) || !e.MaybeSent || !strings.Contains(err.Error(), says) {
						t.Errorf("%v, want an error that says %q", err, says)
					}
				})
			})
		}
	}
}
