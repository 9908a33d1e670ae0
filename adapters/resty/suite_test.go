package smartresty_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestAdapterSuite(t *testing.T) {
	for _, retries := range []int{0, 3} {
		t.Run("RetryCount "+strconv.Itoa(retries), func(t *testing.T) {
			smarttest.RunAdapterSuite(t, func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
				client := resty.NewWithClient(base).SetLogger(silent{}).
					SetRetryCount(retries).SetRetryWaitTime(time.Hour).SetRetryMaxWaitTime(time.Hour).
					AddRetryCondition(func(r *resty.Response, err error) bool { return err != nil || r.StatusCode() >= 500 })
				if err := smartresty.Attach(client, src); err != nil {
					t.Fatal(err)
				}
				return func(c smarttest.Call) (*http.Response, error) {
					if retries > 0 {
						c.CannotStop() // the condition above is the user's
					}
					return do(client.R(), c)
				}
			})
		})
	}
}

// do expresses c in resty's terms.
func do(r *resty.Request, c smarttest.Call) (*http.Response, error) {
	r.SetContext(c.Context).SetHeaderMultiValues(c.Header).SetDoNotParseResponse(c.Stream)
	switch b := c.Body.(type) {
	case nil:
	case smarttest.JSON:
		r.SetHeader("Content-Type", "application/fhir+json").SetBody(b.Value)
	case url.Values:
		r.SetFormDataFromValues(b)
	case smarttest.Multipart:
		r.SetMultipartFormData(map[string]string{"field": b.Field}).SetFileReader("file", "file.txt", strings.NewReader(b.File))
	default:
		r.SetBody(b)
	}
	return c.Repeat(func() (*http.Response, error) {
		resp, err := r.Execute(c.Method, c.URL)
		if err != nil || c.Stream {
			return resp.RawResponse, err
		}
		raw := *resp.RawResponse
		raw.Body = io.NopCloser(bytes.NewReader(resp.Body()))
		return &raw, nil
	})
}

// silent logs nothing: the suite makes requests fail by the dozen.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
