package stacks

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/go-retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// The StandardClient of go-retryablehttp is no client for Config.HTTPClient: it follows redirects on its own. Nobody must gain an
// assertion by that, or our trust.
func TestRetryingClientForTokens(t *testing.T) {
	for endpoint, says := range map[smarttest.Endpoint]string{
		smarttest.TokenEndpoint: "the token endpoint redirects",
		smarttest.Discovery:     "must not follow redirects",
	} {
		t.Run(endpoint.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := smarttest.New(t, smarttest.Options{InMemory: true})
				cfg := srv.NewClient(smarttest.ClientOptions{})
				elsewhere := &otherHost{RoundTripper: srv.Transport()}
				retrying := retryablehttp.NewClient()
				retrying.HTTPClient, retrying.Logger = &http.Client{Transport: elsewhere}, nil
				cfg.HTTPClient = retrying.StandardClient()
				src, err := smartauth.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				srv.Fail(endpoint, smarttest.Fault{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"https://other.example.nl/"}}})
				_, err = src.Token(t.Context())
				var e *smartauth.Error
				if !errors.As(err, &e) || e.Kind != smartauth.Refused || !strings.Contains(err.Error(), says) {
					t.Errorf("%v, want a refusal that says %q", err, says)
				}
				if strings.Contains(elsewhere.got.String(), "client_assertion") {
					t.Errorf("the other host got %s", &elsewhere.got)
				}
			})
		})
	}
}

// otherHost answers in place of other.example.nl with a token endpoint of its own.
type otherHost struct {
	http.RoundTripper
	got strings.Builder
}

func (o *otherHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "other.example.nl" {
		return o.RoundTripper.RoundTrip(r)
	}
	o.got.WriteString(r.Method + " ")
	if r.Body != nil {
		if _, err := io.Copy(&o.got, r.Body); err != nil {
			return nil, err
		}
	}
	answer := `{"token_endpoint":"https://other.example.nl/token"}`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}
