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
)

// A Call is a request of [RunAdapterSuite], for an adapter's [Doer] to express in the terms of its HTTP stack.
type Call struct {
	Context context.Context
	Method  string
	URL     string

	// Header is the caller's own, never nil; a stack may add to it.
	Header http.Header

	// Body is nil, a []byte, a string, a [JSON], a url.Values for a form, a [Multipart], or an io.Reader that is to be
	// handed to the stack as it is. Only the last one cannot be sent Times over.
	Body any

	// Stream says that the response must not be read before Do returns.
	Stream bool

	// Times is how often the stack's one request object is to be sent, 0 meaning once: see Repeat.
	Times int

	stack *stack
}

// JSON is a body that the stack is to encode.
type JSON struct{ Value any }

// Multipart is a multipart/form-data body of one field and one file.
type Multipart struct{ Field, File string }

// A Doer sends a Call with the HTTP stack under test and returns the response with a body that can be read. The stack's
// retries after errors and 5xx are to be on, if it has any, and its shortest wait between them an hour. Redirects are to be
// followed.
//
// For a stack that takes requests of net/http, [Call.Send] is all of it.
type Doer func(Call) (*http.Response, error)

// CannotStop tells the suite that the stack repeats a call after every error, and the adapter cannot keep it from that. A Doer
// calls it at any time. The suite otherwise wants no second try after a [smartauth.Permanent] error.
func (c Call) CannotStop() {
	if c.stack != nil {
		c.stack.cannotStop.Store(true)
	}
}

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

// Request returns c as a request of net/http, for stacks that make theirs of one.
func (c Call) Request() (*http.Request, error) {
	body, contentType, err := c.Reader()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(c.Context, c.Method, c.URL, body)
	if err != nil {
		return nil, err
	}
	if c.Header != nil {
		r.Header = c.Header // itself, so that the suite sees what is written there
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
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

// Send sends c with do, such as the Do of an http.Client.
func (c Call) Send(do func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	r, err := c.Request()
	if err != nil {
		return nil, err
	}
	return c.Repeat(func() (*http.Response, error) {
		if r.GetBody != nil { // nothing is left of the body that was sent
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
		return do(r)
	})
}
