package smarthttp_test

import (
	"net/http"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestAdapterSuite(t *testing.T) {
	smarttest.RunAdapterSuite(t, func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
		client := smarthttp.NewClient(src, base)
		return func(c smarttest.Call) (*http.Response, error) { return c.Send(client.Do) }
	})
}
