package smarttest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// An Assertion is a client_assertion that the sandbox has received.
type Assertion struct {
	// Endpoint is TokenEndpoint or Introspection.
	Endpoint Endpoint

	// Header and Claims are as encoding/json decodes them, numbers as float64; nil where that failed. Do not change them.
	Header, Claims map[string]any

	// Accepted says that it authenticated the client. It is false while the check is under way, and if a [Fault] has
	// answered instead.
	Accepted bool

	// Refusal is why it did not: the text that the Koppeltaal profile keeps from the client. Empty otherwise.
	Refusal string
}

// Assertions returns the latest assertions received, up to 16384, in order of arrival.
func (s *Server) Assertions() []Assertion {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	all := make([]Assertion, len(s.record.assertions))
	for i, a := range s.record.assertions {
		all[i] = *a
	}
	return all
}

type assertionKey struct{}

// decodeAssertion returns the assertion of a request wherever it is: what is recorded does not depend on what is allowed.
func decodeAssertion(e Endpoint, r *http.Request, body []byte) *Assertion {
	raw := r.URL.Query().Get("client_assertion")
	if form, err := url.ParseQuery(string(body)); err == nil && form.Has("client_assertion") {
		raw = form.Get("client_assertion")
	}
	if raw == "" {
		return nil
	}
	a := &Assertion{Endpoint: e}
	parts := strings.Split(raw, ".")
	for i, into := range []*map[string]any{&a.Header, &a.Claims} {
		if i >= len(parts) {
			break
		}
		if b, err := base64.RawURLEncoding.DecodeString(parts[i]); err == nil {
			_ = json.Unmarshal(b, into)
		}
	}
	return a
}

// judged completes the record of the assertion that came with a request.
func (rec *recorder) judged(ctx context.Context, err error) {
	a, ok := ctx.Value(assertionKey{}).(*Assertion)
	if !ok {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	a.Accepted = err == nil
	if err != nil {
		a.Refusal = err.Error()
	}
}

// parameters are those of a request to the authorization server.
type parameters struct {
	url.Values
	repeated []string // names that came more than once
}

// formParameters reads a form body, and the query too where the server does that.
func formParameters(r *http.Request, query bool) (parameters, bool) {
	form := contentType(r) == "application/x-www-form-urlencoded"
	_ = r.ParseForm() // what cannot be parsed is missing
	p := parameters{Values: r.PostForm}
	if query {
		p.Values = r.Form
	}
	for name, values := range p.Values {
		if len(values) > 1 {
			p.repeated = append(p.repeated, name)
		}
	}
	slices.Sort(p.repeated)
	return p, form
}

func contentType(r *http.Request) string {
	t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}
