package smarttest_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// The suite is called in a test. The Doer of a stack with requests of its own makes one from the Call instead of using Send.
func ExampleRunAdapterSuite() {
	_ = func(t *testing.T) {
		smarttest.RunAdapterSuite(t, func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
			client := smarthttp.NewClient(src, base) // the adapter under test
			return func(c smarttest.Call) (*http.Response, error) { return c.Send(client.Do) }
		})
	}
	// Output:
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// above has do stand between the caller and a sound adapter.
func above(do func(client *http.Client, r *http.Request) (*http.Response, error)) attachFunc {
	return func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
		client := smarthttp.NewClient(src, base)
		return func(c smarttest.Call) (*http.Response, error) {
			return c.Send(func(r *http.Request) (*http.Response, error) { return do(client, r) })
		}
	}
}

// homemade is an adapter that asks heal what to do about a 401: nil is nothing.
func homemade(heal func(src smartauth.TokenSource, r *http.Request, refused *smartauth.Token) *smartauth.Token) attachFunc {
	return func(src smartauth.TokenSource, base *http.Client) smarttest.Doer {
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			send := func(token *smartauth.Token) (*http.Response, error) {
				out := r.Clone(r.Context())
				token.SetAuthHeader(out)
				resp, err := base.Transport.RoundTrip(out)
				if err == nil {
					resp.Request = r
				}
				return resp, err
			}
			token, err := src.Token(r.Context())
			if err != nil {
				return nil, err
			}
			resp, err := send(token)
			if err != nil || resp.StatusCode != http.StatusUnauthorized {
				return resp, err
			}
			if token = heal(src, r, token); token == nil {
				return resp, nil
			}
			_ = resp.Body.Close()
			return send(token)
		})}
		return func(c smarttest.Call) (*http.Response, error) { return c.Send(client.Do) }
	}
}

func renew(src smartauth.TokenSource, r *http.Request, refused *smartauth.Token) *smartauth.Token {
	src.Invalidate(refused)
	token, _ := src.Token(r.Context())
	return token
}

// repeats is a stack that tries again four times after errors and 5xx.
func repeats(wait time.Duration, again func(error) bool) attachFunc {
	return above(func(client *http.Client, r *http.Request) (*http.Response, error) {
		for left := 4; ; left-- {
			resp, err := client.Do(r)
			if left == 0 || err != nil && !again(err) || err == nil && resp.StatusCode < 500 {
				return resp, err
			}
			if err == nil {
				_ = resp.Body.Close()
			}
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
	})
}

type attachFunc = func(smartauth.TokenSource, *http.Client) smarttest.Doer

var healed sync.Map // request contexts

// broken are adapters, each with the test that is there for its fault.
var broken = map[string]struct {
	attach attachFunc
	test   string
}{
	"buffers": {above(func(client *http.Client, r *http.Request) (*http.Response, error) {
		resp, err := client.Do(r)
		if err == nil {
			content, _ := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(bytes.NewReader(content))
		}
		return resp, err
	}), "a stream is not buffered"},
	"cuts bodies": {above(func(client *http.Client, r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			r.Body, r.GetBody, r.ContentLength = io.NopCloser(io.LimitReader(r.Body, 3)), nil, -1
		}
		return client.Do(r)
	}), "401 is healed, body: bytes"},
	"hides bodies": {above(func(client *http.Client, r *http.Request) (*http.Response, error) {
		if body := r.Body; body != nil && r.URL.Host != "files.example.test:80" {
			r.Body, r.GetBody = struct{ io.ReadCloser }{body}, nil
		}
		return client.Do(r)
	}), "a body in memory takes no write more"},
	"no bearer after redirects": {above(func(client *http.Client, r *http.Request) (*http.Response, error) {
		c, transport := *client, client.Transport
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Response != nil {
				r = r.WithContext(smarthttp.WithoutBearer(r.Context()))
			}
			return transport.RoundTrip(r)
		})
		return c.Do(r)
	}), "a redirect within the origin keeps the bearer"},
	"leaves the token": {above(func(client *http.Client, r *http.Request) (*http.Response, error) {
		resp, err := client.Do(r)
		r.Header.Set("Authorization", "Bearer token")
		return resp, err
	}), "bearer on the first request"},
	"heals each repeat":     {repeats(time.Hour, func(error) bool { return false }), "at most one resend, however often the stack repeats"},
	"repeats what is final": {repeats(time.Hour, func(error) bool { return true }), "no token, no request: permanent"},
	"waits too little":      {repeats(time.Minute, func(error) bool { return false }), ""},
	"heals nothing": {homemade(func(smartauth.TokenSource, *http.Request, *smartauth.Token) *smartauth.Token { return nil }),
		"401 is healed, body: none"},
	"leaves DELETE alone": {above(func(client *http.Client, r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodDelete {
			r = r.WithContext(smarthttp.WithoutBearer(r.Context()))
		}
		return client.Do(r)
	}), "401 is healed whatever the method"},
	"heals late": {homemade(func(src smartauth.TokenSource, r *http.Request, refused *smartauth.Token) *smartauth.Token {
		time.Sleep(time.Second)
		return renew(src, r, refused)
	}), "401 is healed, body: none"},
	"heals a request object once": {homemade(func(src smartauth.TokenSource, r *http.Request, refused *smartauth.Token) *smartauth.Token {
		if _, done := healed.LoadOrStore(r.Context(), true); done {
			return nil
		}
		return renew(src, r, refused)
	}), "one request object, healed again and again"},
	"forgets the body": {homemade(renew), "401 is healed, body: opaque reader"},
	"invalidates the successor": {homemade(func(src smartauth.TokenSource, r *http.Request, _ *smartauth.Token) *smartauth.Token {
		current, _ := src.Token(r.Context())
		return renew(src, r, current)
	}), "200 calls are refused while and after the token is renewed"},
	"sends it anywhere": {homemade(renew), "a redirect to another origin takes no bearer there"},
}

const brokenVariable = "SMARTTEST_BROKEN"

// TestBrokenAdapters runs the suite in a process of its own, as to fail is what it is to do: in the test that is meant, and
// without taking the others with it.
func TestBrokenAdapters(t *testing.T) {
	if name := os.Getenv(brokenVariable); name != "" {
		smarttest.RunAdapterSuite(t, broken[name].attach)
		return
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenAdapters$/^"+b.test+"$")
			cmd.Env = append(os.Environ(), brokenVariable+"="+name)
			out, err := cmd.CombinedOutput()
			fails := "--- FAIL: " + strings.TrimSuffix("TestBrokenAdapters/"+strings.ReplaceAll(b.test, " ", "_"), "/")
			if err == nil || !bytes.Contains(out, []byte(fails)) || bytes.Contains(out, []byte("panic:")) {
				t.Errorf("%v, want %q and no panic:\n%s", err, fails, out)
			}
		})
	}
}
