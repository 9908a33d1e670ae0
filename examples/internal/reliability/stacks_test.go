package reliability

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

const fhirJSON = "application/fhir+json"

// A doer makes a FHIR request and returns status and body.
type doer func(ctx context.Context, method, url, body string) (int, []byte, error)

// stacks repeat nothing by themselves: what is repeated is ours.
var stacks = map[string]func(testing.TB, *smartauth.Source, *http.Client) doer{
	"nethttp": func(_ testing.TB, src *smartauth.Source, base *http.Client) doer {
		client := smarthttp.NewClient(src, base)
		return func(ctx context.Context, method, url, body string) (int, []byte, error) {
			r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
			if err != nil {
				return 0, nil, err
			}
			r.Header.Set("Content-Type", fhirJSON)
			return read(client.Do(r))
		}
	},
	"resty": func(tb testing.TB, src *smartauth.Source, base *http.Client) doer {
		client := resty.NewWithClient(base).SetLogger(silent{})
		if err := smartresty.Attach(client, src); err != nil {
			tb.Fatal(err)
		}
		return func(ctx context.Context, method, url, body string) (int, []byte, error) {
			r := client.R().SetContext(ctx).SetHeader("Content-Type", fhirJSON)
			if body != "" {
				r.SetBody(body)
			}
			resp, err := r.Execute(method, url)
			return resp.StatusCode(), resp.Body(), err
		}
	},
	"retryablehttp": func(tb testing.TB, src *smartauth.Source, base *http.Client) doer {
		client := retryablehttp.NewClient()
		client.HTTPClient, client.Logger, client.RetryMax = base, nil, 0
		client.ErrorHandler = retryablehttp.PassthroughErrorHandler
		if err := smartretryable.Attach(client, src); err != nil {
			tb.Fatal(err)
		}
		return func(ctx context.Context, method, url, body string) (int, []byte, error) {
			var raw any // nil for none: net/http has a data race with itself when it probes an empty one while a connection breaks
			if body != "" {
				raw = []byte(body)
			}
			r, err := retryablehttp.NewRequestWithContext(ctx, method, url, raw)
			if err != nil {
				return 0, nil, err
			}
			r.Header.Set("Content-Type", fhirJSON)
			return read(client.Do(r))
		}
	},
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
