package smarthttp

import (
	"context"
	"maps"
	"net/http"
	"slices"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// authenticatedAbove is why a request goes without our bearer that has that of a Transport above us.
const authenticatedAbove smartauth.SkipReason = "authenticated above"

// carrying is the context of a request that carries a token of ours. Other transports between two of ours keep it.
type carrying struct {
	context.Context
	token *smartauth.Token // and not its text: contexts get printed
}

type carryingKey struct{}

func (c *carrying) Value(key any) any {
	if key == (carryingKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// withToken returns a shallow copy of r with token, whose context tells of it.
func withToken(r *http.Request, token *smartauth.Token) *http.Request {
	var out struct { // one allocation for both
		http.Request
		ctx carrying
	}
	out.ctx = carrying{r.Context(), token}
	out.Request = *r.WithContext(&out.ctx)
	if out.Header = maps.Clone(r.Header); out.Header == nil { // faster than to copy key by key; it keeps nil
		out.Header = make(http.Header, 1)
	}
	out.Header["Authorization"] = token.AuthorizationHeader()
	return &out.Request
}

// carriesToken tells whether the Authorization of r is the token that a Transport has set: what is in between may have set another.
func carriesToken(r *http.Request) bool {
	c, ok := r.Context().Value(carryingKey{}).(*carrying)
	return ok && slices.Equal(r.Header["Authorization"], c.token.AuthorizationHeader())
}
