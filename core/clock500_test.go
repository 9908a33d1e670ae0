package smartauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// failure is an answer of the token endpoint with its Date off the local clock.
type failure struct {
	status     int
	off        time.Duration
	retryAfter string
}

func failTokens(srv *smarttest.Server, failures ...failure) {
	var faults []smarttest.Fault
	for _, f := range failures {
		fault := refusedAt(f.off)
		fault.Status, fault.Times = f.status, 1
		if f.retryAfter != "" {
			fault.Header.Set("Retry-After", f.retryAfter)
		}
		faults = append(faults, fault)
	}
	srv.Fail(smarttest.TokenEndpoint, faults...)
}

// offsets returns how far off the local clock the assertions after the first were signed, in minutes.
func offsets(srv *smarttest.Server, first int, began time.Time) []time.Duration {
	var list []time.Duration
	for _, a := range srv.Assertions()[first:] {
		list = append(list, time.Unix(int64(number(a.Claims["iat"])), 0).Sub(began).Round(time.Minute))
	}
	return list
}

// Ory's fosite answers 500 to an assertion from the future. The attempt after it is on the server's clock, which is remembered
// once it led to a token. What a gateway says for its server tells nothing of an assertion.
func TestClockOffWith500(t *testing.T) {
	for status, want := range map[int][]time.Duration{
		500: {0, -time.Hour},
		502: {0, 0, -time.Hour}, // the last after a refusal
		503: {0, 0, -time.Hour},
		504: {0, 0, -time.Hour},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.SetClockOffset(smarttest.AuthServer, -time.Hour)
				failTokens(srv, failure{status: status, off: -time.Hour})
				began := time.Now()
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := offsets(srv, 0, began); !slices.Equal(got, want) {
					t.Errorf("assertions were signed %v off the local clock, want %v", got, want)
				}
				time.Sleep(301 * time.Second)
				began = time.Now()
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := offsets(srv, len(want), began); !slices.Equal(got, []time.Duration{-time.Hour}) {
					t.Errorf("the next were signed %v off, want one on the server's clock", got)
				}
			})
		})
	}
}

// A 500 that has another reason, or whose Date is wrong, changes nothing but the clock of the attempt after it.
func TestClockAfterAnother500(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		name     string
		failures []failure       // off the right clock
		want     []time.Duration // of the attempts, off the clock from before
		err      bool
		dropped  bool // the clock from before
	}{
		{"down for long", []failure{{status: 500, off: hour}, {status: 500, off: hour}, {status: 500, off: hour}}, []time.Duration{0, hour, 0}, true, false},
		{"down in between", []failure{{status: 500, off: hour}, {status: 503, off: hour}}, []time.Duration{0, hour, 0}, false, false},
		{"then refused by the right clock", []failure{{status: 500, off: hour}}, []time.Duration{0, hour, 0}, false, false},
		{"then refused with the same Date", []failure{{status: 500, off: hour}, {status: 401, off: hour}}, []time.Duration{0, hour, 0}, false, false},
		{"then refused again", []failure{{status: 500, off: hour}, {status: 401}, {status: 401, off: hour}}, []time.Duration{0, hour, 0}, true, true},
		{"then refused, and down", []failure{{status: 500, off: hour}, {status: 401}, {status: 503, off: hour}}, []time.Duration{0, hour, 0}, true, false},
		{"twice down, then refused", []failure{{status: 503}, {status: 503}, {status: 401, off: hour}}, []time.Duration{0, 0, 0, hour}, true, true},
		{"little off", []failure{{status: 500, off: 4 * time.Second}}, []time.Duration{0, 0}, false, false},
		{"no attempt to go back with", []failure{{status: 503, off: hour}, {status: 500, off: hour}}, []time.Duration{0, 0, 0}, false, false},
		{"to be left alone", []failure{{status: 500, off: hour, retryAfter: "10"}}, []time.Duration{0}, true, false},
	} {
		for _, before := range []time.Duration{0, -2 * hour} {
			t.Run(c.name+", "+before.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv, src := sandbox(t, nil)
					srv.SetClockOffset(smarttest.AuthServer, before)
					if _, err := src.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(301 * time.Second)
					first, began := len(srv.Assertions()), time.Now()
					var failures []failure
					for _, f := range c.failures {
						f.off += before
						failures = append(failures, f)
					}
					failTokens(srv, failures...)
					_, err := src.Token(t.Context())
					if (err != nil) != c.err {
						t.Fatalf("error %v", err)
					}
					if last := failures[len(failures)-1].status; err != nil && strings.Contains(err.Error(), "the clocks differ") != (last != 503) {
						t.Errorf("after a %d: error %v", last, err)
					}
					got := offsets(srv, first, began)
					for i := range got {
						got[i] -= before
					}
					if !slices.Equal(got, c.want) {
						t.Errorf("assertions were signed %v off the clock from before, want %v", got, c.want)
					}

					srv.Clear()
					time.Sleep(301 * time.Second)
					first, began = len(srv.Assertions()), time.Now()
					if _, err := src.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
					want := before
					if c.dropped {
						want = 0
					}
					if got := offsets(srv, first, began); got[0] != want {
						t.Errorf("the next acquisition began %v off the local clock, want %v", got[0], want)
					}
				})
			})
		}
	}
}
