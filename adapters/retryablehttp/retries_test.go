package smartretryable_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A 401 is healed beside the user's retries: it neither uses one up nor waits for one.
func TestRetries(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for _, c := range []struct {
			max      int
			statuses []int
			sent     int
			status   int // 0: the client gives up
			waits    int
			tokens   int // requested after the first
		}{
			{0, nil, 1, 200, 0, 0},
			{0, []int{401}, 2, 200, 0, 1},
			{0, []int{401, 401}, 2, 401, 0, 1},
			{0, []int{503}, 1, 0, 0, 0},
			{0, []int{401, 503}, 2, 0, 0, 1},
			{1, []int{401}, 2, 200, 0, 1},
			{1, []int{503, 401}, 3, 200, 1, 1},
			{1, []int{401, 503}, 3, 200, 1, 1},
			{1, []int{401, 503, 401}, 3, 401, 1, 1},
			{1, []int{401, 503, 503}, 3, 0, 1, 1},
			{1, []int{503, 503}, 2, 0, 1, 0},
			{4, []int{401, 401}, 2, 401, 0, 1},
			{4, []int{503, 503, 401}, 4, 200, 2, 1},
			{4, []int{503, 503, 503, 503, 401}, 6, 200, 4, 1},
			{4, []int{503, 401, 503, 503, 401}, 5, 401, 3, 1},
			{4, []int{503, 503, 503, 503, 503}, 5, 0, 4, 0},
		} {
			client := s.attached(t)
			client.RetryMax = c.max
			standard := client.StandardClient()
			for name, do := range map[string]func(*retryablehttp.Request) (*http.Response, error){
				"Do":             client.Do,
				"StandardClient": func(r *retryablehttp.Request) (*http.Response, error) { return standard.Do(r.Request) },
				"RoundTripper": func(r *retryablehttp.Request) (*http.Response, error) {
					return (&retryablehttp.RoundTripper{Client: client}).RoundTrip(r.Request)
				},
			} {
				tokenOf(t, s.src)
				s.failWith(c.statuses...)
				before, begin := s.Counts(), time.Now()
				status, err := statusOf(do(s.patients(t, t.Context())))
				after := s.Counts()
				if status != c.status || (err == nil) != (c.status != 0) {
					t.Errorf("%s, RetryMax %d, %v: status %d, %v, want %d", name, c.max, c.statuses, status, err, c.status)
				}
				if err != nil && !strings.Contains(err.Error(), "giving up after") {
					t.Errorf("%s, RetryMax %d, %v: error %v", name, c.max, c.statuses, err)
				}
				if sent, tokens := after.FHIR-before.FHIR, after.TokenRequests-before.TokenRequests; sent != c.sent || tokens != c.tokens {
					t.Errorf("%s, RetryMax %d, %v: %d requests and %d tokens, want %d and %d", name, c.max, c.statuses, sent, tokens, c.sent, c.tokens)
				}
				if took := time.Since(begin); took != time.Duration(c.waits)*time.Hour {
					t.Errorf("%s, RetryMax %d, %v: took %v, want %d waits of an hour", name, c.max, c.statuses, took, c.waits)
				}
				s.Clear()
			}
		}
	})
}

// A request object that is used again makes another call, which may be healed again.
func TestRequestUsedAgain(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client := s.attached(t)
		standard := client.StandardClient()
		r := s.patients(t, t.Context())
		for name, do := range map[string]func() (*http.Response, error){
			"Do":             func() (*http.Response, error) { return client.Do(r) },
			"StandardClient": func() (*http.Response, error) { return standard.Do(r.Request) },
		} {
			for _, c := range []struct {
				statuses []int
				status   int // 0: the client gives up
			}{{[]int{401}, 200}, {[]int{401}, 200}, {[]int{401, 503, 401}, 401}, {[]int{401}, 200}, {[]int{401, 503, 503, 503, 503, 503}, 0}, {[]int{503, 401}, 200}} {
				s.failWith(c.statuses...)
				if status, _ := statusOf(do()); status != c.status {
					t.Errorf("%s, %v: status %d, want %d", name, c.statuses, status, c.status)
				}
				s.Clear()
			}
		}
	})
}

// retryablehttp reads a body that it can read only once, and leaves no GetBody for it.
func TestOpaqueBody(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client := s.attached(t)
		standard := client.StandardClient()
		long := strings.Repeat("0123456789abcdef", 1<<16)
		for name, do := range map[string]func(*http.Request) (*http.Response, error){
			"FromRequest": func(r *http.Request) (*http.Response, error) {
				retryable, err := retryablehttp.FromRequest(r)
				if err != nil {
					return nil, err
				}
				return client.Do(retryable)
			},
			"StandardClient": standard.Do,
			"RoundTripper":   (&retryablehttp.RoundTripper{Client: client}).RoundTrip,
		} {
			for _, body := range []string{"", "a body", long} {
				for _, statuses := range [][]int{{401, 201}, {503, 401, 201}} {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/Patient", struct{ io.Reader }{strings.NewReader(body)})
					if err != nil {
						t.Fatal(err)
					}
					s.failWith(statuses...)
					if status, err := statusOf(do(r)); err != nil || status != http.StatusCreated {
						t.Errorf("%s, %d bytes, %v: status %d, %v", name, len(body), statuses, status, err)
					}
					requests := s.Requests(smarttest.FHIR)
					for _, sent := range requests[len(requests)-len(statuses):] {
						if !bytes.Equal(sent.Body, []byte(body)) {
							t.Errorf("%s, %d bytes, %v: %d other bytes were sent", name, len(body), statuses, len(sent.Body))
						}
					}
				}
			}
		}
	})
}
