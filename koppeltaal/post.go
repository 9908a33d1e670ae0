package koppeltaal

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/smartauth-go/smartauth/internal/authctx"
	"github.com/smartauth-go/smartauth/internal/bounded"
	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/origin"
)

const (
	requestLimit = 15 * time.Second
	grace        = 100 * time.Millisecond // for a client that heeds its context, and has more to say than that it ended
	maxResponse  = 1 << 20

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// post sends a form with a new client assertion, once, and returns the JSON object that is the answer. Secrets are in the body
// only: the reference server would take them from a URL as well, where logs would keep them.
func (c *Client) post(ctx context.Context, op string, endpoint *url.URL, audience string, form url.Values) (answer, error) {
	// Only a token request can be repeated, and so finds out that the local clock is ahead; an assertion is then signed on the
	// server's. What follows from a launch needs a token anyway.
	if _, err := c.Source.Token(ctx); err != nil {
		return nil, err
	}
	assertion, err := c.Source.Assertion(ctx, audience)
	if err != nil {
		return nil, err
	}
	secrets := []string{assertion, form.Get("token"), form.Get("code"), form.Get("code_verifier")}
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	r, err := http.NewRequest(http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.GetBody = nil // a client within the transport would send it all to wherever a 307 points
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	c.Tracing.set(ctx, r.Header)

	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	ctx, maybeSent := watch(ctx)
	failed := &Error{Op: op, Endpoint: clean.URL(endpoint)}
	if err := ctx.Err(); err != nil {
		failed.err = clean.Network(err)
		return nil, failed
	}
	resp, err := bounded.Do(ctx, "HTTP client", grace, func() (reply, error) { return receive(c.http(), r.WithContext(ctx)) })
	failed.MaybeSent = resp.status != 0 || maybeSent()
	failed.StatusCode, failed.MediaType = resp.status, clean.Text(resp.mediaType, 256, secrets...)
	switch {
	case err != nil:
		failed.err = clean.Network(err, secrets...)
	case len(resp.body) > maxResponse:
		failed.err = errors.New("the response is larger than 1 MiB")
	default:
		var a answer
		if json.Unmarshal(resp.body, &a) != nil || a == nil {
			failed.err = errors.New("the response is no JSON object")
		}
		if resp.status == http.StatusOK && a != nil {
			return a, nil
		}
		failed.Code = clean.Text(a.text("error"), 256, secrets...)
	}
	return nil, failed
}

// reply is a response, read to its end or to where it is too large.
type reply struct {
	status    int
	mediaType string
	body      []byte
}

func receive(client *http.Client, r *http.Request) (reply, error) {
	resp, err := client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if origin.Left(resp) {
		return reply{}, origin.ErrLeft
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	return reply{resp.StatusCode, mediaType, body}, err
}

// watch returns a context and what tells whether a request made with it may have reached the server. It certainly has not if a
// connection was wanted and none was had; a RoundTripper that does not tell of connections may have sent anything.
func watch(ctx context.Context) (context.Context, func() bool) {
	var wanted, had atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { wanted.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { had.Store(true) },
	})
	// The transport that authenticates FHIR requests may be in the client: it would add a bearer, and repeat the request after a 401.
	marks := authctx.From(ctx)
	marks.TokenRequest = true
	return authctx.With(ctx, marks), func() bool { return had.Load() || !wanted.Load() }
}

func (c *Client) http() *http.Client {
	client := http.Client{}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// An answer is a JSON object by its exact names, where encoding/json would take "AUD" for "aud": somebody's claim of that name
// must not stand in for the one that the server has checked.
type answer map[string]json.RawMessage

// text returns a member that is a string, "" if it is not.
func (a answer) text(name string) string {
	var s string
	if json.Unmarshal(a[name], &s) != nil {
		return ""
	}
	return s
}

// seconds returns a member that is a number, or one in a string.
func (a answer) seconds(name string) (n float64, ok bool) {
	if json.Unmarshal([]byte(strings.Trim(string(a[name]), `"`)), &n) != nil || n < 0 || n > 1e11 {
		return 0, false
	}
	return n, true
}
