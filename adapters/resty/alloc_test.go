package smartresty_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// staticSource always has the same token.
type staticSource struct{ token *smartauth.Token }

func (s staticSource) Token(context.Context) (*smartauth.Token, error) { return s.token, nil }
func (s staticSource) Invalidate(*smartauth.Token)                     {}
func (s staticSource) BaseURL() string                                 { return "https://fhir.example.nl/fhir/DEFAULT" }

// answer is a base without a network.
type answer struct{}

func (answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestAllocations(t *testing.T) {
	allocations := func(attached bool) float64 {
		client := resty.NewWithClient(&http.Client{Transport: answer{}}).SetBaseURL(staticSource{}.BaseURL())
		if attached {
			attach(t, client, staticSource{smartauth.NewToken("token", time.Time{})})
		}
		return testing.AllocsPerRun(1000, func() {
			resp, err := client.R().SetDoNotParseResponse(true).Get("/Patient")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.RawBody())
		})
	}
	if added := allocations(true) - allocations(false); added > 7 {
		t.Errorf("Attach adds %.0f allocations to a request, want at most 7", added)
	} else {
		t.Logf("Attach adds %.0f allocations to a request", added)
	}
}
