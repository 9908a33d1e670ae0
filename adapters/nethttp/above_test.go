package smarthttp_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// cloning is a transport between two of ours.
type cloning struct{ http.RoundTripper }

func (c cloning) RoundTrip(r *http.Request) (*http.Response, error) {
	return c.RoundTripper.RoundTrip(r.Clone(r.Context()))
}

// asking is a source that counts how often it is asked.
type asking struct {
	reporting
	times *int
}

func (a asking) Token(ctx context.Context) (*smartauth.Token, error) {
	*a.times++
	return a.reporting.Token(ctx)
}

func TestTransportBelowAnother(t *testing.T) {
	own := []smartauth.SkipReason{smartauth.SkipOwnAuthorization}
	for name, c := range map[string]struct {
		upper, caller, sent string
		want                []smartauth.SkipReason // of the lower one
	}{
		"same source":                {"lower", "", "Bearer lower", nil},
		"another source":             {"upper", "", "Bearer upper", own},
		"the caller's Authorization": {"lower", "Bearer own", "Bearer own", own},
	} {
		base, reported, times := &seen{}, &events{}, 0
		source := asking{reporting{staticSource{smartauth.NewToken("lower", time.Time{})}, reported}, &times}
		lower := &smarthttp.Transport{Source: source, Base: base}
		upper := &smarthttp.Transport{Source: staticSource{smartauth.NewToken(c.upper, time.Time{})}, Base: cloning{lower}}
		r := fhirRequest(t)
		if c.caller != "" {
			r.Header.Set("Authorization", c.caller)
		}
		for range 2 {
			reported.skipped = nil
			if _, err := upper.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			if got := base.r.Header.Get("Authorization"); got != c.sent || !slices.Equal(reported.skipped, c.want) {
				t.Errorf("%s: sent with %q and reported %v, want %q and %v", name, got, reported.skipped, c.sent, c.want)
			}
		}
		if c.want == nil && times != 1 { // each would count as a hit
			t.Errorf("%s: the lower source was asked %d times, want once for its token", name, times)
		}
	}
}
