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

// Whoever is elsewhere may have chosen the whole rest of the way, not its first address alone.
func TestNoBearerEverAfterAForeignHop(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		var foreign []string
		origin, err := s.Serve("evil.example.test:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			foreign = append(foreign, r.Header.Get("Authorization"))
			http.Redirect(w, r, s.BaseURL()+"/Patient?hop=2", http.StatusFound)
		}))
		if err != nil {
			t.Fatal(err)
		}
		to := func(url string) smarttest.Fault {
			return smarttest.Fault{Times: 1, Status: http.StatusFound, Header: http.Header{"Location": {url}}}
		}
		s.Fail(smarttest.FHIR, to(s.BaseURL()+"/Patient?hop=0"), to(origin+"/x"), to(s.BaseURL()+"/Patient?hop=3"), to(s.BaseURL()+"/Patient?hop=4"))

		if status, _ := s.search(t); status != http.StatusUnauthorized {
			t.Errorf("status %d, want the 401 of a request without a bearer", status)
		}
		var bearers []bool
		for _, r := range s.Requests(smarttest.FHIR) {
			bearers = append(bearers, r.Bearer() != "")
		}
		if want := []bool{true, true, false, false, false}; !slices.Equal(bearers, want) {
			t.Errorf("bearers at the FHIR server: %v, want %v", bearers, want)
		}
		if !slices.Equal(foreign, []string{""}) {
			t.Errorf("the other origin got %q", foreign)
		}
		away, back := smartauth.SkipForeignOrigin, smartauth.SkipForeignRedirect
		if want := []smartauth.SkipReason{away, back, back, back}; !slices.Equal(s.events.skipped, want) {
			t.Errorf("skipped %v, want %v", s.events.skipped, want)
		}
	})
}

// trail is a base that redirects along its URLs.
type trail struct {
	urls   []string
	silent bool // leaves Response.Request nil, as some test doubles and caches do

	authorization []string
}

func (h *trail) RoundTrip(r *http.Request) (*http.Response, error) {
	h.authorization = append(h.authorization, r.Header.Get("Authorization"))
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
	if !h.silent {
		resp.Request = r
	}
	if next := slices.Index(h.urls, r.URL.String()) + 1; next < len(h.urls) {
		resp.StatusCode = http.StatusFound
		resp.Header.Set("Location", h.urls[next])
	}
	return resp, nil
}

func TestRedirectTrails(t *testing.T) {
	const (
		own     = "Basic own"
		foreign = smartauth.SkipForeignOrigin
		after   = smartauth.SkipForeignRedirect
		kept    = smartauth.SkipOwnAuthorization
	)
	hosts := map[string]string{"home": "https://fhir.example.nl/", "evil": "https://evil.test/"}
	for _, c := range []struct {
		trail   string
		own     string // Authorization of the caller
		bearers int    // at the beginning of the trail; the other requests must have none
		skipped []smartauth.SkipReason
	}{
		{"home", "", 1, nil},
		{"home home home", "", 3, nil},
		{"home evil", "", 1, []smartauth.SkipReason{foreign}},
		{"home evil home", "", 1, []smartauth.SkipReason{foreign, after}},
		{"home home evil home", "", 2, []smartauth.SkipReason{foreign, after}},
		{"home evil home home home", "", 1, []smartauth.SkipReason{foreign, after, after, after}},
		{"home evil evil home home", "", 1, []smartauth.SkipReason{foreign, foreign, after, after}},
		{"evil home home", "", 0, []smartauth.SkipReason{foreign, after, after}},
		{"home home", own, 0, []smartauth.SkipReason{kept, kept}},
	} {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s%s, silent %v", c.own, c.trail, silent), func(t *testing.T) {
				base := &trail{silent: silent}
				for i, host := range strings.Fields(c.trail) {
					base.urls = append(base.urls, fmt.Sprint(hosts[host], i))
				}
				reported := &events{}
				src := reporting{staticSource{smartauth.NewToken("token", time.Time{})}, reported}
				r, err := http.NewRequest(http.MethodGet, base.urls[0], nil)
				if err != nil {
					t.Fatal(err)
				}
				if c.own != "" {
					r.Header.Set("Authorization", c.own)
				}
				resp, err := smarthttp.NewClient(src, &http.Client{Transport: base}).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()

				var want []string
				for i := range base.urls {
					if i < c.bearers {
						want = append(want, "Bearer token")
					} else {
						want = append(want, c.own)
					}
				}
				if !slices.Equal(base.authorization, want) {
					t.Errorf("sent with %q, want %q", base.authorization, want)
				}
				if !slices.Equal(reported.skipped, c.skipped) {
					t.Errorf("skipped %v, want %v", reported.skipped, c.skipped)
				}
			})
		}
	}
}

// A caller of RoundTrip that follows redirects by itself may hold a response that does not say what it answers.
func TestResponseOfUnknownOrigin(t *testing.T) {
	base := &seen{}
	transport := &smarthttp.Transport{Source: staticSource{smartauth.NewToken("token", time.Time{})}, Base: base}
	r := fhirRequest(t)
	r.Response = &http.Response{}
	if _, err := transport.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if base.r.Header.Get("Authorization") != "" {
		t.Error("sent with the token")
	}
}
