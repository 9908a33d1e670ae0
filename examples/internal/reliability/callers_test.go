package reliability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

const (
	attemptPatience = 20 * time.Second // http.Client.Timeout
	callPatience    = 3 * time.Minute  // the deadline of the context
	callEvery       = 250 * time.Millisecond
	callerReads     = 1 << 20 // of a response, where the caller decides
)

// A caller has an HTTP client of one of the three kinds, with the retries that it has by default.
type caller struct {
	name    string
	retries int  // after 1, 2, 4 s and so on
	whole   bool // it reads a response to its end

	// open returns what sends a create, and the http.Client below. Without a source it sends token, as before an upgrade.
	open func(tb testing.TB, src *smartauth.Source, token string, base *http.Client) (sender, *http.Client)
}

// A sender sends a request.
type sender func(context.Context, request) answer

var callers = []caller{
	{name: "net/http", open: func(_ testing.TB, src *smartauth.Source, token string, base *http.Client) (sender, *http.Client) {
		client := base
		if src != nil {
			client = smarthttp.NewClient(src, base)
		}
		return func(ctx context.Context, q request) answer {
			r, err := http.NewRequestWithContext(ctx, q.method, q.url, q.reader())
			if err != nil {
				return answer{err: err}
			}
			setHeader(r.Header, token)
			return answerOf(client.Do(r))
		}, client
	}},
	{name: "resty", whole: true, open: func(tb testing.TB, src *smartauth.Source, token string, base *http.Client) (sender, *http.Client) {
		client := resty.NewWithClient(base).SetLogger(silent{})
		if src == nil {
			client.SetAuthToken(token)
		} else if err := smartresty.Attach(client, src); err != nil {
			tb.Fatal(err)
		}
		return func(ctx context.Context, q request) answer {
			resp, err := restyRequest(ctx, client, q).Execute(q.method, q.url)
			return answer{resp.StatusCode(), resp.Header(), resp.Body(), err}
		}, client.GetClient()
	}},
	{name: "go-retryablehttp", retries: 4,
		open: func(tb testing.TB, src *smartauth.Source, token string, base *http.Client) (sender, *http.Client) {
			client := retryablehttp.NewClient()
			client.HTTPClient, client.Logger = base, nil
			if src != nil {
				if err := smartretryable.Attach(client, src); err != nil {
					tb.Fatal(err)
				}
			}
			return func(ctx context.Context, q request) answer {
				r, err := retryableRequest(ctx, q)
				if err != nil {
					return answer{err: err}
				}
				setHeader(r.Header, token)
				return answerOf(client.Do(r))
			}, client.HTTPClient
		}},
}

func setHeader(h http.Header, token string) {
	h.Set("Content-Type", fhirJSON)
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
}

// attemptAfter returns how long it takes until the first attempt of a caller who calls again and again that does not come before
// wait has passed.
func (c caller) attemptAfter(wait time.Duration) time.Duration {
	for at := time.Duration(0); ; at += callEvery {
		for i := range c.retries {
			if at >= wait {
				return at
			}
			at += time.Second << i
		}
		if at >= wait {
			return at
		}
	}
}

// An answer is what a caller gets.
type answer struct {
	status int // 0: none
	header http.Header
	body   []byte
	err    error
}

// answerOf reads a response as far as callers of it want to.
func answerOf(resp *http.Response, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, callerReads))
	return answer{resp.StatusCode, resp.Header, body, err}
}

// String tells an answer in the words of the document.
func (a answer) String() string {
	switch {
	case a.err != nil && a.status == 0:
		return errorSeen(a.err)
	case a.err != nil:
		return fmt.Sprintf("%d, then %s", a.status, errorSeen(a.err))
	case len(a.body) == callerReads:
		return fmt.Sprintf("%d, and 1 MiB of a body that goes on", a.status)
	case len(a.body) > callerReads:
		return fmt.Sprintf("%d, with a body of %d MiB", a.status, len(a.body)>>20)
	}
	return fmt.Sprint(a.status)
}

// errorSeen tells an error by its types; no text is matched.
func errorSeen(err error) string {
	var e *smartauth.Error
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	var fromHTTP *url.Error
	switch {
	case errors.As(err, &e):
		return fmt.Sprintf("`%s` error of %s", e.Kind, e.Phase)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "its own timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the refused connection"
	case errors.As(err, &dns):
		return "the DNS error"
	case isTLS(err):
		return "the TLS error"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the end of the connection"
	case errors.As(err, &fromHTTP):
		return "the error of net/http"
	case errors.Unwrap(err) == nil:
		return "an error without a cause"
	}
	return "another error"
}
