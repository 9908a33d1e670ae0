package smartauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestClockOffEitherWay(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour, 10 * time.Second, -6 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &recorder{}
				srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
				srv.SetClockOffset(smarttest.AuthServer, off)
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				first := srv.Counts().TokenRequests
				for range 3 {
					time.Sleep(301 * time.Second)
					if _, err := src.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if n := srv.Counts().TokenRequests; n != first+3 {
					t.Errorf("%d token requests for three more tokens: the clock was not remembered", n-first)
				}
				if first == 2 && !slices.Contains(o.states(), smartauth.StateClockOff) {
					t.Error("nobody was told that the clock is off")
				}

				srv.SetClockOffset(smarttest.AuthServer, 0) // somebody has set it right
				time.Sleep(301 * time.Second)
				if _, err := src.Token(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Differences that are no reason to refuse an assertion, or no difference of clocks, are not tried.
func TestClockDifferencesThatAreTried(t *testing.T) {
	for _, c := range []struct {
		off      time.Duration
		requests int
	}{
		{3 * time.Second, 1}, {5 * time.Second, 1}, {6 * time.Second, 2}, {10 * time.Second, 2}, {24 * time.Hour, 2}, {25 * time.Hour, 1},
		{-3 * time.Second, 1}, {-5 * time.Second, 1}, {-6 * time.Second, 2}, {-10 * time.Second, 2}, {-24 * time.Hour, 2}, {-25 * time.Hour, 1},
	} {
		t.Run(c.off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.Fail(smarttest.TokenEndpoint, refusedAt(c.off))
				if _, err := src.Token(t.Context()); err == nil {
					t.Fatal("no error")
				}
				sent := srv.Assertions()
				if len(sent) != c.requests {
					t.Fatalf("%d token requests, want %d", len(sent), c.requests)
				}
				if by := number(sent[len(sent)-1].Claims["iat"]) - number(sent[0].Claims["iat"]); c.requests == 2 && by != c.off.Seconds() {
					t.Errorf("the second assertion was signed %v s off the first, want %v", by, c.off)
				}
			})
		})
	}
}

// refusedAt is a refusal by a server whose clock is off.
func refusedAt(off time.Duration) smarttest.Fault {
	return smarttest.Fault{Status: 401, Header: http.Header{"Date": {time.Now().Add(off).UTC().Format(http.TimeFormat)}}}
}

// A server that tells another time with each refusal is not followed.
func TestClockIsFollowedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		faults := []smarttest.Fault{refusedAt(time.Hour), refusedAt(2 * time.Hour), refusedAt(3 * time.Hour)}
		faults[0].Times, faults[1].Times = 1, 1
		srv.Fail(smarttest.TokenEndpoint, faults...)
		if _, err := src.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "the server's is +3600 s from the one the assertion was signed on") {
			t.Errorf("error %v, want one that tells of the clocks", err)
		}
		if n := srv.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
	})
}

// An offset is dropped with the next refusal, also if that does not tell the time.
func TestClockOffsetIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.SetClockOffset(smarttest.AuthServer, time.Hour)
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401, Header: http.Header{"Date": nil}})
		time.Sleep(301 * time.Second)
		if _, err := src.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		time.Sleep(time.Second)
		if _, err := src.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		sent := srv.Assertions()
		for i, want := range []time.Duration{0, time.Hour, time.Hour, 0} { // the last two were refused
			iat := time.Unix(int64(number(sent[i].Claims["iat"])), 0)
			local := []time.Duration{0, 0, 301 * time.Second, 302 * time.Second}[i]
			if off := iat.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(local - 5*time.Second)); (off - want).Abs() > time.Second {
				t.Errorf("assertion %d was signed %v off the local clock, want %v", i, off, want)
			}
		}
	})
}

func TestWrongDateDoesNoLastingHarm(t *testing.T) {
	for name, header := range map[string]http.Header{
		"wrong Date":   {"Date": {"Sat, 01 Jan 2000 01:00:00 GMT"}}, // an hour after the bubble's beginning
		"from a cache": {"Date": {"Sat, 01 Jan 2000 01:00:00 GMT"}, "Age": {"7"}},
		"no Date":      {"Date": nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401, Header: header})
				if _, err := src.Token(t.Context()); err == nil {
					t.Fatal("no error")
				}
				want := 1
				if name == "wrong Date" {
					want = 2
				}
				if n := srv.Counts().TokenRequests; n != want {
					t.Errorf("%d token requests, want %d", n, want)
				}
				srv.Clear()
				time.Sleep(time.Second)
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				last := srv.Assertions()[want]
				if age := float64(time.Now().Unix()) - number(last.Claims["iat"]); age < 5 || age > 6 {
					t.Errorf("the next assertion's iat is %v s old, want it on the local clock", age)
				}
			})
		})
	}
}

func number(v any) float64 {
	f, _ := v.(float64)
	return f
}

// A server that takes long to refuse, as one that cannot read the client's JWKS, has no other clock for that.
func TestSlowRefusalIsNoOtherClock(t *testing.T) {
	for name, next := range map[string]smarttest.Fault{
		"a server without leeway": {Times: 1, Delay: 0},
		"a server with leeway":    {Times: 1, Body: `{"access_token":"abc","token_type":"bearer","scope":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &recorder{}
				srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Handler: func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(10 * time.Second)
					w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
					http.Error(w, "Access Denied", http.StatusUnauthorized)
				}}, next)
				if _, err := src.Token(t.Context()); err == nil || strings.Contains(err.Error(), "clock") {
					t.Errorf("error %v, want one that blames no clock", err)
				}
				if n := srv.Counts().TokenRequests; n != 1 {
					t.Errorf("%d token requests, want 1", n)
				}
				time.Sleep(time.Minute)
				if _, err := src.Token(t.Context()); err != nil {
					t.Error(err)
				}
				if slices.Contains(o.states(), smartauth.StateClockOff) {
					t.Error("the clock is said to be off")
				}
			})
		})
	}
}

// A clock that is off, and slow besides: the time must not be put into the server's future.
func TestClockOffAndSlow(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			srv, src := sandbox(t, nil)
			srv.SetClockOffset(smarttest.AuthServer, off)
			srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Delay: 9 * time.Second}) // its Date is from before
			if _, err := src.Token(t.Context()); err != nil {
				t.Errorf("%v off: %v", off, err)
			}
		})
	}
}
