package smartretryable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// calls is what hooks have been called with, in their order.
type calls []string

func (c *calls) add(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

func status(resp *http.Response) int {
	if resp == nil {
		return 0
	}
	return resp.StatusCode
}

// hook sets every hook of client, that of errors if there is to be one.
func (c *calls) hook(client *retryablehttp.Client, errorHandler bool) {
	client.RequestLogHook = func(l retryablehttp.Logger, r *http.Request, attempt int) {
		c.add("request %T %s %d", l, r.Method, attempt)
	}
	client.ResponseLogHook = func(l retryablehttp.Logger, resp *http.Response) { c.add("response %T %d", l, status(resp)) }
	client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		c.add("check %d %v", status(resp), err)
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	client.Backoff = func(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
		c.add("backoff %v %v %d %d", least, most, attempt, status(resp))
		return least
	}
	client.PrepareRetry = func(r *http.Request) error {
		c.add("prepare %s", r.Method)
		return nil
	}
	if errorHandler {
		client.ErrorHandler = func(resp *http.Response, err error, tries int) (*http.Response, error) {
			c.add("error %d %v %d", status(resp), err, tries)
			return resp, err
		}
	}
}

// leveled is a LeveledLogger.
type leveled struct{ *log.Logger }

func (l leveled) Error(msg string, args ...any) { l.Println("ERROR", msg, args) }
func (l leveled) Info(msg string, args ...any)  { l.Println("INFO", msg, args) }
func (l leveled) Debug(msg string, args ...any) { l.Println("DEBUG", msg, args) }
func (l leveled) Warn(msg string, args ...any)  { l.Println("WARN", msg, args) }

var loggers = map[string]func(*log.Logger) any{
	"nil":           func(*log.Logger) any { return nil },
	"Logger":        func(l *log.Logger) any { return l },
	"LeveledLogger": func(l *log.Logger) any { return leveled{l} },
}

func TestHooksAndLoggersAreCalledAsBefore(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for name, logger := range loggers {
			for _, errorHandler := range []bool{false, true} {
				for _, max := range []int{0, 1, 4} {
					// run makes one call, and returns what the hooks saw, what was printed and what came out.
					run := func(src smartauth.TokenSource, faults ...smarttest.Fault) string {
						var got calls
						var printed bytes.Buffer
						client := s.bare()
						client.RetryMax, client.Logger = max, logger(log.New(&printed, "", 0))
						got.hook(client, errorHandler)
						r := s.patients(t, t.Context())
						if src != nil {
							attachTo(t, client, src)
						} else {
							r.Header.Set("Authorization", "Bearer "+tokenOf(t, s.src))
						}
						time.Sleep(time.Minute) // so that honest revocations are never too many
						s.Fail(smarttest.FHIR, faults...)
						begin := time.Now()
						status, err := statusOf(client.Do(r))
						s.Clear()
						return strings.Join(got, "\n") + fmt.Sprintf("\n%s%d %v after %v", &printed, status, err, time.Since(begin))
					}
					bad, unauthorized, closes := smarttest.Fault{Times: 1, Status: 503}, smarttest.Fault{Times: 1, Status: 401}, smarttest.Fault{CloseConnection: true}
					for _, faults := range [][]smarttest.Fault{nil, {bad}, {bad, bad}, {bad, bad, bad, bad, bad}, {bad, closes}} {
						want := run(nil, faults...)
						if got := run(s.src, faults...); got != want {
							t.Errorf("logger %s, RetryMax %d, %d faults: got\n%s\nwithout Attach\n%s", name, max, len(faults), got, want)
						}
						if got := run(s.src, slices.Insert(slices.Clone(faults), 0, unauthorized)...); got != want {
							t.Errorf("logger %s, RetryMax %d, %d faults and a healed 401: got\n%s\nwithout Attach\n%s", name, max, len(faults), got, want)
						}
					}
				}
			}
		}
	})
}

func TestNoTokenIsPrinted(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for name, logger := range loggers {
			var printed bytes.Buffer
			client := s.bare()
			client.Logger = logger(log.New(&printed, "", 0))
			client.RequestLogHook = func(l retryablehttp.Logger, r *http.Request, _ int) {
				if l != nil {
					l.Printf("%v", r.Header)
				}
			}
			client.ResponseLogHook = func(l retryablehttp.Logger, resp *http.Response) {
				if l != nil {
					l.Printf("%v %v", resp.Header, resp.Request.Header)
				}
			}
			attachTo(t, client, s.source(t))
			for _, statuses := range [][]int{nil, {401}, {503, 401}, {401, 401}, {503, 503, 503, 503, 503}} {
				s.failWith(statuses...)
				_, _ = statusOf(client.Do(s.patients(t, t.Context())))
			}
			client.RetryMax = 0
			s.failWith(401)
			s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusUnauthorized, Body: "Access Denied"})
			if _, err := statusOf(client.Do(s.patients(t, t.Context()))); err == nil {
				t.Error("there is no error without a token")
			}
			s.Clear()
			if name != "nil" && !strings.Contains(printed.String(), "smartauth: exchange") {
				t.Errorf("%s: the failure was not printed:\n%s", name, &printed)
			}
			if strings.Contains(printed.String(), "Authorization") {
				t.Errorf("%s: an Authorization header was printed", name)
			}
			for _, r := range s.Requests() {
				if token := r.Bearer(); token != "" && strings.Contains(printed.String(), token) {
					t.Fatalf("%s: a token was printed", name)
				}
			}
		}
	})
}

type key string

// Whatever context a RequestLogHook sets, requests are authenticated and a 401 is healed, once a call if it was derived.
func TestHookThatSetsTheContext(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for name, c := range map[string]struct {
			from   func(context.Context) context.Context
			status int // of a call with a 401 in two attempts
		}{
			"derived": {func(ctx context.Context) context.Context { return ctx }, 401},
			"own":     {func(context.Context) context.Context { return context.Background() }, 200},
		} {
			client := s.bare()
			client.RequestLogHook = func(_ retryablehttp.Logger, r *http.Request, attempt int) {
				*r = *r.WithContext(context.WithValue(c.from(r.Context()), key("hook"), attempt))
			}
			client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
				if attempt, ok := ctx.Value(key("hook")).(int); !ok || attempt > 0 && resp != nil && resp.StatusCode == 503 {
					t.Errorf("%s: attempt %d has another context", name, attempt)
				}
				return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
			}
			attachTo(t, client, s.src)
			s.failWith(401)
			s.search(t, client, 200)
			s.failWith(503, 401)
			s.search(t, client, 200)
			s.failWith(401, 503, 401)
			s.search(t, client, c.status)
			s.Clear()
		}
	})
}

// Attach's comment says what becomes of hooks that are set after it.
func TestHooksSetAfterAttach(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client := s.attached(t)
		called := 0
		client.RequestLogHook = func(retryablehttp.Logger, *http.Request, int) { called++ }
		s.failWith(401, 503, 401)
		before := s.Counts().FHIR
		s.search(t, client, 200)
		if n := s.Counts().FHIR - before; n != 4 || called != 2 {
			t.Errorf("%d requests, and the hook called %d times, want two attempts that are both healed", n, called)
		}

		client = s.bare()
		attachTo(t, client, s.source(t))
		client.CheckRetry = retryablehttp.DefaultRetryPolicy
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusBadRequest, Body: `{"error":"invalid_scope"}`})
		_, err := client.Do(s.patients(t, t.Context()))
		var e *smartauth.Error
		if !errors.As(err, &e) || e.Kind != smartauth.Permanent || !strings.Contains(err.Error(), "giving up after 5 attempt(s)") {
			t.Errorf("error %v, want a permanent one after five attempts", err)
		}
	})
}
