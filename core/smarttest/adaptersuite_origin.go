package smarttest

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// origins are the tests of where the bearer goes.
var origins = []adapterTest{
	{"another origin gets no bearer", func(t *testing.T, f *fixture) {
		f.elsewhere(t, func(origin string, _ *headers) { f.send(t, Call{URL: origin + "/file"}, http.StatusOK) })
	}},
	{"a redirect to another origin takes no bearer there", func(t *testing.T, f *fixture) {
		f.elsewhere(t, func(origin string, _ *headers) {
			f.redirect(http.StatusFound, origin+"/file")
			f.send(t, Call{}, http.StatusOK)
		})
	}},
	{"a redirected POST takes no bearer to another origin", func(t *testing.T, f *fixture) {
		f.elsewhere(t, func(origin string, _ *headers) {
			for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
				f.redirect(status, origin+"/file")
				f.send(t, f.post("body"), http.StatusOK)
			}
		})
	}},
	{"a redirect there and back again has no bearer", func(t *testing.T, f *fixture) {
		f.elsewhere(t, func(origin string, foreign *headers) { // whoever is there may have chosen the address
			foreign.redirect = f.patients()
			f.redirect(http.StatusFound, origin+"/file")
			f.send(t, Call{}, http.StatusUnauthorized)
		})
		if n := f.Counts().TokensIssued; n != 1 {
			t.Errorf("%d tokens; a 401 that no bearer went with took one", n)
		}
	}},
	{"a redirect within the origin keeps the bearer", func(t *testing.T, f *fixture) {
		f.redirect(http.StatusFound, f.patients())
		f.send(t, Call{URL: f.BaseURL() + "/Patient"}, http.StatusOK)
		token := f.acquire(t).AccessToken()
		requests := f.Requests(FHIR)
		for i, r := range requests {
			if r.Bearer() != token {
				t.Errorf("request %d did not carry the token", i)
			}
		}
		if n := f.Counts().TokensIssued; len(requests) != 2 || n != 1 {
			t.Errorf("%d requests and %d tokens, want two and one", len(requests), n)
		}
	}},
	{"the origin in capital letters is the same", func(t *testing.T, f *fixture) {
		host, path, _ := strings.Cut(strings.TrimPrefix(f.patients(), "http://"), "/")
		f.send(t, Call{URL: "HTTP://" + strings.ToUpper(host) + "/" + path}, http.StatusOK)
	}},
}

// redirect has the FHIR server answer the next request so.
func (f *fixture) redirect(status int, location string) {
	f.Fail(FHIR, Fault{Times: 1, Status: status, Header: http.Header{"Location": {location}}})
}

// elsewhere makes calls that lead to another host and to another port, and fails the test if a bearer gets there or nobody does.
func (f *fixture) elsewhere(t *testing.T, calls func(origin string, foreign *headers)) {
	t.Helper()
	for _, addr := range []string{"files.example.test:80", "localhost:9999"} {
		foreign := &headers{}
		origin, err := f.Serve(addr, foreign)
		if err != nil {
			t.Fatal(err)
		}
		calls(origin, foreign)
		if requests, bearers := foreign.counts(); requests == 0 || bearers != 0 {
			t.Errorf("%s got %d requests and %d bearers", origin, requests, bearers)
		}
	}
}

// headers counts requests, and those with an Authorization, and may redirect.
type headers struct {
	redirect string

	mu                sync.Mutex
	requests, bearers int
}

func (h *headers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests++
	if r.Header.Get("Authorization") != "" {
		h.bearers++
	}
	h.mu.Unlock()
	if h.redirect != "" {
		http.Redirect(w, r, h.redirect, http.StatusFound)
	}
}

func (h *headers) counts() (requests, bearers int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests, h.bearers
}
