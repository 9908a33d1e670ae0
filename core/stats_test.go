package smartauth_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = &recorder{} })
		if got := src.Stats(); got != (smartauth.Stats{}) {
			t.Errorf("before anything: %+v", got)
		}
		srv.SetClockOffset(smarttest.AuthServer, 4*time.Second)
		call := func(n int) {
			for range n {
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		call(11) // the first one waits for the token
		got := src.Stats()
		if got.TokenEndpoint != srv.TokenURL() || time.Until(got.Expiry) != 300*time.Second || got.Hits != 10 || got.Stale != 0 {
			t.Errorf("with a token: %+v", got)
		}
		if !got.ClockKnown || got.ClockOffset != 4*time.Second {
			t.Errorf("clock %v, %v, want 4 s", got.ClockOffset, got.ClockKnown)
		}

		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		time.Sleep(290 * time.Second)
		call(1) // sets off the refresh
		time.Sleep(5 * time.Second)
		call(3)
		if got = src.Stats(); got.Hits != 11 || got.Stale != 3 {
			t.Errorf("%d hits and %d stale, want 11 and 3 while the refresh fails", got.Hits, got.Stale)
		}
		time.Sleep(time.Minute)
	})
}

func TestStatsOfAPinnedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, src := sandbox(t, func(c *smartauth.Config) { c.TokenURL = "http://localhost/token?tenant=secret" })
		if got := src.Stats().TokenEndpoint; got != "http://localhost/token" {
			t.Errorf("token endpoint %q", got)
		}
		if _, err := src.Token(t.Context()); err == nil {
			t.Error("a token from nowhere")
		}
		if got := src.Stats(); got.Hits != 0 || !got.Expiry.IsZero() {
			t.Errorf("%+v without an observer or a token", got)
		}
	})
}

// witness is an Observer that is told everything.
type witness struct {
	recorder
	sources []*smartauth.Source
}

func (w *witness) SourceCreated(s *smartauth.Source) { w.sources = append(w.sources, s) }

func TestEveryEventNamesItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &witness{}, &witness{}
		for range 2 { // Sources with the same Observer
			_, src := sandbox(t, func(c *smartauth.Config) {
				c.Observer = smartauth.MultiObserver(first, &recorder{}, second)
				c.Scopes = []string{"system/Organization.rs"}
			})
			if _, err := src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for _, w := range []*witness{first, second} {
				if w.sources[len(w.sources)-1] != src {
					t.Error("the Source was not announced")
				}
				if len(w.started()) != 4 || len(w.changes) != 1 {
					t.Errorf("%d phases and %d changes, want 4 and 1", len(w.started()), len(w.changes))
				}
				for _, s := range w.started() {
					if s.Source != src {
						t.Errorf("%s of another source", s.Phase)
					}
				}
				for _, c := range w.changes {
					if c.Source != src {
						t.Errorf("%s of another source", c.State)
					}
				}
				w.starts, w.changes = nil, nil
			}
		}
	})
}

func TestScopesThatAreMissing(t *testing.T) {
	for name, c := range map[string]struct {
		granted string
		missing []string
	}{
		"all":                 {"system/Task.rs system/Patient.rs", nil},
		"one less":            {"system/Patient.rs", []string{"system/Task.rs"}},
		"another":             {"system/Patient.rs system/Task.r", []string{"system/Task.rs"}},
		"with a search part":  {"system/Patient.rs system/Task.rs?resource-origin=Device/1", []string{"system/Task.rs"}},
		"more than asked for": {"system/Task.rs system/Patient.rs system/Device.rs", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &recorder{}
				srv, src := sandbox(t, func(cfg *smartauth.Config) {
					cfg.Observer = o
					cfg.Scopes = []string{"system/Patient.rs", "system/Task.rs", "system/*.s"}
				})
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Body: `{"access_token":"t","token_type":"bearer","expires_in":60,"scope":"` + c.granted + `"}`})
				for range 3 {
					if _, err := src.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
				}
				switch {
				case c.missing == nil && len(o.changes) > 0:
					t.Errorf("told %+v, want nothing", o.changes)
				case c.missing != nil && (len(o.changes) != 1 || o.changes[0].State != smartauth.StateScopeNarrower || !slices.Equal(o.changes[0].Scopes, c.missing)):
					t.Errorf("told %+v, want once that %v is missing", o.changes, c.missing)
				}
			})
		})
	}
}

// However a call is answered, it is counted once: by the Source if at once, and otherwise by the phase that it set off or
// waited in.
func TestEveryCallIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		calls := 0
		crowd := func() {
			calls += 7
			herd(7, func() (*smartauth.Token, error) { return src.Token(t.Context()) })
		}
		for _, fault := range []smarttest.Fault{{}, {Status: 503}, {Status: 401}, {Delay: 4 * time.Second}, {Hang: true}, {}} {
			srv.Fail(smarttest.TokenEndpoint, fault)
			for _, pause := range []time.Duration{0, time.Millisecond, 3 * time.Second, 280 * time.Second, 20 * time.Second} {
				time.Sleep(pause)
				crowd()
				if token, err := src.Token(t.Context()); err == nil {
					src.Invalidate(token)
				}
				calls++
				crowd()
			}
		}
		time.Sleep(time.Minute)
		phases := 0
		for _, s := range o.started() {
			if s.Phase == smartauth.PhaseAcquire && (s.Shared || !s.Background) {
				phases++
			}
		}
		st := src.Stats()
		if st.Hits == 0 || st.Stale == 0 || st.Failed == 0 || phases == 0 || int(st.Hits+st.Stale+st.Failed)+phases != calls {
			t.Errorf("%+v and %d phases, want %d calls in all, of each kind some", st, phases, calls)
		}
	})
}
