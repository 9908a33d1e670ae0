package smarthttp_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// late is the body of a response that ends at the very moment that it is given up.
type late struct{}

func (late) Read([]byte) (int, error) {
	time.Sleep(time.Second)
	return 0, io.EOF
}

func (late) Close() error { return nil }

// refuser is a base that answers so.
type refuser struct{}

func (refuser) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: late{}}, nil
}

// The race detector sees whether giving it up goes together with handing it on.
func TestBodyThatEndsWhenGivenUp(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			transport := &smarthttp.Transport{Source: staticSource{smartauth.NewToken("token", time.Time{})}, Base: refuser{}}
			resp, err := transport.RoundTrip(fhirRequest(t))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		})
	}
}
