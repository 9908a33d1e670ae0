package benchmarks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// world is what all peers of a measurement talk to: a token endpoint that gives anybody a token, and a FHIR server that
// takes the last one only. Both are HTTP servers: on loopback, or in memory for testing/synctest, where a figure is the same
// on every machine.
type world struct {
	*smarttest.Server
	requests atomic.Int64 // of the token endpoint
	valid    atomic.Int64 // the token that the FHIR server takes
	refused  atomic.Int64 // FHIR requests answered with 401
	remote   string       // the origin of a token endpoint elsewhere; empty for the sandbox's own
}

type worldOptions struct {
	inMemory bool
	delay    time.Duration // of the token endpoint
	status   int           // that it answers with; 0 gives a token
	lifetime time.Duration
}

func newWorld(tb testing.TB, o worldOptions) *world {
	tb.Helper()
	w := &world{Server: smarttest.New(tb, smarttest.Options{InMemory: o.inMemory})}
	w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Handler: func(rw http.ResponseWriter, _ *http.Request) {
		n := w.requests.Add(1)
		time.Sleep(o.delay)
		if o.status != 0 {
			rw.WriteHeader(o.status)
			return
		}
		w.valid.Store(n)
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(map[string]any{
			"access_token": fmt.Sprint("token-", n), "token_type": "bearer", "expires_in": int(o.lifetime.Seconds()),
		})
	}})
	w.Fail(smarttest.FHIR, smarttest.Fault{Handler: func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != fmt.Sprint("Bearer token-", w.valid.Load()) {
			w.refused.Add(1)
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}})
	return w
}

// revoke makes the FHIR server refuse the tokens there are.
func (w *world) revoke() { w.valid.Store(-1) }
