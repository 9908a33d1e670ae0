package smarthttp_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A request that a transport has authenticated reaches another one below. That one leaves it alone, and reports it only if
// somebody else's Authorization has come between.
func TestStackedTransports(t *testing.T) {
	const own = smartauth.SkipOwnAuthorization
	for name, c := range map[string]struct {
		caller  string
		between func(http.Header)
		want    string // Authorization as sent
		skipped []smartauth.SkipReason
	}{
		"nothing between":             {"", func(http.Header) {}, "Bearer upper", nil},
		"another Authorization":       {"", func(h http.Header) { h["Authorization"] = []string{"Basic own"} }, "Basic own", []smartauth.SkipReason{own}},
		"a second Authorization":      {"", func(h http.Header) { h.Add("Authorization", "Basic own") }, "Bearer upper, Basic own", []smartauth.SkipReason{own}},
		"one in small letters":        {"", func(h http.Header) { h["authorization"] = []string{"Basic own"} }, "Bearer upper", []smartauth.SkipReason{own}},
		"the upper token taken off":   {"", func(h http.Header) { delete(h, "Authorization") }, "Bearer lower", nil},
		"the caller's":                {"Basic own", func(http.Header) {}, "Basic own", []smartauth.SkipReason{own, own}},
		"the caller's, like a token":  {"Bearer upper", func(http.Header) {}, "Bearer upper", []smartauth.SkipReason{own, own}},
		"the caller's, another token": {"Bearer lower", func(http.Header) {}, "Bearer lower", []smartauth.SkipReason{own, own}},
	} {
		t.Run(name, func(t *testing.T) {
			base, reported := &seen{}, &events{}
			of := func(token string) reporting {
				return reporting{staticSource{smartauth.NewToken(token, time.Time{})}, reported}
			}
			lower := &smarthttp.Transport{Source: of("lower"), Base: base}
			between := roundTripper(func(r *http.Request) (*http.Response, error) {
				if text := fmt.Sprintf("%v %+v %#v", r.Context(), r.Context(), r.Context()); strings.Contains(text, "upper") {
					t.Errorf("the context shows the token: %s", text)
				}
				r = r.Clone(r.Context())
				c.between(r.Header)
				return lower.RoundTrip(r)
			})
			r := fhirRequest(t)
			if c.caller != "" {
				r.Header.Set("Authorization", c.caller)
			}
			if _, err := (&smarthttp.Transport{Source: of("upper"), Base: between}).RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(base.r.Header["Authorization"], ", "); got != c.want {
				t.Errorf("sent with %q, want %q", got, c.want)
			}
			if !slices.Equal(reported.skipped, c.skipped) {
				t.Errorf("reported %v, want %v", reported.skipped, c.skipped)
			}
		})
	}
}

// The upper one answers a 401, and the lower one has nothing to report of the request that is sent again, or of one that is redirected.
func TestStackedTransportsThroughA401(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		cfg := s.NewClient(smarttest.ClientOptions{})
		cfg.Observer = s.events
		upper, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		lower := s.client.Transport
		s.client = smarthttp.NewClient(upper, &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return lower.RoundTrip(r) })})
		s.search(t)
		s.RevokeAll()
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: 307, Header: http.Header{"Location": {s.BaseURL() + "/Patient?_count=2"}}})
		status, _ := s.search(t)
		if n := len(s.Requests(smarttest.FHIR)); status != http.StatusOK || n != 4 || s.Counts().TokenRequests != 2 {
			t.Errorf("%d, with %d requests and %d token requests", status, n, s.Counts().TokenRequests)
		}
		if len(s.events.skipped) != 0 || len(s.events.rejections) != 1 {
			t.Errorf("reported %v and %v, want one rejection", s.events.skipped, s.events.rejections)
		}
	})
}
