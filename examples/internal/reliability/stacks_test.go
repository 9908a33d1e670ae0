package reliability

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

const fhirJSON = "application/fhir+json"

// A request is one to the FHIR server.
type request struct {
	method, url string
	body        string // empty for none
	opaque      bool   // the body is a stream that cannot be read again
}

func (q request) reader() io.Reader {
	if q.opaque {
		return struct{ io.Reader }{strings.NewReader(q.body)}
	}
	return strings.NewReader(q.body)
}

// A doer makes a request and returns status and body. The status is 0 if there was no response, or the stack kept it to itself.
type doer func(context.Context, request) (int, []byte, error)

// A stack opens what makes requests, and tells which http.Client is in it.
type stack struct {
	repeats int // of a request, by the stack itself
	open    func(testing.TB, *smartauth.Source, *http.Client) (doer, *http.Client)
}

const retryMax = 4 // the default of go-retryablehttp

// stacks repeat nothing by themselves, so that what is repeated is ours, but for the one that says so.
var stacks = map[string]stack{
	"nethttp": {open: func(_ testing.TB, src *smartauth.Source, base *http.Client) (doer, *http.Client) {
		client := smarthttp.NewClient(src, base)
		return func(ctx context.Context, q request) (int, []byte, error) {
			r, err := http.NewRequestWithContext(ctx, q.method, q.url, q.reader())
			if err != nil {
				return 0, nil, err
			}
			r.Header.Set("Content-Type", fhirJSON)
			return read(client.Do(r))
		}, client
	}},
	"resty": {open: func(tb testing.TB, src *smartauth.Source, base *http.Client) (doer, *http.Client) {
		client := resty.NewWithClient(base).SetLogger(silent{})
		if err := smartresty.Attach(client, src); err != nil {
			tb.Fatal(err)
		}
		return func(ctx context.Context, q request) (int, []byte, error) {
			resp, err := restyRequest(ctx, client, q).Execute(q.method, q.url)
			return resp.StatusCode(), resp.Body(), err
		}, client.GetClient()
	}},
	"retryablehttp": {open: func(tb testing.TB, src *smartauth.Source, base *http.Client) (doer, *http.Client) {
		return openRetryable(tb, src, base, func(c *retryablehttp.Client) {
			c.RetryMax, c.ErrorHandler = 0, retryablehttp.PassthroughErrorHandler
		})
	}},
	"retryablehttp-repeating": {repeats: retryMax, open: func(tb testing.TB, src *smartauth.Source, base *http.Client) (doer, *http.Client) {
		return openRetryable(tb, src, base, func(c *retryablehttp.Client) {
			c.RetryWaitMin, c.RetryWaitMax = 100*time.Millisecond, 800*time.Millisecond
		})
	}},
}

func openRetryable(tb testing.TB, src *smartauth.Source, base *http.Client, set func(*retryablehttp.Client)) (doer, *http.Client) {
	client := retryablehttp.NewClient()
	client.HTTPClient, client.Logger = base, nil
	set(client)
	if err := smartretryable.Attach(client, src); err != nil {
		tb.Fatal(err)
	}
	return func(ctx context.Context, q request) (int, []byte, error) {
		r, err := retryableRequest(ctx, q)
		if err != nil {
			return 0, nil, err
		}
		r.Header.Set("Content-Type", fhirJSON)
		return read(client.Do(r))
	}, client.HTTPClient
}

func restyRequest(ctx context.Context, client *resty.Client, q request) *resty.Request {
	r := client.R().SetContext(ctx).SetHeader("Content-Type", fhirJSON)
	switch {
	case q.opaque: // the stack reads it whole, and gives it GetBody
		r.SetBody(q.reader())
	case q.body != "":
		r.SetBody(q.body)
	}
	return r
}

func retryableRequest(ctx context.Context, q request) (*retryablehttp.Request, error) {
	if q.opaque { // the stack reads it whole, but does not give it GetBody
		r, err := http.NewRequestWithContext(ctx, q.method, q.url, q.reader())
		if err != nil {
			return nil, err
		}
		return retryablehttp.FromRequest(r)
	}
	var raw any // nil for none: net/http has a data race with itself when it probes an empty one while a connection breaks
	if q.body != "" {
		raw = []byte(q.body)
	}
	return retryablehttp.NewRequestWithContext(ctx, q.method, q.url, raw)
}

func read(resp *http.Response, err error) (int, []byte, error) {
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// wrongAnswer tells what is wrong with a body: it is to be a Bundle, or the Patient of that name.
func wrongAnswer(body []byte, created string) string {
	var answer struct {
		ResourceType string
		Name         []struct{ Family string }
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case err != nil:
		return "no JSON"
	case created == "" && answer.ResourceType != "Bundle":
		return "no Bundle"
	case created != "" && (len(answer.Name) != 1 || answer.Name[0].Family != created):
		return "somebody else's Patient"
	}
	return ""
}

// silent logs nothing: requests fail by the thousand.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
