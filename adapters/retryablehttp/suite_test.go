package smartretryable_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func attach(t *testing.T, src smartauth.TokenSource, base *http.Client) *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient, client.Logger = base, nil
	client.RetryWaitMin, client.RetryWaitMax = time.Hour, time.Hour
	if err := smartretryable.Attach(client, src); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestAdapterSuite(t *testing.T) {
	t.Run("Do", func(t *testing.T) {
		smarttest.RunAdapterSuite(t, func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
			client := attach(t, src, base)
			return func(c smarttest.Call) (*http.Response, error) {
				r, err := request(c)
				if err != nil {
					return nil, err
				}
				return c.Repeat(func() (*http.Response, error) { return client.Do(r) })
			}
		})
	})
	t.Run("StandardClient", func(t *testing.T) {
		smarttest.RunAdapterSuite(t, func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
			client := attach(t, src, base).StandardClient()
			return func(c smarttest.Call) (*http.Response, error) { return c.Send(client.Do) }
		})
	})
}

// request expresses c in retryablehttp's terms, which keeps every body.
func request(c smarttest.Call) (*retryablehttp.Request, error) {
	body, contentType, err := c.Reader()
	if err != nil {
		return nil, err
	}
	r, err := retryablehttp.NewRequestWithContext(c.Context, c.Method, c.URL, body)
	if err != nil {
		return nil, err
	}
	r.Header = c.Header
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r, nil
}
