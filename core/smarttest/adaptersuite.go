package smarttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// A Call is a request of [RunAdapterSuite], for an adapter's [Doer] to express in the terms of its HTTP stack.
type Call struct {
	Context context.Context
	Method  string
	URL     string
	Header  http.Header

	// Body is nil, a []byte, a string, a [JSON], a url.Values for a form, a [Multipart], or an io.Reader that is to be
	// handed to the stack as it is.
	Body any

	// Stream says that the response must not be read before Do returns.
	Stream bool

	// Times is how often the stack's one request object is to be sent, 0 meaning once: see Repeat.
	Times int
}

// JSON is a body that the stack is to encode.
type JSON struct{ Value any }

// Multipart is a multipart/form-data body of one field and one file.
type Multipart struct{ Field, File string }

// A Doer sends a Call with the HTTP stack under test and returns the response with a body that can be read. The stack's
// retries after errors and 5xx are to be on, if it has any, and its shortest wait between them an hour.
type Doer func(Call) (*http.Response, error)

// Reader returns the body of c as net/http wants it, with its content type, for stacks without encoders of their own.
func (c Call) Reader() (body io.Reader, contentType string, err error) {
	switch b := c.Body.(type) {
	case nil:
		return nil, "", nil
	case []byte:
		return bytes.NewReader(b), "", nil
	case string:
		return strings.NewReader(b), "", nil
	case JSON:
		encoded, err := json.Marshal(b.Value)
		return bytes.NewReader(encoded), "application/fhir+json", err
	case url.Values:
		return strings.NewReader(b.Encode()), "application/x-www-form-urlencoded", nil
	case Multipart:
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		err := w.WriteField("field", b.Field)
		if err == nil {
			var part io.Writer
			if part, err = w.CreateFormFile("file", "file.txt"); err == nil {
				_, err = io.WriteString(part, b.File)
			}
		}
		if err == nil {
			err = w.Close()
		}
		return &form, w.FormDataContentType(), err
	case io.Reader:
		return b, "", nil
	default:
		return nil, "", fmt.Errorf("smarttest: unknown kind of body %T", b)
	}
}

// Request returns c as a request of net/http, for stacks that take one.
func (c Call) Request() (*http.Request, error) {
	body, contentType, err := c.Reader()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(c.Context, c.Method, c.URL, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for name, values := range c.Header {
		r.Header[name] = values
	}
	return r, nil
}

// Repeat calls send Times times and returns what it returns at last, or its first error. It reads and closes the responses
// before.
func (c Call) Repeat(send func() (*http.Response, error)) (*http.Response, error) {
	for range c.Times - 1 {
		resp, err := send()
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return send()
}

// RunAdapterSuite tells whether an adapter keeps what all adapters promise. attach returns a Doer for the adapter's HTTP
// stack over base, authenticated by src; it is called anew for each test. The tests run over in-memory connections on
// synctest's clock, so that an hour's wait shows and costs nothing.
func RunAdapterSuite(t *testing.T, attach func(src smartauth.TokenSource, base *http.Client) Doer) {
	for _, group := range []map[string]func(*testing.T, *fixture){healing, restraint, failing} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := New(t, Options{InMemory: true})
					src, err := smartauth.New(srv.NewClient(ClientOptions{}))
					if err != nil {
						t.Fatal(err)
					}
					base := srv.Client()
					test(t, &fixture{Server: srv, src: src, do: attach(src, base)})
				})
			})
		}
	}
}

// fixture is a sandbox, and the stack under test in front of it.
type fixture struct {
	*Server
	src *smartauth.Source
	do  Doer
}

// patients is a search that any client may do.
func (f *fixture) patients() string { return f.BaseURL() + "/Patient?_count=1" }

// send makes a call and fails the test unless it ends with the status, at once. It returns the body.
func (f *fixture) send(t *testing.T, c Call, status int) string {
	t.Helper()
	if c.Context == nil {
		c.Context = t.Context()
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.URL == "" {
		c.URL = f.patients()
	}
	begin := time.Now()
	resp, err := f.do(c)
	if err != nil {
		t.Errorf("%s: %v", c.Method, err)
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("reading the response: %v", err)
	}
	if resp.StatusCode != status {
		t.Errorf("%s %s: status %d, want %d: %s", c.Method, c.URL, resp.StatusCode, status, body)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("the call took %v: it waited for the stack's own retry", took)
	}
	return string(body)
}

// bearers returns the tokens of the FHIR requests so far, "" for those without.
func (f *fixture) bearers() []string {
	var tokens []string
	for _, r := range f.Requests(FHIR) {
		tokens = append(tokens, r.Bearer())
	}
	return tokens
}
