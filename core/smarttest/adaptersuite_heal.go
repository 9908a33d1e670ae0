package smarttest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// opaque hides everything of a reader but Read.
type opaque struct{ io.Reader }

// mebibyte is what an adapter keeps of a body that nobody can make again.
const mebibyte = 1 << 20

// healing are the tests of what happens without the caller noticing.
var healing = map[string]func(*testing.T, *fixture){
	"bearer on the first request": func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.send(t, Call{}, http.StatusOK)
		token, err := f.src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, bearer := range f.bearers() {
			if bearer != token.AccessToken() {
				t.Errorf("request %d did not carry the token", i)
			}
		}
		if c := f.Counts(); c.TokensIssued != 1 || c.FHIR != 2 {
			t.Errorf("%d tokens and %d requests for two calls", c.TokensIssued, c.FHIR)
		}
	},

	"401 is healed whatever the body": func(t *testing.T, f *fixture) {
		long := strings.Repeat("0123456789abcdef", mebibyte/16)
		for name, body := range map[string]func() any{
			"none":             func() any { return nil },
			"bytes":            func() any { return []byte("bytes \x00\xff") },
			"string":           func() any { return "a string" },
			"JSON":             func() any { return JSON{map[string]any{"resourceType": "Patient"}} },
			"form":             func() any { return url.Values{"identifier": {"a b", "c&d"}} },
			"multipart":        func() any { return Multipart{"field", "file"} },
			"reader with Seek": func() any { return strings.NewReader("seekable") },
			"opaque reader":    func() any { return opaque{strings.NewReader("opaque")} },
			"opaque and empty": func() any { return opaque{strings.NewReader("")} },
			"opaque of 1 MiB":  func() any { return opaque{strings.NewReader(long)} },
		} {
			time.Sleep(time.Minute) // so that honest revocations are never too many
			if _, err := f.src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := f.Counts()
			f.heal(t, name, body())
			after := f.Counts()
			if tokens := after.TokensIssued - before.TokensIssued; tokens != 1 {
				t.Errorf("%s: %d tokens were issued, want 1", name, tokens)
			}
			requests := f.Requests(FHIR)
			first, second := requests[len(requests)-2], requests[len(requests)-1]
			if !bytes.Equal(first.Body, second.Body) || first.Header.Get("Content-Type") != second.Header.Get("Content-Type") {
				t.Errorf("%s: sent again %d bytes of %q, the first time %d of %q", name, len(second.Body), second.Header.Get("Content-Type"),
					len(first.Body), first.Header.Get("Content-Type"))
			}
			if b := body(); b != nil && name != "opaque and empty" && len(second.Body) == 0 {
				t.Errorf("%s: the body was lost", name)
			}
			if name == "opaque of 1 MiB" && string(second.Body) != long {
				t.Errorf("%s: another body arrived", name)
			}
		}
	},

	"403 is left alone": func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.Fail(FHIR, Fault{Times: 1, Status: http.StatusForbidden})
		f.send(t, Call{}, http.StatusForbidden)
		if c := f.Counts(); c.FHIR != 2 || c.TokensIssued != 1 {
			t.Errorf("%d requests and %d tokens, want the two calls and no more", c.FHIR, c.TokensIssued)
		}
	},

	"200 calls through a revocation": func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.RevokeAll()
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				f.send(t, Call{}, http.StatusOK)
			})
		}
		wg.Wait()
		if n := f.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want one more than before", n)
		}
	},

	"one request object 1,000 times": func(t *testing.T, f *fixture) {
		f.send(t, Call{Times: 1000}, http.StatusOK)
		f.RevokeAll()
		f.send(t, Call{Times: 1000}, http.StatusOK)
		if c := f.Counts(); c.FHIR != 2001 || c.TokensIssued != 2 {
			t.Errorf("%d requests and %d tokens", c.FHIR, c.TokensIssued)
		}
	},

	"a stream is not buffered": func(t *testing.T, f *fixture) {
		more := make(chan struct{})
		f.Fail(FHIR, Fault{Handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
			<-more
			_, _ = io.WriteString(w, "second")
		}})
		resp, err := f.do(Call{Context: t.Context(), Method: http.MethodGet, URL: f.patients(), Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" {
			t.Errorf("got %q, %v before the response ended", first, err)
		}
		close(more)
		rest, err := io.ReadAll(resp.Body)
		if err != nil || string(rest) != "second" {
			t.Errorf("then %q, %v", rest, err)
		}
		_ = resp.Body.Close()
	},
}

// heal posts body to a server that says 401 first and then takes anything.
func (f *fixture) heal(t *testing.T, name string, body any) {
	t.Helper()
	f.Fail(FHIR, Fault{Times: 1, Status: http.StatusUnauthorized, Body: "Unauthorized"}, Fault{Handler: func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, "created")
	}})
	defer f.Clear(FHIR)
	if got := f.send(t, Call{Method: http.MethodPost, URL: f.BaseURL() + "/Patient", Body: body}, http.StatusCreated); got != "created" {
		t.Errorf("%s: the response is %q", name, got)
	}
}
