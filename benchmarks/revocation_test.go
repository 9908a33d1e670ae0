package benchmarks

import (
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// Two hundred goroutines make twenty calls each, on loopback; the token is revoked when a quarter of the calls are done.
func TestRevocation(t *testing.T) {
	const goroutines, each = 200, 20
	for _, name := range peerNames {
		t.Run("peer="+name, func(t *testing.T) {
			w := newWorld(t, worldOptions{lifetime: 300 * time.Second})
			p := newPeer(t, w, name)
			if p.transport == nil {
				t.Skip("has no transport for bearers")
			}
			if err := p.token(t.Context()); err != nil {
				t.Fatal(err)
			}
			client, before := &http.Client{Transport: p.transport(w.Transport())}, w.requests.Load()
			var done, failed, after atomic.Int64
			for _, err := range herd(goroutines, func() error {
				for range each {
					if n := done.Add(1); n == goroutines*each/4 {
						w.revoke()
					} else if n > goroutines*each/4 {
						after.Add(1)
					}
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.BaseURL()+"/Patient", nil)
					if err != nil {
						return err
					}
					resp, err := client.Do(r)
					if err != nil {
						return err
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						failed.Add(1)
					}
				}
				return nil
			}) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if w.refused.Load() == 0 {
				t.Error("the FHIR server refused nothing")
			}
			figure(t, "failed", failed.Load(), 0)
			t.Attr("after", strconv.FormatInt(after.Load(), 10))
			figure(t, "requests", w.requests.Load()-before, 1)
		})
	}
}
