package koppeltaal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/origin"
)

const (
	requestLimit = 15 * time.Second
	responseMost = 1 << 20

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
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

	// HTTPClient makes the requests; nil means a plain one. Redirects are not followed, and each request is limited to 15 s.
	HTTPClient *http.Client

	// IntrospectionURL pins the introspection endpoint. Empty means the discovered one, which must be on the origin of the
	// token endpoint: elsewhere somebody could collect assertions.
	IntrospectionURL string

	// IntrospectionAudience is the aud of the assertions for it. The URL of the endpoint must then be on the token endpoint's
	// origin, or be named in Config.AssertionAudiences.
	IntrospectionAudience Audience
}

// An Error is a request that brought no answer to use. It holds no token, assertion, code or response body.
type Error struct {
	Op         string // "introspect" or "exchange code"
	Endpoint   string // without its query
	StatusCode int    // 0 if there was no response
	MediaType  string // of the response

	// MaybeSent tells that the server may have seen the request. What it was to be told is then used up: an HTI token is
	// good for one introspection, a code for one exchange.
	MaybeSent bool

	err error
}

// Error says what happened.
func (e *Error) Error() string {
	text := "koppeltaal: " + e.Op + " at " + e.Endpoint
	if e.StatusCode != 0 {
		text += fmt.Sprintf(": %d %s (%s)", e.StatusCode, http.StatusText(e.StatusCode), e.MediaType)
	}
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns what went wrong below; nil if the response says it all.
func (e *Error) Unwrap() error { return e.err }

// post sends a form with a new client assertion, once, and returns the JSON object that is the answer. Secrets are in the body
// only: the reference server would take them from a URL as well, where logs would keep them.
func (c *Client) post(ctx context.Context, op string, endpoint *url.URL, audience string, form url.Values) ([]byte, error) {
	assertion, err := c.Source.Assertion(ctx, audience)
	if err != nil {
		return nil, err
	}
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	setHeaders(r.Header, ctx, nil)

	shown := *endpoint
	shown.RawQuery = ""
	failed := &Error{Op: op, Endpoint: shown.String(), MaybeSent: true}
	resp, err := c.http().Do(r)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) { // which would repeat the URL
			err = ue.Err
		}
		failed.err = err
		return nil, failed
	}
	defer func() { _ = resp.Body.Close() }()
	failed.StatusCode = resp.StatusCode
	failed.MediaType, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, responseMost+1))
	switch {
	case err != nil:
		failed.err = err
	case len(body) > responseMost:
		failed.err = errors.New("the response is larger than allowed")
	case resp.StatusCode != http.StatusOK:
	case !strings.HasPrefix(strings.TrimSpace(string(body)), "{"):
		failed.err = errNotJSON
	default:
		return body, nil
	}
	return nil, failed
}

var errNotJSON = errors.New("the response is not a JSON object")

func (c *Client) http() *http.Client {
	client := http.Client{}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// introspectionEndpoint returns where to introspect, and the aud of the assertion for it.
func (c *Client) introspectionEndpoint(ctx context.Context) (endpoint *url.URL, audience string, err error) {
	token, audience, err := c.Source.TokenEndpoint(ctx)
	if err != nil {
		return nil, "", err
	}
	raw := c.IntrospectionURL
	if raw == "" {
		meta, err := c.Source.Metadata(ctx)
		if err != nil {
			return nil, "", err
		}
		raw = meta.IntrospectionEndpoint
	}
	endpoint, err = url.Parse(raw)
	switch {
	case err != nil || raw == "" || endpoint.Host == "":
		return nil, "", errors.New("koppeltaal: introspect: the server names no introspection endpoint; set Client.IntrospectionURL")
	case c.IntrospectionURL == "" && !origin.Of(token).Has(endpoint):
		return nil, "", fmt.Errorf("koppeltaal: introspect: the server names an introspection endpoint on %s, elsewhere than its token endpoint: "+
			"if that is right, pin it with Client.IntrospectionURL", endpoint.Host)
	case c.IntrospectionURL != "" && endpoint.Scheme != "https" && !origin.Of(token).Has(endpoint):
		return nil, "", errors.New("koppeltaal: introspect: Client.IntrospectionURL is not https")
	}
	if c.IntrospectionAudience == IntrospectionEndpointAudience {
		audience = endpoint.String()
	}
	return endpoint, audience, nil
}
