package smartretryable_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
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
		client := retryablehttp.NewClient()
		client.HTTPClient, client.Logger = &http.Client{Transport: answer{}}, nil
		if attached {
			attachTo(t, client, staticSource{smartauth.NewToken("token", time.Time{})})
		}
		return testing.AllocsPerRun(1000, func() {
			if _, err := statusOf(client.Get("https://fhir.example.nl/fhir/DEFAULT/Patient?_count=1")); err != nil {
				t.Fatal(err)
			}
		})
	}
	if added := allocations(true) - allocations(false); added > 7 {
		t.Errorf("Attach adds %.0f allocations to a request, want at most 7", added)
	} else {
		t.Logf("Attach adds %.0f allocations to a request", added)
	}
}
