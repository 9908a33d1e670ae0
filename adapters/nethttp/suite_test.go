package smarthttp_test

import (
	"io"
	"net/http"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestAdapterSuite(t *testing.T) {
	smarttest.RunAdapterSuite(t, func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
		client := smarthttp.NewClient(src, base)
		return func(c smarttest.Call) (*http.Response, error) {
			body, contentType, err := c.Reader()
			if err != nil {
				return nil, err
			}
			r, err := http.NewRequestWithContext(c.Context, c.Method, c.URL, body)
			if err != nil {
				return nil, err
			}
			if contentType != "" {
				r.Header.Set("Content-Type", contentType)
			}
			for name, values := range c.Header {
				r.Header[name] = values
			}
			for range c.Times - 1 {
				resp, err := client.Do(r)
				if err != nil {
					return nil, err
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			return client.Do(r)
		}
	})
}
