package koppeltaal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// An Error is a request that brought no answer to use. It holds no token, assertion, code or response body.
type Error struct {
	Op         string // "introspect" or "exchange code"
	Endpoint   string // without its query
	StatusCode int    // 0 if there was no response
	MediaType  string // of the response
	Code       string // OAuth error code of the response (RFC 6749 section 5.2); the reference server sends none

	// MaybeSent tells that the server may have seen the request; false means that it has not. What the server was to be told is
	// then used up: an HTI token is good for one introspection, a code for one exchange.
	MaybeSent bool

	err error // what went wrong, if the status does not say so
}

// Error says what happened, and what may be the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("koppeltaal: " + e.Op + " at " + e.Endpoint)
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	}
	if e.MediaType != "" {
		fmt.Fprintf(&b, " (%s)", e.MediaType)
	}
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.err != nil {
		b.WriteString(": " + e.err.Error())
	}
	if e.Op == opIntrospect && e.StatusCode == http.StatusUnauthorized {
		b.WriteString("; if the token endpoint accepts this client, the server may want the other Client.IntrospectionAudience")
	}
	return b.String()
}

// Unwrap returns what went wrong below, nil if the status says it all.
func (e *Error) Unwrap() error { return e.err }

// unusable is an answer that came and is not what it should be.
func unusable(op string, endpoint *url.URL, why string) *Error {
	return &Error{Op: op, Endpoint: display(endpoint), StatusCode: http.StatusOK, MaybeSent: true, err: errors.New(why)}
}

// display returns a URL without what may be secret in it.
func display(u *url.URL) string {
	c := *u
	c.RawQuery, c.ForceQuery, c.Fragment, c.User = "", false, "", nil
	return c.String()
}

// cleanError is an error whose text may be shown. It wraps the original if nothing was removed, and otherwise the one of causes
// that it was.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }

var causes = []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF}

// cleaned removes from the error of an HTTP client its URL, the quotations of what the server has sent, and the secrets.
func cleaned(err error, secrets ...string) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		err = ue.Err
	}
	e := &cleanError{text: clean(quoted.ReplaceAllString(err.Error(), "..."), secrets...), err: err}
	if e.text != err.Error() {
		e.err = nil
		if i := slices.IndexFunc(causes, func(c error) bool { return errors.Is(err, c) }); i >= 0 {
			e.err = causes[i]
		}
	}
	return e
}

var (
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*("|$)`)
	jwtShaped = regexp.MustCompile(`(?i)ey[AJ][A-Za-z0-9_-]{7,}\.[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*)?`)
)

// clean makes text from elsewhere fit to be shown: at most 256 printable bytes, without the secrets and without JWTs.
func clean(text string, secrets ...string) string {
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			pairs = append(pairs, s, "[removed]", url.QueryEscape(s), "[removed]", strings.ToLower(s), "[removed]")
		}
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	text = jwtShaped.ReplaceAllString(text, "[removed]")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text)
	return text[:min(len(text), 256)]
}
