package smarttest_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Four JWKS that come slowly hold up every client of the Koppeltaal reference server, and three do not.
func TestSlowJWKSBlockTheServer(t *testing.T) {
	for _, c := range []struct {
		profile smarttest.Profile
		slow    int
		want    time.Duration
	}{
		{smarttest.Koppeltaal, 3, 0},
		{smarttest.Koppeltaal, 4, 20 * time.Second},
		{smarttest.Koppeltaal, 5, 20 * time.Second},
		{smarttest.SMART, 20, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := smarttest.New(t, smarttest.Options{Profile: c.profile, InMemory: true})
			s.RegisterJWKSHandler("slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(20 * time.Second)
				_, _ = io.WriteString(w, `{"keys":[]}`)
			}))
			s.RegisterPEM("pem", rsaKey().Public())
			alg := "RS512"
			if c.profile == smarttest.SMART {
				alg = "RS384"
			}
			var wg sync.WaitGroup
			for range c.slow {
				form := tokenForm(newDraft(s, "slow", "ES384", "ec", ecKey()).sign())
				wg.Go(func() { postForm(t, s, s.TokenURL(), form) })
			}
			synctest.Wait()
			begin := time.Now()
			a := postForm(t, s, s.TokenURL(), tokenForm(newDraft(s, "pem", alg, "rsa", rsaKey()).sign()))
			if took := time.Since(begin); a.status != 200 || took != c.want {
				t.Errorf("%v, %d slow: %d after %v, want 200 after %v", c.profile, c.slow, a.status, took, c.want)
			}
			wg.Wait()
		})
	}
}
