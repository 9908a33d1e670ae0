package smartauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// slowRing is a Signer over one key that can be slow or panic.
type slowRing struct {
	smartauth.Signer
	current func()
	keyID   func()
}

func (r *slowRing) Current() smartauth.Signer {
	if r.current != nil {
		r.current()
	}
	return r
}

func (r *slowRing) KeyID() string {
	if r.keyID != nil {
		r.keyID()
	}
	return r.Signer.KeyID()
}

// selfish is an Observer that calls Token with a context of its own from within the acquisition.
type selfish struct {
	recorder
	src *smartauth.Source
}

func (o *selfish) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == smartauth.PhaseSign {
		own, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, _ = o.src.Token(own)
	}
	return o.recorder.PhaseStart(ctx, s)
}

// Callers without a deadline get an answer, whatever of what we call heeds no context.
func TestNothingHangs(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(c *smartauth.Config, stop <-chan struct{}) (started func(*smartauth.Source))
		within  time.Duration
	}{
		"token request": {func(c *smartauth.Config, stop <-chan struct{}) func(*smartauth.Source) {
			c.TokenURL = "http://localhost:1/token"
			c.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				<-stop
				return nil, io.EOF
			})}
			return nil
		}, 15 * time.Second},
		"discovery": {func(c *smartauth.Config, stop <-chan struct{}) func(*smartauth.Source) {
			c.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				<-stop
				return nil, io.EOF
			})}
			return nil
		}, 15 * time.Second},
		"key ring": {func(c *smartauth.Config, stop <-chan struct{}) func(*smartauth.Source) {
			r := &slowRing{Signer: c.Signer}
			c.Signer = r
			return func(*smartauth.Source) { r.current = func() { <-stop } }
		}, 10 * time.Second},
		"observer": {func(c *smartauth.Config, _ <-chan struct{}) func(*smartauth.Source) {
			o := &selfish{}
			c.Observer = o
			return func(src *smartauth.Source) { o.src = src }
		}, 31 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stop := make(chan struct{})
				var started func(*smartauth.Source)
				_, src := sandbox(t, func(cfg *smartauth.Config) { started = c.prepare(cfg, stop) })
				if started != nil {
					started(src)
				}
				begin := time.Now()
				_, err := src.Token(context.Background())
				if err == nil || time.Since(begin) != c.within {
					t.Errorf("%v after %v, want an error after %v", err, time.Since(begin), c.within)
				}
				close(stop)
				time.Sleep(2 * time.Hour) // for what was abandoned
			})
		})
	}
}

// One request that hangs must not be what all later acquisitions wait for.
func TestHungDiscoveryIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		var requests atomic.Int32
		_, src := sandbox(t, func(c *smartauth.Config) {
			base := c.HTTPClient.Transport
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if requests.Add(1) == 1 {
					<-stop
				}
				return base.RoundTrip(r)
			})}
		})
		if _, err := src.Token(t.Context()); err == nil {
			t.Error("a token, although discovery hangs")
		}
		time.Sleep(time.Minute)
		if _, err := src.Token(t.Context()); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		close(stop)
		synctest.Wait()
	})
}

func TestPanickingSignerInAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowRing{}
		srv, src := sandbox(t, func(c *smartauth.Config) {
			r.Signer = c.Signer
			c.Signer = r
		})
		r.keyID = func() { panic("kms") }
		for name, call := range map[string]func() error{
			"Token":     func() error { _, err := src.Token(t.Context()); return err },
			"Assertion": func() error { _, err := src.Assertion(t.Context(), srv.TokenURL()); return err },
		} {
			var e *smartauth.Error
			if err := call(); !errors.As(err, &e) || e.Phase != smartauth.PhaseSign {
				t.Errorf("%s: error %v, want one of signing", name, err)
			}
		}
	})
}

// What a KMS client says may hold what it sent.
func TestSigningErrorIsCleaned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const said = "kms: 400 Bad Request: POST with Authorization: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJrbXMifQ.c2lnbmF0dXJl\r\n"
		_, src := sandbox(t, func(c *smartauth.Config) {
			c.Signer = refusing{c.Signer, errors.New(said)}
		})
		_, err := src.Token(t.Context())
		if err == nil || !strings.Contains(err.Error(), "kms: 400 Bad Request") || strings.Contains(err.Error(), "eyJhbGciOi") {
			t.Errorf("error %v, want the signer's without what is shaped like a token", err)
		}
	})
}

// refusing is a Signer that fails.
type refusing struct {
	smartauth.Signer
	err error
}

func (r refusing) Sign(context.Context, string, []byte) ([]byte, error) { return nil, r.err }
