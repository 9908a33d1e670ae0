package koppeltaal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/smartauth-go/smartauth/internal/clean"
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
	return &Error{Op: op, Endpoint: clean.URL(endpoint), StatusCode: http.StatusOK, MaybeSent: true, err: errors.New(why)}
}
