package smartauth

import (
	"testing"
	"time"
)

// Replicas that start together must not renew together.
func TestRefreshIsAShareOfTheLifeWithJitter(t *testing.T) {
	now := time.Now()
	seen := map[time.Duration]bool{}
	for range 100 {
		at := newEntry(NewToken("t", now.Add(100*time.Second)), now).refreshAt.Sub(now)
		if at < 75*time.Second || at > 85*time.Second {
			t.Errorf("refresh after %v of 100 s", at)
		}
		seen[at] = true
	}
	if len(seen) < 50 {
		t.Errorf("only %d different times in 100", len(seen))
	}
}
