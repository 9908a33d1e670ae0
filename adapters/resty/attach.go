package smartresty

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"sync/atomic"

	"github.com/go-resty/resty/v2"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// Attach has client authenticate its requests with src, as [smarthttp.Transport] says. It returns an error, and changes
// nothing, if client already has an Authorization of its own or is made for another server than src, as that would keep the
// token from the requests. Call it before the client is in use, and after the settings of its transport: resty then has no
// *http.Transport to set a proxy or TLS settings on, logs that and goes on without. [resty.Client.SetTransport] after Attach
// ends the authentication, unless the new transport wraps the old one.
//
// Attaching again replaces the source and all options: origins that [smarthttp.WithOrigins] named before get no bearer any more,
// unless opts names them again. Clones of the client are attached with it, until they are attached by themselves. The
// http.Client below may be shared: its other users, and other resty clients, get no token of src.
//
// A request with an Authorization of its own, or to another origin, goes without the token.
//
// The context of a request carries its authentication: whoever makes another request with it, on the same http.Client and to the
// FHIR server, sends the token, too, until the call has ended.
//
// A 401 is healed once a call, however often resty sends the request again within it. What belongs to the call is in the
// request's context. Hooks may derive theirs from it. One of [resty.Client.OnBeforeRequest] that sets a context that is not
// derived, as context.WithTimeout(context.Background(), …) is, makes each repeat count as a call of its own. If such a hook
// was added after Attach, and the client has a pre-request hook of its own, of which resty keeps one only (see
// [resty.Client.SetPreRequestHook], before Attach or after), then nothing of Attach is left: the request goes without the
// token, the server's 401 comes back as the response, and no observer is told.
func Attach(client *resty.Client, src smartauth.TokenSource, opts ...smarthttp.Option) error {
	t, err := transportFor(client, src, opts)
	if err != nil {
		return fmt.Errorf("smartresty: Attach: %w", err)
	}
	if below := client.GetClient().Transport; !isBound(below) {
		client.SetTransport(&smarthttp.BoundTransport{Base: below})
	}
	if a := attached.of(client); a != nil {
		a.transport.Store(t)
		return nil
	}
	a := &attachment{}
	a.transport.Store(t)
	attached.add(client, a)
	client.OnBeforeRequest(a.beforeRequest)
	client.OnSuccess(func(_ *resty.Client, resp *resty.Response) { end(resp.Request) })
	client.OnError(func(r *resty.Request, _ error) { end(r) })
	client.OnPanic(func(r *resty.Request, _ error) { end(r) })
	if hasNoPreRequestHook(client) {
		client.SetPreRequestHook(a.preRequest)
	}
	return nil
}

func isBound(t http.RoundTripper) bool {
	_, ok := t.(*smarthttp.BoundTransport)
	return ok
}

// transportFor returns what is to authenticate the requests of client, or why it could not.
func transportFor(client *resty.Client, src smartauth.TokenSource, opts []smarthttp.Option) (*smarthttp.Transport, error) {
	if client == nil {
		return nil, errors.New("the client is nil")
	}
	if src == nil {
		return nil, errors.New("the source is nil; make one with smartauth.New")
	}
	t := &smarthttp.Transport{Source: src}
	for _, set := range opts {
		set(t)
	}
	if _, err := t.Authenticates(&url.URL{}); err != nil {
		return nil, err
	}
	key := http.CanonicalHeaderKey(client.HeaderAuthorizationKey)
	switch {
	case client.Token != "" && key == "Authorization":
		return nil, errors.New("the client has a token for all requests, which would go in place of the source's: remove SetAuthToken")
	case client.UserInfo != nil:
		return nil, errors.New("the client has a user name for all requests, which would go in place of the token: remove SetBasicAuth")
	}
	for name := range client.Header {
		if http.CanonicalHeaderKey(name) == "Authorization" {
			return nil, errors.New(`the client has an Authorization header for all requests, which would go in place of the token's: remove SetHeader("Authorization", …)`)
		}
	}
	base := client.BaseURL
	if base == "" {
		base = client.HostURL
	}
	if base == "" {
		return t, nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("the client's base URL is not an absolute URL: see SetBaseURL")
	case u.User != nil:
		return nil, errors.New("the client's base URL has a user name, which would go in place of the token: remove it from SetBaseURL")
	case u.Scheme == "": // SetScheme's, which nobody can ask for
		return t, nil
	}
	if home, _ := t.Authenticates(u); !home {
		return nil, fmt.Errorf("the client's base URL is on %s, where the token does not belong: "+
			"set the FHIR server's with SetBaseURL, or name further origins with smarthttp.WithOrigins", u.Host)
	}
	return t, nil
}

// attachment is the hooks of a client. resty removes none, and a Clone has the same ones, so they ask for each request which
// transport its client is attached to now.
type attachment struct {
	transport atomic.Pointer[smarthttp.Transport]
}

func (a *attachment) transportOf(c *resty.Client) *smarthttp.Transport {
	if own := attached.of(c); own != nil {
		a = own
	}
	return a.transport.Load()
}

func (a *attachment) beforeRequest(c *resty.Client, r *resty.Request) error {
	begin(r, a.transportOf(c))
	return nil
}

// preRequest mends what a hook has done that came after beforeRequest and replaced the request's context by one that is not
// derived from it.
func (a *attachment) preRequest(c *resty.Client, r *http.Request) error {
	if t := a.transportOf(c); smarthttp.BoundTo(r.Context()) != t {
		*r = *r.WithContext(t.Bind(r.Context()))
	}
	return nil
}

// hasNoPreRequestHook looks whether the slot is free; resty has one, and nothing that tells.
func hasNoPreRequestHook(c *resty.Client) bool {
	hook := reflect.ValueOf(c).Elem().FieldByName("preReqHook")
	return hook.IsValid() && hook.IsNil()
}
