package smarthttp

import (
	"context"
	"net/http"
	"slices"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// setAbove tells whether the Authorization of r is a token of our own Source: a Transport above has set it, as two clients may be
// attached on top of each other.
func (t *Transport) setAbove(r *http.Request) bool {
	has := func(token *smartauth.Token) bool {
		return token != nil && slices.Equal(r.Header["Authorization"], token.AuthorizationHeader())
	}
	if has(t.above.Load()) {
		return true
	}
	token, err := t.Source.Token(ended)
	if err != nil || !has(token) {
		return false
	}
	t.above.Store(token)
	return true
}

// ended has a Source answer from memory, or not at all.
var ended = func() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}()
