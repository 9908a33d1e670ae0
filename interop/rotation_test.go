package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

// oidc-provider keeps a client's JWKS for a minute, or for its max-age if that is longer, whatever kid it meets meanwhile.
const cacheTime = time.Minute

// rotation is a client whose keys rotate, in time that passes when the test says so: the server's clock is moved ahead, and the
// keys' publication is moved back for the ring, whose clock is the real one. A ring believes what it is told of the past only
// when it begins, so each step begins with a new one, as a service does that is deployed anew.
type rotation struct {
	srv  *oidcServer
	ring *jwks.Ring

	mu   sync.Mutex
	keys []jwks.RingKey

	reads, refused atomic.Int64 // of the JWKS, and assertions by the server
}

// newRotation starts a server that has read a JWKS with the first key only.
func newRotation(t *testing.T) *rotation {
	t.Helper()
	r := new(rotation)
	r.publish(t, time.Hour)
	r.restart(t)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.reads.Add(1)
		jwks.Handler(r.ring, cacheTime).ServeHTTP(w, req)
	}))
	t.Cleanup(host.Close)
	r.srv = startOIDC(t, client{ID: "rotating", Alg: "RS384", Format: "opaque", JWKSURI: host.URL + "/keys/5f2c81"})
	if err := r.request(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// restart begins a ring. No request is under way then.
func (r *rotation) restart(t *testing.T) {
	t.Helper()
	ring, err := jwks.NewRing(jwks.RingConfig{
		MaxAge: cacheTime, ReloadInterval: time.Nanosecond,
		Load: func() ([]jwks.RingKey, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return append([]jwks.RingKey(nil), r.keys...), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.ring = ring
}

// publish adds a key that counts as published for a while, and returns its kid.
func (r *rotation) publish(t *testing.T, since time.Duration) string {
	t.Helper()
	signer, err := smartauth.NewSigner(generateKey(t, "RS384"), "")
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, jwks.RingKey{Signer: signer, Published: time.Now().Add(-since)})
	return signer.KeyID()
}

func (r *rotation) pass(t *testing.T, d time.Duration) {
	t.Helper()
	r.srv.advance(t, d)
	r.mu.Lock()
	for i := range r.keys {
		r.keys[i].Published = r.keys[i].Published.Add(-d)
	}
	r.mu.Unlock()
	r.restart(t)
}

// request reads from the FHIR server with a token of its own: a token that is still good would need no assertion.
func (r *rotation) request(ctx context.Context) error {
	src, err := smartauth.New(smartauth.Config{
		BaseURL: r.srv.FHIR, ClientID: "rotating", Signer: r.ring, Scopes: []string{scope}, Observer: r,
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.srv.FHIR+"/Patient", nil)
	if err != nil {
		return err
	}
	resp, err := smarthttp.NewClient(src, nil).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the FHIR server answered %s", resp.Status)
	}
	return nil
}

// PhaseStart implements smartauth.Observer.
func (r *rotation) PhaseStart(ctx context.Context, _ smartauth.PhaseStart) context.Context {
	return ctx
}

// PhaseEnd implements smartauth.Observer. It counts refusals that a second attempt would hide, too.
func (r *rotation) PhaseEnd(_ context.Context, end smartauth.PhaseEnd) {
	if end.Phase == smartauth.PhaseExchange && end.StatusCode != http.StatusOK {
		r.refused.Add(1)
	}
}

// Two rotations under requests: no request fails, and no assertion is refused. Each key comes at the worst moment, just after
// the server has read the JWKS.
func TestRotationWithCachedJWKS(t *testing.T) {
	r := newRotation(t)
	const step = 5 * time.Second
	requests := 0
	for range 2 {
		before, next := r.ring.KeyID(), r.publish(t, 0)
		for passed := step; passed <= cacheTime; passed += step {
			r.pass(t, step)
			// In between it depends on how much real time has gone by.
			if got := r.ring.KeyID(); passed == step && got != before || passed == cacheTime && got != next {
				t.Fatalf("after %v %s signs; the old key is %s, the new one %s", passed, got, before, next)
			}
			var all sync.WaitGroup
			for range 4 {
				requests++
				all.Go(func() {
					if err := r.request(t.Context()); err != nil {
						t.Errorf("after %v: %v", passed, err)
					}
				})
			}
			all.Wait()
		}
	}
	if n := r.refused.Load(); n > 0 {
		t.Errorf("%d assertions were refused", n)
	}
	if n := r.reads.Load(); n < 3 || n > 6 { // at first, and once for each new key; more only if the test takes long
		t.Errorf("the server read the JWKS %d times, want 3", n)
	}
	t.Logf("requests: %d, rotations: 2, refused assertions: %d, JWKS reads: %d", requests, r.refused.Load(), r.reads.Load())
}

// What the wait is for: a key that signs as soon as it is published is refused for the rest of the minute.
func TestHasteWithCachedJWKS(t *testing.T) {
	r := newRotation(t)
	hasty := r.publish(t, cacheTime+time.Second)
	if r.restart(t); r.ring.KeyID() != hasty {
		t.Fatalf("%s signs, want the new key", r.ring.KeyID())
	}
	r.pass(t, cacheTime/2)
	var refused *smartauth.Error
	if err := r.request(t.Context()); !errors.As(err, &refused) || refused.Kind != smartauth.Refused || refused.Code != "invalid_client" {
		t.Errorf("half a minute later: %v, want a refusal", err)
	}
	r.pass(t, cacheTime/2)
	if err := r.request(t.Context()); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}
