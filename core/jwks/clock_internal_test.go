package jwks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// A clock that is set back brings no old key back, and has the keys looked at anew.
func TestClockSetBack(t *testing.T) {
	var keys []RingKey
	begin := time.Now()
	for i, kid := range []string{"1", "2"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := smartauth.NewSigner(key, kid)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, RingKey{Signer: signer, Published: begin.Add(time.Duration(i) * time.Hour)})
	}
	r, err := NewRing(RingConfig{Load: func() ([]RingKey, error) { return keys, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "1"}, {66 * time.Minute, "1"}, {67 * time.Minute, "2"}, {30 * time.Minute, "2"}, {-time.Hour, "2"}} {
		if got := r.signing(begin.Add(step.after)).KeyID(); got != step.want {
			t.Errorf("after %v: %s signs, want %s", step.after, got, step.want)
		}
	}
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {29 * time.Second, false}, {30 * time.Second, true}, {-time.Second, true}} {
		if got := r.due(r.lastTry.Round(0).Add(c.after)); got != c.want { // without the monotonic clock, which is never set back
			t.Errorf("after %v: due %v", c.after, got)
		}
	}
}
