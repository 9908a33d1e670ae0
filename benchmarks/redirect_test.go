package benchmarks

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A FHIR server redirects to another host: who is there must not get the token.
func TestForeignRedirect(t *testing.T) {
	for _, name := range peerNames {
		t.Run("peer="+name, func(t *testing.T) {
			var arrived, bearers atomic.Int64
			foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				arrived.Add(1)
				if r.Header.Get("Authorization") != "" {
					bearers.Add(1)
				}
			}))
			t.Cleanup(foreign.Close)
			w := newWorld(t, worldOptions{lifetime: tokenLifetime})
			w.Fail(smarttest.FHIR, smarttest.Fault{Handler: func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, foreign.URL, http.StatusFound)
			}})
			p := newPeer(t, w, name)
			if p.transport == nil {
				t.Skip("has no transport for bearers")
			}
			client := &http.Client{Transport: p.transport(w.Transport())}
			resp, err := client.Get(w.BaseURL() + "/Patient")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if arrived.Load() != 1 {
				t.Errorf("%d requests went to the other host, want 1", arrived.Load())
			}
			figure(t, "bearers", bearers.Load(), 0)
		})
	}
}
