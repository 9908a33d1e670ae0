package smartresty_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// answers is what resty makes of a response: which of the two it has seen.
type answers struct{ First, Second string }

// Of a healed call, only the second response reaches whatever resty does with responses.
func TestResponseOfAHealedCall(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		const second = `{"second":"said"}`
		for _, status := range []int{http.StatusOK, http.StatusNotFound} {
			for _, retries := range []int{0, 3} {
				for _, c := range []struct {
					name string
					read func(*testing.T, *resty.Request) (string, error)
				}{
					{"String", func(_ *testing.T, r *resty.Request) (string, error) {
						resp, err := r.Get("/Patient")
						return resp.String(), err
					}},
					{"SetDoNotParseResponse", func(_ *testing.T, r *resty.Request) (string, error) {
						resp, err := r.SetDoNotParseResponse(true).Get("/Patient")
						if err != nil {
							return "", err
						}
						defer func() { _ = resp.RawBody().Close() }()
						got, err := io.ReadAll(resp.RawBody())
						return string(got), err
					}},
					{"SetOutput", func(t *testing.T, r *resty.Request) (string, error) {
						file := filepath.Join(t.TempDir(), "output")
						if _, err := r.SetOutput(file).Get("/Patient"); err != nil {
							return "", err
						}
						got, err := os.ReadFile(file)
						return string(got), err
					}},
					{"SetResult and SetError", func(_ *testing.T, r *resty.Request) (string, error) {
						resp, err := r.SetResult(&answers{}).SetError(&answers{}).Get("/Patient")
						result, failure := resp.Result(), resp.Error()
						if status == http.StatusOK && failure == nil && *result.(*answers) == (answers{Second: "said"}) ||
							status == http.StatusNotFound && *result.(*answers) == (answers{}) && *failure.(*answers) == (answers{Second: "said"}) {
							return second, err
						}
						return fmt.Sprintf("result %v, error %v", result, failure), err
					}},
				} {
					s.Fail(smarttest.FHIR,
						smarttest.Fault{Times: 1, Status: 401, Body: `{"first":"said, and at greater length"}`, Header: http.Header{"Content-Type": {"application/json"}}},
						smarttest.Fault{Times: 1, Status: status, Body: second, Header: http.Header{"Content-Type": {"application/json"}}})
					before := s.Counts().FHIR
					got, err := c.read(t, s.attached(t).SetRetryCount(retries).R())
					if err != nil || got != second {
						t.Errorf("%s, status %d, RetryCount %d: got %s, %v", c.name, status, retries, got, err)
					}
					if n := s.Counts().FHIR - before; n != 2 {
						t.Errorf("%s, status %d, RetryCount %d: %d requests, want two", c.name, status, retries, n)
					}
					time.Sleep(time.Minute) // so that honest revocations are never too many
				}
			}
		}
	})
}

// One client serves many goroutines, also while its token is revoked.
func TestManyGoroutines(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client := s.attached(t).SetRetryCount(3).OnBeforeRequest(derives)
		search(t, client.R(), http.StatusOK)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				r := client.R()
				for range 10 {
					time.Sleep(time.Duration(i) * time.Millisecond)
					if resp, err := r.Get("/Patient?_count=1"); err != nil || resp.StatusCode() != http.StatusOK {
						t.Errorf("status %d, %v", resp.StatusCode(), err)
					}
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		s.RevokeAll()
		wg.Wait()
		if n := s.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want one more than before", n)
		}
	})
}
