package smarttest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// mebibyte is what an adapter keeps of a body that nobody can make again.
const mebibyte = 1 << 20

// opaque hides everything of a reader but Read.
type opaque struct{ io.Reader }

// closer tells whether it was closed.
type closer struct {
	io.Reader
	closed atomic.Bool
}

func (c *closer) Close() error {
	c.closed.Store(true)
	return nil
}

func patient() map[string]any { return map[string]any{"resourceType": "Patient"} }

// bodies are the tests that a request is sent again with the body it had, whatever that was made of.
func bodies() []adapterTest {
	var tests []adapterTest
	long := strings.Repeat("0123456789abcdef", mebibyte/16)
	form := url.Values{"identifier": {"a b", "c&d"}}
	for _, c := range []struct {
		name string
		make func() any
		want func(Request) bool
	}{
		{"none", func() any { return nil }, isText("")},
		{"bytes", func() any { return []byte("bytes \x00\xff") }, isText("bytes \x00\xff")},
		{"bytes beyond 1 MiB", func() any { return []byte(long + "!") }, isText(long + "!")},
		{"string", func() any { return "a string" }, isText("a string")},
		{"JSON", func() any { return JSON{patient()} }, isJSON(patient())},
		{"form", func() any { return form }, isForm(form)},
		{"multipart", func() any { return Multipart{"a field", "a file"} }, isMultipart(Multipart{"a field", "a file"})},
		{"reader with Seek", func() any { return strings.NewReader("seekable") }, isText("seekable")},
		{"reader with Seek and no more", func() any { return struct{ io.ReadSeeker }{strings.NewReader("seeks")} }, isText("seeks")},
		{"opaque reader", func() any { return opaque{strings.NewReader("opaque")} }, isText("opaque")},
		{"opaque and empty", func() any { return opaque{strings.NewReader("")} }, isText("")},
		{"opaque of 1 MiB", func() any { return opaque{strings.NewReader(long)} }, isText(long)},
	} {
		tests = append(tests, adapterTest{"401 is healed, body: " + c.name, func(t *testing.T, f *fixture) {
			f.healBody(t, c.make(), c.want)
		}})
	}
	return append(tests,
		adapterTest{"401 is healed, body: pipe", func(t *testing.T, f *fixture) {
			r, w := io.Pipe()
			t.Cleanup(func() { _ = r.Close() }) // for the writer, if nobody reads
			go func() {
				_, _ = io.WriteString(w, "in two ")
				_, _ = io.WriteString(w, "pieces")
				_ = w.Close()
			}()
			f.healBody(t, r, isText("in two pieces"))
		}},
		adapterTest{"401 is healed, body: reader with Close", func(t *testing.T, f *fixture) {
			body := &closer{Reader: strings.NewReader("closes")}
			f.healBody(t, body, isText("closes"))
			synctest.Wait()
			if !body.closed.Load() && f.closes(t) {
				t.Error("the body was not closed, as it is where no bearer goes")
			}
		}},
		adapterTest{"a body too long to keep", tooLong},
		adapterTest{"a body in memory takes no write more", sameWrites})
}

// healBody posts body to a server that says 401 first and then takes anything.
func (f *fixture) healBody(t *testing.T, body any, want func(Request) bool) {
	t.Helper()
	f.acquire(t)
	f.play(http.StatusUnauthorized, http.StatusCreated)
	if got := f.send(t, f.post(body), http.StatusCreated); got != answerBody(2) {
		t.Errorf("the response is %q, want that of the second request", got)
	}
	requests := f.Requests(FHIR)
	for i, r := range requests {
		if !want(r) {
			t.Errorf("request %d has another body, of %d bytes and type %q", i, len(r.Body), r.Header.Get("Content-Type"))
		}
		if !sameBody(r, requests[0]) {
			t.Errorf("request %d is not the first one byte for byte", i)
		}
	}
	if n := f.Counts().TokensIssued; len(requests) != 2 || n != 2 {
		t.Errorf("%d requests and %d tokens, want two of each", len(requests), n)
	}
}

// closes tells whether the stack closes the body of a request that is none of the adapter's business.
func (f *fixture) closes(t *testing.T) bool {
	origin, err := f.Serve("files.example.test:80", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	body := &closer{Reader: strings.NewReader("closes")}
	f.call(t, Call{Method: http.MethodPost, URL: origin + "/file", Body: body})
	synctest.Wait()
	return body.closed.Load()
}

// tooLong is a body that nobody can make again and an adapter does not keep; the stack may have.
func tooLong(t *testing.T, f *fixture) {
	f.send(t, Call{}, http.StatusOK)
	f.play(http.StatusUnauthorized, http.StatusCreated)
	r := f.call(t, f.post(opaque{io.LimitReader(zeros{}, mebibyte+1)}))
	requests := f.Requests(FHIR)[1:]
	switch {
	case r.status == http.StatusUnauthorized && len(requests) == 1 && r.body == answerBody(1):
	case r.status == http.StatusCreated && len(requests) == 2 && sameBody(requests[0], requests[1]) && len(requests[0].Body) == mebibyte+1:
	default:
		t.Errorf("status %d after %d requests (%v), want the 401 of the first or, if the stack keeps bodies, the answer to the same again",
			r.status, len(requests), r.err)
	}
	f.Clear(FHIR)
	before := f.Counts()
	f.send(t, Call{}, http.StatusOK)
	if c := f.Counts(); c.FHIR-before.FHIR != 1 || c.TokensIssued != 2 {
		t.Errorf("the next call took %d requests, and %d tokens in all, want one and two", c.FHIR-before.FHIR, c.TokensIssued)
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func sameBody(a, b Request) bool {
	return bytes.Equal(a.Body, b.Body) && a.Header.Get("Content-Type") == b.Header.Get("Content-Type")
}

func isText(s string) func(Request) bool {
	return func(r Request) bool { return string(r.Body) == s }
}

func isJSON(want map[string]any) func(Request) bool {
	return func(r Request) bool {
		var got map[string]any
		err := json.Unmarshal(r.Body, &got)
		return err == nil && reflect.DeepEqual(got, want) && strings.Contains(r.Header.Get("Content-Type"), "json")
	}
}

func isForm(want url.Values) func(Request) bool {
	return func(r Request) bool {
		got, err := url.ParseQuery(string(r.Body))
		return err == nil && reflect.DeepEqual(got, want) && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	}
}

func isMultipart(want Multipart) func(Request) bool {
	return func(r Request) bool {
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil {
			return false
		}
		form, err := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"]).ReadForm(mebibyte)
		if err != nil || len(form.File["file"]) != 1 || !reflect.DeepEqual(form.Value, map[string][]string{"field": {want.Field}}) {
			return false
		}
		file, err := form.File["file"][0].Open()
		if err != nil {
			return false
		}
		defer func() { _ = file.Close() }()
		content, err := io.ReadAll(file)
		return err == nil && string(content) == want.File
	}
}
