package smarthttp

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/authctx"
	"github.com/smartauth-go/smartauth/internal/origin"
)

// NewClient returns a copy of base, or of a zero http.Client if base is nil, that authenticates its requests with src. base
// itself is not changed. If base came from NewClient, src and opts take the place of its source and all of its options: origins
// that [WithOrigins] named there get no bearer any more, unless opts names them again.
//
// src must tell where its tokens belong, as a [*smartauth.Source] does; for another TokenSource use [WithOrigins].
func NewClient(src smartauth.TokenSource, base *http.Client, opts ...Option) *http.Client {
	c := http.Client{}
	if base != nil {
		c = *base
	}
	t := &Transport{Source: src, Base: c.Transport}
	if old, ok := c.Transport.(*Transport); ok {
		t.Base = old.Base
	}
	for _, set := range opts {
		set(t)
	}
	c.Transport = t
	return &c
}

// An Option is a setting of [NewClient] and of the Attach functions of the other adapters.
type Option func(*Transport)

// WithOrigins names further origins that get the bearer, in place of those named before: see [Transport.Origins].
func WithOrigins(origins ...string) Option {
	origins = slices.Clone(origins)
	return func(t *Transport) { t.Origins = origins }
}

// A Transport is an http.RoundTripper that sets the Authorization header of requests to the FHIR server's origin, the one of
// Source's BaseURL. Requests to other origins, requests that a redirect brought from another origin, requests whose
// Authorization the caller set and those of [WithoutBearer] pass through untouched.
//
// A response of 401 is answered inside RoundTrip, once per request: the token is invalidated, the next one fetched and the
// request sent again at once. The body is sent again byte for byte: from GetBody if the request has one, and otherwise from
// a copy of at most 1 MiB; one without GetBody that is longer, or not at hand within a second, is not. If the 401 came from a
// server whose clock is up to 3 s behind the authorization server's, so that the token is not valid there yet, the same token
// is sent again after that time. When none of this helps, the caller gets the last 401, with its body; of the first one only what
// comes within a second is kept. 403 is never retried.
//
// If no token can be had, RoundTrip returns an error that wraps the source's, such as *smartauth.Error.
//
// The zero values of Base and Origins are usable. The fields must not be changed once the Transport is in use; it may be used
// from any goroutine.
type Transport struct {
	// Source gives the tokens; required.
	Source smartauth.TokenSource

	// Base makes the requests; nil means http.DefaultTransport. It must not follow redirects by itself, as a whole http.Client
	// does: the token would go where they lead.
	Base http.RoundTripper

	// Origins are further ones that get the bearer, such as "https://files.example.nl" for bulk data files. Of each URL
	// only scheme, host and port count. Plain http is for loopback, and for the host of Source's BaseURL if that is plain
	// http, too.
	Origins []string

	setup   sync.Once
	origins []origin.Origin
	err     error

	above atomic.Pointer[smartauth.Token] // last found on a request by setAbove
}

// WithoutBearer returns a context whose requests go without a bearer, for files with presigned URLs and those whose
// manifest says requiresAccessToken: false.
func WithoutBearer(ctx context.Context) context.Context {
	marks := authctx.From(ctx)
	marks.NoBearer = true
	return authctx.With(ctx, marks)
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.roundTrip(r, t.base())
}

func (t *Transport) roundTrip(r *http.Request, base http.RoundTripper) (*http.Response, error) {
	marks := authctx.From(r.Context())
	if marks.TokenRequest {
		return base.RoundTrip(r)
	}
	if t.setup.Do(t.prepare); t.err != nil {
		closeBody(r)
		return nil, t.err
	}
	if reason := t.skip(r, marks); reason != "" {
		if o, ok := t.Source.(smartauth.SkipObserver); ok && (reason != smartauth.SkipOwnAuthorization || !t.setAbove(r)) {
			o.BearerSkipped(r.Context(), smartauth.BearerSkipped{Reason: reason})
		}
		return pass(r, base)
	}

	token, err := t.Source.Token(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	body := bodyOf(r)
	defer body.release()
	resp, err := send(r, body, token, base)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		return t.reauthenticate(r, body, token, resp, base)
	}
	return resp, err
}

// Authenticates tells whether requests to u get the bearer, as far as that depends on u, or what is wrong with the fields of
// the Transport.
func (t *Transport) Authenticates(u *url.URL) (bool, error) {
	t.setup.Do(t.prepare)
	return t.err == nil && t.home(u), t.err
}

// CloseIdleConnections closes those of Base.
func (t *Transport) CloseIdleConnections() { closeIdle(t.base()) }

func (t *Transport) base() http.RoundTripper { return orDefault(t.Base) }

func orDefault(base http.RoundTripper) http.RoundTripper {
	if base != nil {
		return base
	}
	return http.DefaultTransport
}

func closeIdle(base http.RoundTripper) {
	if c, ok := base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// prepare turns Origins and Source's BaseURL into what requests are compared with.
func (t *Transport) prepare() {
	if t.Source == nil {
		t.err = errors.New("smarthttp: Transport.Source is nil; make one with smartauth.New")
		return
	}
	t.origins, t.err = originsOf(t.Source, t.Origins)
}

// skip returns why r goes without a bearer, or "" if it gets one.
func (t *Transport) skip(r *http.Request, marks authctx.Values) smartauth.SkipReason {
	_, own := r.Header["Authorization"]
	_, verbatim := r.Header["authorization"] //nolint:staticcheck // some stacks can set it so
	switch {
	case marks.NoBearer:
		return smartauth.SkipOptOut
	case !t.home(r.URL):
		return smartauth.SkipForeignOrigin
	case t.leftHome(r):
		return smartauth.SkipForeignRedirect
	case own, verbatim:
		return smartauth.SkipOwnAuthorization
	default:
		return ""
	}
}

// leftHome tells whether a redirect on the way to r had left the FHIR server: whoever is there may have chosen where r goes.
// A response that does not say what it answers may have come from anywhere.
func (t *Transport) leftHome(r *http.Request) bool {
	for resp := r.Response; resp != nil; resp = resp.Request.Response {
		if resp.Request == nil || !t.home(resp.Request.URL) {
			return true
		}
	}
	return false
}

// pass sends r as it is, and sees to it that leftHome can follow the response back.
func pass(r *http.Request, base http.RoundTripper) (*http.Response, error) {
	resp, err := base.RoundTrip(r)
	if resp != nil && resp.Request == nil {
		resp.Request = r
	}
	return resp, err
}

// send sends a shallow copy of r with body and token. The response belongs to r, so that nobody who prints its request
// prints the token.
func send(r *http.Request, body *requestBody, token *smartauth.Token, base http.RoundTripper) (*http.Response, error) {
	out := new(http.Request)
	*out = *r
	if body != nil {
		out.Body = body.outgoing()
	}
	if out.Header = maps.Clone(r.Header); out.Header == nil { // faster than to copy key by key; it keeps nil
		out.Header = make(http.Header, 1)
	}
	out.Header["Authorization"] = token.AuthorizationHeader()
	resp, err := base.RoundTrip(out)
	if resp != nil {
		resp.Request = r
		if resp.Body == nil { // against the contract of RoundTripper, but some test doubles do it
			resp.Body = http.NoBody
		}
	}
	return resp, err
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}
