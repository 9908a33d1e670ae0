package stacks

import (
	"net/http"
	"testing"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// The bearer goes to no more origins than the last Attach names.
func TestOptionsStartAnew(t *testing.T) {
	srv := smarttest.New(t, smarttest.Options{InMemory: true})
	var bearer string
	files, err := srv.Serve("", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { bearer = r.Header.Get("Authorization") }))
	if err != nil {
		t.Fatal(err)
	}
	src, err := smartauth.New(srv.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	plain := srv.Client()
	ofResty := resty.NewWithClient(srv.Client())
	ofRetryable := retryablehttp.NewClient()
	ofRetryable.HTTPClient, ofRetryable.Logger, ofRetryable.RetryMax = srv.Client(), nil, 0
	attach := map[string]func(...smarthttp.Option) error{
		"nethttp": func(opts ...smarthttp.Option) error {
			plain = smarthttp.NewClient(src, plain, opts...)
			return nil
		},
		"resty":         func(opts ...smarthttp.Option) error { return smartresty.Attach(ofResty, src, opts...) },
		"retryablehttp": func(opts ...smarthttp.Option) error { return smartretryable.Attach(ofRetryable, src, opts...) },
	}
	get := map[string]func() (int, error){
		"nethttp": func() (int, error) { return status(plain.Get(files)) },
		"resty": func() (int, error) {
			resp, err := ofResty.R().Get(files)
			return resp.StatusCode(), err
		},
		"retryablehttp": func() (int, error) { return status(ofRetryable.Get(files)) },
	}
	for name := range stacks {
		for _, c := range []struct {
			opts []smarthttp.Option
			want bool
		}{{[]smarthttp.Option{smarthttp.WithOrigins(files)}, true}, {nil, false}} {
			if err := attach[name](c.opts...); err != nil {
				t.Fatal(err)
			}
			if got, err := get[name](); err != nil || got != http.StatusOK || (bearer != "") != c.want {
				t.Errorf("%s, %d options: status %d, %v, and a bearer %t, want %t", name, len(c.opts), got, err, bearer != "", c.want)
			}
		}
	}
}
