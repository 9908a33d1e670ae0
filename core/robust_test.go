package smartauth_test

import (
	"context"
	"crypto/elliptic"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
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

func TestPanickingTransportLeavesNobodyHanging(t *testing.T) {
	for name, change := range map[string]func(*smartauth.Config){
		"transport": func(c *smartauth.Config) {
			c.HTTPClient = &http.Client{Transport: answer(func(*http.Request) *http.Response { panic("hunter2") })}
		},
		"signer's key id": func(c *smartauth.Config) { c.Signer = &idPanics{Signer: c.Signer} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, src := sandbox(t, change)
				for _, r := range herd(20, func() (*smartauth.Token, error) { return src.Token(t.Context()) }) {
					var e *smartauth.Error
					if !errors.As(r.err, &e) || e.Kind != smartauth.Temporary || !strings.Contains(r.err.Error(), "panic in") {
						t.Fatalf("error %v, want a temporary one about the panic", r.err)
					}
					if strings.Contains(r.err.Error(), "hunter2") {
						t.Error("the error holds what was panicked with")
					}
				}
			})
		})
	}
}

// idPanics panics when it is asked for the key id the second time; New asks first.
type idPanics struct {
	smartauth.Signer
	asked atomic.Int32
}

func (s *idPanics) KeyID() string {
	if s.asked.Add(1) > 1 {
		panic("hunter2")
	}
	return s.Signer.KeyID()
}

// ring has two keys, and each question is answered by the other one.
type ring struct {
	smartauth.Signer
	keys []smartauth.Signer
	next atomic.Int32
}

func (r *ring) Current() smartauth.Signer { return r.keys[int(r.next.Add(1))%len(r.keys)] }
func (r *ring) KeyID() string             { return r.Current().KeyID() }

func TestRingIsAskedOncePerAssertion(t *testing.T) {
	srv := smarttest.New(t, smarttest.Options{})
	cfg := srv.NewClient(smarttest.ClientOptions{KeyID: "first"})
	key := newEC(t, elliptic.P384())
	second, err := smartauth.NewSigner(key, "second")
	if err != nil {
		t.Fatal(err)
	}
	old := newEC(t, elliptic.P384())
	first, err := smartauth.NewSigner(old, "first")
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterJWKS(cfg.ClientID, smarttest.Key{KeyID: "first", PublicKey: old.Public()}, smarttest.Key{KeyID: "second", PublicKey: key.Public()})
	cfg.Signer = &ring{keys: []smartauth.Signer{first, second}}
	for range 6 {
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kids := map[any]bool{}
	for _, a := range srv.Assertions() {
		kids[a.Header["kid"]] = true
	}
	if len(kids) == 0 {
		t.Error("no assertion was seen")
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
