package smarttest

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// crowd is how many calls go through a revocation together.
const crowd = 200

// crowds are the tests that many calls need one token.
var crowds = []adapterTest{
	{"200 calls are refused together", through(crowd, func(f *fixture) time.Duration {
		f.Fail(FHIR, Fault{Times: crowd, Delay: time.Second}) // so that all have left with the old token
		return 0
	})},
	{"200 calls are refused while and after the token is renewed", through(crowd, func(f *fixture) time.Duration {
		var late []Fault
		for i := range crowd {
			late = append(late, Fault{Times: 1, Delay: time.Duration(1+i) * time.Millisecond})
		}
		f.Fail(FHIR, late...)
		f.Fail(TokenEndpoint, Fault{Delay: crowd / 2 * time.Millisecond})
		return 0
	})},
	{"200 calls begin while the token is renewed", through(1, func(f *fixture) time.Duration {
		f.Fail(TokenEndpoint, Fault{Delay: time.Second})
		return time.Millisecond
	})},
}

// through makes calls after a revocation, one each time that prepare returns, and wants so many to be refused and all healed.
func through(refused int, prepare func(*fixture) time.Duration) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.RevokeAll()
		every := prepare(f)
		var wg sync.WaitGroup
		for i := range crowd {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * every)
				if r := f.call(t, Call{}); r.status != http.StatusOK || r.took > 2*time.Second {
					t.Errorf("status %d, %v after %v", r.status, r.err, r.took)
				}
			})
		}
		wg.Wait()
		if c := f.Counts(); c.FHIRUnauthorized != refused || c.TokenRequests != 2 {
			t.Errorf("%d calls were refused and %d token requests made, want %d and one more than before", c.FHIRUnauthorized,
				c.TokenRequests, refused)
		}
	}
}
