package koppeltaal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/origin"
)

// An Audience is a reading of what the aud of the assertion for the introspection endpoint is.
type Audience int

const (
	// TokenEndpointAudience is that of the token endpoint, here too: what the reference server wants, and refuses the other.
	TokenEndpointAudience Audience = iota

	// IntrospectionEndpointAudience is the URL of the introspection endpoint: what TOP-KT-021 says.
	IntrospectionEndpointAudience
)

// A Client makes the requests of a launch. Source is required, and the zero values of the others are what they say. The fields
// must not be changed once it is in use; its methods may be called from any goroutine.
type Client struct {
	// Source signs the client assertions, and knows the endpoints.
	Source *smartauth.Source

	// HTTPClient makes the requests; nil means a plain one on http.DefaultTransport. Redirects are not followed, and each
	// request is limited to 15 s. Its Transport must not repeat requests or follow redirects by itself, as retryablehttp's
	// StandardClient does: the assertion and what is sent with it work once, so that a repeated request is refused. What
	// such a client was answered at another origin is not used: that is an [Error].
	HTTPClient *http.Client

	// IntrospectionURL pins the introspection endpoint. Empty means the discovered one, which must be on the origin of the
	// token endpoint: elsewhere somebody could collect assertions.
	IntrospectionURL string

	// IntrospectionAudience is the aud of the assertions for it. The URL of the endpoint must then be on the token endpoint's
	// origin, or be named in Config.AssertionAudiences.
	IntrospectionAudience Audience

	// Tracing is the setting of the headers of TOP-KT-011, which the requests have without a TraceTransport, too.
	Tracing Tracing
}

// traced returns ctx in a trace: discovery, token and what they are for are then in the same.
func (c *Client) traced(ctx context.Context) context.Context {
	t := TraceFrom(ctx)
	if t.TraceID != "" {
		return ctx
	}
	t.TraceID = c.Tracing.traceID(ctx)
	return WithTrace(ctx, t)
}

// introspectionEndpoint returns where to introspect, and the aud of the assertion for it.
func (c *Client) introspectionEndpoint(ctx context.Context) (endpoint *url.URL, audience string, err error) {
	token, audience, err := c.Source.TokenEndpoint(ctx)
	if err != nil {
		return nil, "", err
	}
	raw, pinned := c.IntrospectionURL, c.IntrospectionURL != ""
	if !pinned {
		meta, err := c.Source.Metadata(ctx)
		if err != nil {
			return nil, "", err
		}
		raw = meta.IntrospectionEndpoint
	}
	endpoint, ok := parseEndpoint(raw)
	same := ok && origin.Of(token).Has(endpoint)
	switch {
	case !ok && pinned:
		return nil, "", errors.New("koppeltaal: introspect: Client.IntrospectionURL is not an absolute URL without user name and fragment")
	case !ok:
		return nil, "", errors.New("koppeltaal: introspect: the server names no introspection endpoint; set Client.IntrospectionURL")
	case !same && !pinned:
		return nil, "", fmt.Errorf("koppeltaal: introspect: the server names an introspection endpoint on %s, elsewhere than its token endpoint: "+
			"if that is right, pin it with Client.IntrospectionURL", endpoint.Host)
	case !same && endpoint.Scheme != "https":
		return nil, "", errors.New("koppeltaal: introspect: Client.IntrospectionURL is not https")
	}
	if c.IntrospectionAudience == IntrospectionEndpointAudience {
		audience = endpoint.String()
	}
	return endpoint, audience, nil
}

// parseEndpoint returns an absolute http or https URL. What is wrong with another is not said, as it may hold a password.
func parseEndpoint(raw string) (*url.URL, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, false
	}
	return u, true
}
