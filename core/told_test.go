package smartauth_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// logged is what a Source writes to the log.
type logged struct {
	*testing.T
	*smarttest.Server
	src *smartauth.Source
	out *bytes.Buffer
}

func withLog(t *testing.T, test func(*logged)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out := new(bytes.Buffer)
		srv, src := sandbox(t, func(c *smartauth.Config) {
			c.Observer = smartauth.NewLogObserver(slog.New(slog.NewTextHandler(out, nil)))
		})
		test(&logged{t, srv, src, out})
	})
}

// calls makes one a second.
func (l *logged) calls(d time.Duration) {
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(time.Second) {
		_, _ = l.src.Token(l.Context())
	}
	synctest.Wait()
}

// wrote fails the test unless the lines since the last time are these, each by level, text and a word of the error.
func (l *logged) wrote(when string, want ...[3]string) {
	l.Helper()
	got := strings.Split(strings.TrimSpace(l.out.String()), "\n")
	if l.out.Len() == 0 {
		got = nil
	}
	l.out.Reset()
	if len(got) != len(want) {
		l.Fatalf("%s: %d lines, want %d:\n%s", when, len(got), len(want), strings.Join(got, "\n"))
	}
	for i, words := range want {
		for _, word := range words {
			if !strings.Contains(got[i], word) {
				l.Errorf("%s: %q is not in %q", when, word, got[i])
			}
		}
	}
}

const (
	callsFail     = `msg="no access token: calls fail"`
	refreshFailed = `msg="token refresh failed; the current token is valid until 2000-01-01T00:05:00Z"`
)

func TestLogOfAFailingRefresh(t *testing.T) {
	withLog(t, func(l *logged) {
		l.calls(220 * time.Second)
		l.wrote("all is well")
		l.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		l.calls(70 * time.Second)
		l.wrote("while the old token works", [3]string{"level=WARN", refreshFailed, "503"})
		l.calls(60 * time.Second)
		l.wrote("when it does no more", [3]string{"level=WARN", callsFail, "503"})
		l.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 400, Body: `{"error":"invalid_scope"}`})
		l.calls(60 * time.Second)
		l.wrote("for another reason", [3]string{"level=WARN", callsFail, "invalid_scope"})
		l.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		l.calls(120 * time.Second)
		l.wrote("for the first reason again")
		l.Clear()
		l.calls(10 * time.Second)
		l.wrote("recovered", [3]string{"level=INFO", "access tokens are available again"})
		l.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		l.calls(400 * time.Second)
		l.wrote("the next time", [3]string{"level=WARN", "token refresh failed", "503"}, [3]string{"level=WARN", callsFail, "503"})
	})
}

// The server asks for a long pause, and the token ends in it.
func TestLogOfATokenThatEndsInThePause(t *testing.T) {
	withLog(t, func(l *logged) {
		l.calls(220 * time.Second)
		l.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503, Header: http.Header{"Retry-After": {"600"}}})
		l.calls(70 * time.Second)
		l.wrote("while the old token works", [3]string{"level=WARN", refreshFailed, "503"})
		l.calls(60 * time.Second)
		l.wrote("when it does no more", [3]string{"level=WARN", callsFail, "503"})
	})
}

// A server may make up codes; the log is not for that.
func TestLogOfManyReasons(t *testing.T) {
	withLog(t, func(l *logged) {
		n := 0
		l.Fail(smarttest.TokenEndpoint, smarttest.Fault{Handler: func(w http.ResponseWriter, _ *http.Request) {
			n++
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"error":"reason %d"}`, n)
		}})
		l.calls(10 * time.Minute)
		if lines := strings.Count(l.out.String(), "\n"); n < 30 || lines != 10 {
			t.Errorf("%d lines for %d refusals, want 10", lines, n)
		}
	})
}

func TestLogOfAClockThatIsTolerated(t *testing.T) {
	withLog(t, func(l *logged) {
		l.SetClockOffset(smarttest.AuthServer, -20*time.Second)
		grant := func(off time.Duration) {
			l.Fail(smarttest.TokenEndpoint, smarttest.Fault{Body: `{"access_token":"t","token_type":"bearer","expires_in":60,"scope":"s"}`,
				Header: http.Header{"Date": {time.Now().Add(off).UTC().Format(http.TimeFormat)}}})
			_, _ = l.src.Token(l.Context())
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		grant(5 * time.Second)
		l.wrote("near enough")
		grant(6 * time.Second)
		l.wrote("off", [3]string{"level=WARN", "tolerates", "offset=6s"})
		grant(7 * time.Second)
		grant(5 * time.Second)
		l.wrote("not right yet")
		grant(4 * time.Second)
		l.wrote("right", [3]string{"level=INFO", "clock"})
		grant(-6 * time.Second)
		l.wrote("behind", [3]string{"level=WARN", "tolerates", "offset=-6s"})
	})
}

// phases returns the acquire phases that have ended, with what they were told.
func (r *recorder) acquired() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, e := range r.ends {
		if s := r.starts[e.id]; s.Phase == smartauth.PhaseAcquire {
			list = append(list, fmt.Sprintf("shared %v, stale %v, failed %v", s.Shared, e.Stale, e.Err != nil))
		}
	}
	slices.Sort(list)
	return list
}

func TestWhoGoesOnWithTheOldToken(t *testing.T) {
	for name, c := range map[string]struct {
		fault smarttest.Fault
		want  []string
	}{
		"refused": {smarttest.Fault{Status: 401}, []string{"shared false, stale true, failed true", "shared true, stale true, failed false"}},
		"permanent": {smarttest.Fault{Status: 400, Body: `{"error":"invalid_scope"}`},
			[]string{"shared false, stale false, failed true", "shared true, stale false, failed true"}},
		"slow": {smarttest.Fault{Delay: 5 * time.Second}, []string{"shared false, stale true, failed false", "shared true, stale true, failed false"}},
		"none": {smarttest.Fault{}, []string{"shared false, stale false, failed false", "shared true, stale false, failed false"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &recorder{}
				srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
				token, err := src.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				o.ends = nil
				c.fault.Delay = max(c.fault.Delay, time.Millisecond)
				srv.Fail(smarttest.TokenEndpoint, c.fault)
				src.Invalidate(token)
				herd(2, func() (*smartauth.Token, error) { return src.Token(t.Context()) })
				time.Sleep(10 * time.Second)
				if got := o.acquired(); !slices.Equal(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
				if failing := strings.Contains(c.want[0], "failed true"); src.Stats().Failing != failing {
					t.Errorf("failing %v, want %v", src.Stats().Failing, failing)
				}
			})
		})
	}
}

// Who waits for another's discovery has a phase for it that names it.
func TestJoinedDiscovery(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := &recorder{}
			srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
			srv.Fail(smarttest.Discovery, smarttest.Fault{Delay: 5 * time.Second})
			go func() { _, _ = src.Metadata(t.Context()) }()
			synctest.Wait()
			if leaves {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := src.Metadata(ctx); err == nil {
					t.Error("no error")
				}
			} else if _, err := src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			var own, shared *start
			for _, s := range o.started() {
				if s.Phase == smartauth.PhaseDiscover {
					if s.Shared {
						shared = &s
					} else {
						own = &s
					}
				}
			}
			if own == nil || shared == nil || shared.Cause.Value(phaseID{}) != own.id || shared.URL != "" {
				t.Fatalf("phases %+v and %+v", own, shared)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			for _, e := range o.ends {
				if e.id == shared.id && (e.Err != nil) != leaves {
					t.Errorf("the phase ended with %v", e.Err)
				}
			}
		})
	}
}

func TestMultiObserverLeavesOutDuplicates(t *testing.T) {
	a, b := &recorder{}, &recorder{}
	m := smartauth.MultiObserver(a, smartauth.MultiObserver(b, a), b, a)
	m.PhaseEnd(m.PhaseStart(t.Context(), smartauth.PhaseStart{}), smartauth.PhaseEnd{})
	if len(a.starts) != 1 || len(b.starts) != 1 {
		t.Errorf("told %d and %d times, want once each", len(a.starts), len(b.starts))
	}
}
