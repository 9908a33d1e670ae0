package smartauth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// A TokenSource hands out access tokens and is told of those that a server refused. Both methods may be called from any
// goroutine. [*Source] is the one that fetches tokens; adapters need no more than this interface.
type TokenSource interface {
	// Token returns a token to use now. It waits at most until ctx ends.
	Token(ctx context.Context) (*Token, error)

	// Invalidate says that a server answered 401 to this token, or that its rights have changed. It has an effect only
	// if the token is still the current one, so any number of callers may report the same token. Tokens are told apart by
	// pointer: report the one that Token returned, not a copy.
	Invalidate(*Token)
}

// A Token is an access token. It is immutable and shared; none of the ways to print it shows its value.
type Token struct {
	secret func() secret
	scope  string
	expiry time.Time
	date   time.Time

	clockOffset time.Duration // of date, when the response came
}

// secret is behind a func because package fmt calls no methods on what it finds in unexported fields, follows some pointers
// there, and can look into no func.
type secret struct {
	token  string
	header []string
}

// NewToken returns a bearer token for a [TokenSource] of your own. The zero expiry means unknown.
func NewToken(accessToken string, expiry time.Time) *Token {
	s := secret{accessToken, []string{"Bearer " + accessToken}}
	return &Token{secret: func() secret { return s }, expiry: expiry}
}

// AccessToken returns the token itself: a secret, to be sent to the FHIR server only and never logged.
func (t *Token) AccessToken() string { return t.secret().token }

// AuthorizationHeader returns the ready-made value for http.Header's "Authorization" key. The slice is shared by all
// requests: read it, do not change it.
func (t *Token) AuthorizationHeader() []string { return t.secret().header }

// SetAuthHeader sets the Authorization header of r.
func (t *Token) SetAuthHeader(r *http.Request) {
	if r.Header == nil {
		r.Header = make(http.Header, 1)
	}
	r.Header["Authorization"] = t.secret().header
}

// Scope returns the scopes that the server granted, separated by spaces. It is empty if the server named none, which at
// Koppeltaal means that the client has no role and at other servers, by RFC 6749 section 5.1, "as requested".
func (t *Token) Scope() string { return t.scope }

// Expiry returns when the token ends on the local clock, counted from the moment it was asked for.
func (t *Token) Expiry() time.Time { return t.expiry }

// IssuedDate returns the Date header, in whole seconds, of the response that brought the token: the authorization server's
// clock. It is zero if there was none.
func (t *Token) IssuedDate() time.Time { return t.date }

// String returns a text without the token's value.
func (t Token) String() string {
	return "smartauth.Token(redacted, expires " + t.expiry.UTC().Format(time.RFC3339) + ")"
}

// Format prints String, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalJSON returns String as a JSON string.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

// LogValue returns String for package slog.
func (t *Token) LogValue() slog.Value {
	if t == nil {
		return slog.Value{}
	}
	return slog.StringValue(t.String())
}
