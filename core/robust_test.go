package smartauth_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// badSigner does to sign what its do does.
type badSigner struct {
	smartauth.Signer
	do func()
}

func (s badSigner) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	s.do()
	return s.Signer.Sign(ctx, alg, input)
}

func TestBadSignerLeavesNobodyHanging(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func()
		err  string
	}{
		{"panic", func() { panic("hunter2") }, "panic in the signer (string)"},
		{"nil dereference", func() { _ = *(*int)(nil) }, "nil pointer"},
		{"Goexit", runtime.Goexit, "ended its goroutine"},
		{"too slow", func() { time.Sleep(time.Hour) }, "did not answer in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, src := sandbox(t, func(cfg *smartauth.Config) { cfg.Signer = badSigner{cfg.Signer, c.do} })
				for _, r := range herd(20, func() (*smartauth.Token, error) { return src.Token(t.Context()) }) {
					var e *smartauth.Error
					if !errors.As(r.err, &e) || e.Phase != smartauth.PhaseSign || !strings.Contains(r.err.Error(), c.err) {
						t.Fatalf("error %v, want one of signing about %q", r.err, c.err)
					}
					if strings.Contains(r.err.Error(), "hunter2") {
						t.Error("the error holds what the signer panicked with")
					}
				}
				time.Sleep(2 * time.Hour) // the slow signer's goroutine ends in its own time
			})
		})
	}
}

// badObserver panics, or ends the goroutine, at one of the calls.
type badObserver struct {
	at  string
	bad func()
}

func (o badObserver) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if o.at == "start "+string(s.Phase) {
		o.bad()
	}
	return nil // that too
}

func (o badObserver) PhaseEnd(_ context.Context, e smartauth.PhaseEnd) {
	if o.at == "end "+string(e.Phase) {
		o.bad()
	}
}

func (o badObserver) StateChanged(context.Context, smartauth.StateChange) { panic("state") }

func TestPanickingObserverDoesNoHarm(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	for _, phase := range []string{"acquire", "discover", "sign", "exchange"} {
		for _, at := range []string{"start ", "end "} {
			t.Run(at+phase, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, src := sandbox(t, func(c *smartauth.Config) {
						c.Observer = smartauth.MultiObserver(badObserver{at + phase, func() { panic("observer") }}, nil, &recorder{})
					})
					for _, r := range herd(20, func() (*smartauth.Token, error) { return src.Token(t.Context()) }) {
						if r.err != nil {
							t.Fatal(r.err)
						}
					}
				})
			})
		}
	}
	if !strings.Contains(log.String(), "panic in the smartauth.Observer") {
		t.Errorf("the panic was hidden altogether: %q", log.String())
	}
}

func TestObserverThatEndsTheGoroutine(t *testing.T) {
	for _, at := range []string{"start acquire", "end acquire", "start exchange"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = badObserver{at, runtime.Goexit} })
				done := make(chan error, 1)
				go func() {
					_, err := src.Token(t.Context())
					done <- err
				}()
				if err := <-done; err == nil && at != "end acquire" {
					t.Error("no error")
				}
			})
		})
	}
}

// reentrant asks for a token while one is being acquired for it.
type reentrant struct {
	src  *smartauth.Source
	errs chan error
}

func (o *reentrant) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == smartauth.PhaseAcquire {
		_, err := o.src.Token(ctx)
		o.errs <- err
	}
	return ctx
}

func (o *reentrant) PhaseEnd(context.Context, smartauth.PhaseEnd) {}

func TestReentrantTokenIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reentrant{errs: make(chan error, 1)}
		_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		o.src = src
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-o.errs; err == nil || !strings.Contains(err.Error(), "within its own acquisition") {
			t.Errorf("error %v", err)
		}
	})
}

// endless is a response body without end.
func endless(w http.ResponseWriter, first string) {
	_, _ = io.WriteString(w, first)
	for chunk := bytes.Repeat([]byte("x"), 1<<16); ; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestHugeResponsesTakeBoundedMemory(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()

	for _, endpoint := range []smarttest.Endpoint{smarttest.TokenEndpoint, smarttest.Discovery} {
		for name, handler := range map[string]http.HandlerFunc{
			"endless": func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"access_token":"`) },
			"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb.Bytes())
			},
		} {
			t.Run(fmt.Sprint(endpoint, " ", name), func(t *testing.T) {
				srv, src := sandboxWith(t, smarttest.Options{}, nil)
				srv.Fail(endpoint, smarttest.Fault{Handler: handler})
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := src.Token(t.Context())
				runtime.ReadMemStats(&after)
				if err == nil || !strings.Contains(err.Error(), "larger than allowed") {
					t.Errorf("error %v", err)
				}
				if grew := after.TotalAlloc - before.TotalAlloc; grew > 200<<20 {
					t.Errorf("%d MiB were allocated", grew>>20)
				}
			})
		}
	}
}

// Marker secrets must turn up in no error and no printed form, whatever fails.
func TestSecretsStaySecret(t *testing.T) {
	const marker = "hunter2-marker"
	opaque := marker + "-opaque-token"
	key := newEC(t, elliptic.P384())
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	echo := func(w http.ResponseWriter, r *http.Request) { // a server that sends everything back
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(401)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_client",
			"error_description": "bad assertion " + r.Form.Get("client_assertion")})
	}
	for name, fault := range map[string]smarttest.Fault{
		"text":                    {Status: 401, Body: marker},
		"HTML 500":                {Status: 500, Body: "<p>" + marker},
		"success that is no JSON": {Body: marker},
		"truncated success":       {Body: `{"access_token":"` + marker},
		"DPoP":                    {Body: `{"access_token":"` + marker + `","token_type":"DPoP"}`},
		"bad expires_in":          {Body: `{"access_token":"` + marker + `","token_type":"bearer","expires_in":"` + marker + `"}`},
		"line break":              {Body: `{"access_token":"` + marker + `\n","token_type":"bearer"}`},
		"echo":                    {Handler: echo},
		"garbage for HTTP": {Handler: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, marker+" "+marker+"\r\n\r\n")
				_ = conn.Close()
			}
		}},
		"success": {Body: `{"access_token":"` + opaque + `","token_type":"bearer"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &recorder{}
				srv := smarttest.New(t, smarttest.Options{InMemory: true})
				cfg := srv.NewClient(smarttest.ClientOptions{Key: key})
				cfg.Observer = o
				src, err := smartauth.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				srv.Fail(smarttest.TokenEndpoint, fault)
				token, err := src.Token(t.Context())
				synctest.Wait()

				var log bytes.Buffer
				logger := slog.New(slog.NewJSONHandler(&log, nil))
				logger.Info("x", "token", token, "err", err, "source", src)
				text := slog.New(slog.NewTextHandler(&log, nil))
				text.Info("x", "token", token, "err", err, "source", src)
				print := func(v any) {
					fmt.Fprintf(&log, "%v %+v %#v %s %q %d %x\n", v, v, v, v, v, v, v)
					if j, err := json.Marshal(v); err == nil {
						log.Write(j)
					}
				}
				print(token)
				print(cfg)
				print(src)
				for e := err; e != nil; e = errors.Unwrap(e) {
					if _, ours := e.(*smartauth.Error); ours {
						print(e)
					}
				}
				if token != nil {
					print(*token)
					print(map[string]any{"token": token})
					print(struct{ token *smartauth.Token }{token})
					print(struct{ token smartauth.Token }{*token})
				}
				for _, e := range o.ends {
					print(e.PhaseEnd)
				}
				secrets := []string{marker, fmt.Sprintf("%x", private), new(big.Int).SetBytes(private).String(), fmt.Sprintf("%d", private)}
				for _, r := range srv.Requests(smarttest.TokenEndpoint) {
					form := string(r.Body)
					_, assertion, _ := strings.Cut(form, "client_assertion=")
					assertion, _, _ = strings.Cut(assertion, "&")
					secrets = append(secrets, strings.Split(assertion, ".")[1:]...)
				}
				if len(secrets) < 6 {
					t.Fatal("no assertion was seen")
				}
				for _, s := range secrets {
					if strings.Contains(log.String(), s) {
						t.Errorf("%q is in %s", s, log.String())
					}
				}
				if name != "success" && err == nil {
					t.Error("no error")
				}
			})
		})
	}
}

func TestCachedTokenAllocatesNothing(t *testing.T) {
	_, src := sandboxWith(t, smarttest.Options{}, func(c *smartauth.Config) { c.Observer = &recorder{} })
	ctx := t.Context()
	if _, err := src.Token(ctx); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = src.Token(ctx) }); n != 0 {
		t.Errorf("a cached token costs %v allocations", n)
	}
}

// Phases come in order, inside one another, and end exactly once; a waiter's is marked shared and points to the flight.
func TestObserverSeesEveryPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: 503})
		herd(3, func() (*smartauth.Token, error) { return src.Token(t.Context()) })
		synctest.Wait()

		var own, shared []string
		for _, s := range o.started() {
			switch {
			case s.Shared:
				shared = append(shared, string(s.Phase))
				if s.id == 0 {
					t.Error("a waiter's phase came before the flight's")
				}
				if s.Cause.Value(phaseID{}) != 0 {
					t.Errorf("a waiter's cause is %v, want the flight's context", s.Cause)
				}
			default:
				own = append(own, fmt.Sprintf("%s#%d", s.Phase, s.Attempt))
				if s.Phase != smartauth.PhaseAcquire && s.ctx.Value(phaseID{}) != 0 {
					t.Errorf("phase %s is not inside the acquisition", s.Phase)
				}
			}
		}
		if got, want := strings.Join(own, " "), "acquire#0 discover#0 sign#0 exchange#0 sign#1 exchange#1"; got != want {
			t.Errorf("phases %s, want %s", got, want)
		}
		if len(shared) != 2 {
			t.Errorf("%d shared phases, want one for each of two waiters", len(shared))
		}
		ended := map[int]int{}
		for _, e := range o.ends {
			ended[e.id]++
		}
		for id := range o.started() {
			if ended[id] != 1 {
				t.Errorf("phase %d ended %d times", id, ended[id])
			}
		}
	})
}
