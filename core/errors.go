package smartauth

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A Kind tells what use there is in trying again.
type Kind int

// The kinds of failure.
const (
	// Temporary failures (network, 408, 429, 5xx, a Signer that fails) may pass any moment. They were retried a few times
	// already, unless the server did not answer in time or asked to be left alone for longer.
	Temporary Kind = iota

	// Refused means that a server said no, or gave an answer that is of no use, in a way that may pass without a change on
	// our side: a client that is not approved yet gets the same answer as one whose JWKS could not be read just now.
	Refused

	// Permanent failures need a change of key, configuration or registration. Do not retry the call.
	Permanent
)

// String returns the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Refused:
		return "refused"
	case Permanent:
		return "permanent"
	default:
		return "temporary"
	}
}

// An Error says why there is no token; [New], [Source.Metadata], [Source.TokenEndpoint] and [Source.Assertion] return it for
// their own failures.
// Everybody who waited for an acquisition gets the same one, and so does everybody who asks before RetryAt. It holds no
// token, assertion or key, and of a response no more than Code and Description.
type Error struct {
	Phase Phase // the step that failed
	Kind  Kind

	// Endpoint is the URL that was asked, without its query; empty if none was.
	Endpoint string

	// StatusCode is that of the response, 0 if there was none.
	StatusCode int

	// Code is the OAuth error code of the response (RFC 6749 section 5.2), or empty; Koppeltaal sends none.
	Code string

	// Description is the server's own explanation: at most 256 printable bytes, with anything shaped like a JWT removed.
	Description string

	// RetryAt is when the source may ask the server again; until then callers get this error at once. It is zero if nothing
	// keeps it from asking.
	RetryAt time.Time

	// Algorithm, KeyID, Audience and Issuer are what the assertion said, if one was refused, and empty otherwise.
	Algorithm, KeyID, Audience, Issuer string

	// Hints are likely causes and what to do about them, the likeliest first.
	Hints []string

	err      error         // what went wrong, if the response does not say so itself
	again    bool          // may be tried again within the same acquisition
	after    time.Duration // what the server's Retry-After asked for
	clockOff time.Duration // the server's clock minus the one the assertion was signed on; 0: not known or not off
}

// Error returns the whole story in one line, without secrets.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "smartauth: %s", e.Phase)
	if e.Endpoint != "" {
		b.WriteString(" at " + e.Endpoint)
	}
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	}
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.Description != "" {
		fmt.Fprintf(&b, ": %q", e.Description)
	}
	if e.err != nil {
		b.WriteString(": " + e.err.Error())
	}
	if e.Algorithm != "" {
		fmt.Fprintf(&b, " (sent alg %s, kid %q, aud %q, iss %q)", e.Algorithm, e.KeyID, e.Audience, shorten(e.Issuer, 64))
	}
	if len(e.Hints) > 0 {
		b.WriteString("; likely causes: " + strings.Join(e.Hints, "; "))
	}
	if !e.RetryAt.IsZero() {
		b.WriteString("; the server is not asked again before " + e.RetryAt.UTC().Format("15:04:05.000Z"))
	}
	return b.String()
}

// Unwrap returns what went wrong below, for errors.Is and errors.As; nil if the response says it all.
func (e *Error) Unwrap() error { return e.err }

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
