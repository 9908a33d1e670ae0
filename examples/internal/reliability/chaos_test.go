package reliability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// What a fault can explain.
type effect string

const (
	noToken      effect = "a temporary failure to get a token"
	refusedToken effect = "a refusal to get a token"
	deadToken    effect = "a 401"
	brokenFHIR   effect = "a broken connection to the FHIR server"
	downFHIR     effect = "a 503 of the FHIR server"
	slow         effect = "the caller's deadline"
)

// An incident is a fault while it lasted.
type incident struct {
	name       string
	begin, end time.Time
	effects    []effect
}

// slack is how late an effect may come, on a machine with other work: requests are judged when the server gets to them.
const slack = time.Second

// chaos makes a sandbox misbehave, one fault at a time.
type chaos struct {
	*smarttest.Server
	random  *rand.Rand
	clients []*soakClient

	mu        sync.Mutex
	incidents []*incident
	kills     []time.Time // moments that make all tokens useless
}

type mischief struct {
	name    string
	effects []effect
	kills   bool // tokens, when it begins and when it ends
	begin   func(*chaos)
	end     func(*chaos)
}

func failing(e smarttest.Endpoint, f smarttest.Fault) (begin, end func(*chaos)) {
	return func(c *chaos) { c.Fail(e, f) }, func(c *chaos) { c.Clear(e) }
}

func (c *chaos) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.random.Int64N(int64(most-least)))
}

// next draws a fault. Some that concern tokens come with a revocation, or nobody would ask for one meanwhile.
func (c *chaos) next() mischief {
	m := c.draw()
	concernsTokens := slices.Contains(m.effects, noToken) || slices.Contains(m.effects, refusedToken)
	if concernsTokens && !m.kills && c.random.IntN(2) == 0 {
		begin := m.begin
		m.name, m.kills, m.effects = m.name+", all tokens revoked", true, append(m.effects, deadToken)
		m.begin = func(c *chaos) {
			begin(c)
			c.RevokeAll()
		}
	}
	return m
}

func (c *chaos) draw() (m mischief) {
	fault := func(name string, e smarttest.Endpoint, f smarttest.Fault, effects ...effect) {
		m.name, m.effects = name, effects
		m.begin, m.end = failing(e, f)
	}
	switch c.random.IntN(16) {
	case 0, 1:
		return mischief{name: "revoke", kills: true, effects: []effect{deadToken}, begin: func(c *chaos) { c.RevokeAll() }}
	case 2:
		return c.restart(smarttest.AuthServer, "authorization server restarts", noToken)
	case 3:
		return c.restart(smarttest.FHIRServer, "FHIR server restarts", brokenFHIR, noToken) // discovery is there, too
	case 4:
		fault("token endpoint stalls", smarttest.TokenEndpoint, smarttest.Fault{Delay: c.between(0, 3*time.Second)}, slow)
	case 5:
		fault("FHIR server stalls", smarttest.FHIR, smarttest.Fault{Delay: c.between(0, time.Second)}, slow)
	case 6:
		fault("JWKS stalls", smarttest.JWKS, smarttest.Fault{Delay: c.between(0, 3*time.Second)}, slow)
	case 7:
		fault("token endpoint answers 503", smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusServiceUnavailable}, noToken)
	case 8:
		fault("token endpoint breaks off", smarttest.TokenEndpoint, smarttest.Fault{Part: 20, Reset: true}, noToken)
	case 9:
		fault("JWKS answers 404", smarttest.JWKS, smarttest.Fault{Status: http.StatusNotFound}, refusedToken)
	case 10:
		fault("FHIR server answers 503", smarttest.FHIR, smarttest.Fault{Status: http.StatusServiceUnavailable}, downFHIR)
	case 11:
		fault("FHIR server breaks off", smarttest.FHIR, smarttest.Fault{Part: 10, Reset: true}, brokenFHIR)
	case 12:
		return mischief{name: "FHIR server refuses all", kills: true, effects: []effect{deadToken},
			begin: func(c *chaos) { c.AlwaysUnauthorized(true) }, end: func(c *chaos) { c.AlwaysUnauthorized(false) }}
	case 13, 14:
		signers := make([]smartauth.Signer, len(c.clients))
		return mischief{name: "keys rotate", effects: []effect{refusedToken},
			begin: func(c *chaos) {
				for i, client := range c.clients {
					signers[i] = c.RotateKey(client.id)
				}
			},
			end: func(c *chaos) {
				for i, client := range c.clients {
					client.signer.put(signers[i])
				}
			}}
	default:
		off := c.between(-time.Hour, time.Hour)
		return mischief{name: fmt.Sprintf("both clocks skewed by %v", off.Round(time.Second)), kills: true,
			effects: []effect{deadToken, refusedToken}, begin: func(c *chaos) { c.skew(off) }, end: func(c *chaos) { c.skew(0) }}
	}
	return m
}

func (c *chaos) skew(off time.Duration) {
	c.SetClockOffset(smarttest.AuthServer, off)
	c.SetClockOffset(smarttest.FHIRServer, off)
}

func (c *chaos) restart(h smarttest.Host, name string, effects ...effect) mischief {
	set := func(down bool) func(*chaos) {
		return func(c *chaos) {
			for range 100 { // somebody may have the port for a moment
				if c.SetDown(h, down) == nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			panic("the port is gone")
		}
	}
	return mischief{name: name, effects: effects, begin: set(true), end: set(false)}
}

// run does mischief for d, and leaves the sandbox in order.
func (c *chaos) run(t *testing.T, d time.Duration) {
	begin := time.Now()
	var planned, killed time.Duration // by the random numbers alone, so that a seed leads to the same faults
	pause := func(least, most time.Duration) {
		d := c.between(least, most)
		planned += d
		time.Sleep(d)
	}
	time.Sleep(300 * time.Millisecond)
	for time.Since(begin) < d {
		m := c.next()
		if m.kills && c.random.IntN(4) > 0 && killed > 0 && planned-killed < 10*time.Second {
			continue // most of the time there is a renewal left
		}
		in := &incident{name: m.name, begin: time.Now(), end: time.Now().Add(time.Hour), effects: m.effects}
		c.mu.Lock()
		c.incidents = append(c.incidents, in)
		if m.kills {
			c.kills = append(c.kills, in.begin)
		}
		c.mu.Unlock()
		m.begin(c)
		if m.end != nil {
			pause(50*time.Millisecond, 1500*time.Millisecond)
			m.end(c)
		}
		c.mu.Lock()
		in.end = time.Now()
		if m.kills && m.end != nil {
			c.kills = append(c.kills, in.end)
		}
		c.mu.Unlock()
		if m.kills {
			killed = planned
		}
		pause(100*time.Millisecond, 1200*time.Millisecond)
	}
	time.Sleep(slack)
}

// explained tells whether a fault with that effect was there some time between begin and end.
func (c *chaos) explained(begin, end time.Time, e effect, late time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.incidents, func(in *incident) bool {
		return slices.Contains(in.effects, e) && !in.begin.After(end) && !in.end.Add(late).Before(begin)
	})
}

// mayLackRenewals tells whether a source may have had no renewal left at some time from begin to end: three at once, and one
// more every 10 s. A token that was on its way when all were killed takes another one.
func (c *chaos) mayLackRenewals(begin, end time.Time) bool {
	c.mu.Lock()
	kills := slices.Clone(c.kills)
	c.mu.Unlock()
	level, at := 3.0, time.Time{}
	for _, k := range append(kills, end) {
		over := !k.Before(end)
		if over {
			k = end
		}
		if !at.IsZero() {
			gained := level + k.Sub(at).Seconds()/10
			if level < 1 { // from at to the moment it reached 1
				full := at.Add(time.Duration((1 - level) * 10 * float64(time.Second)))
				if full.Add(slack).After(begin) {
					return true
				}
			}
			level = min(3, gained)
		}
		if over {
			break
		}
		level, at = max(0, level-2), k
	}
	return false
}

// judge looks for a reason for each call that did not go well.
func (c *chaos) judge(t *testing.T, r *tally) {
	reasons := map[string]int{}
	complaints := 0
	for _, o := range r.bad {
		reason, ok := c.reason(o)
		if !ok && reason == string(brokenFHIR) && r.closedByOthers(o) {
			reason, ok = "a connection that go-retryablehttp closed when another call gave up", true
		}
		if o.err != nil && strings.Contains(o.err.Error(), "eyJ") {
			t.Error("an error holds a token or an assertion")
		}
		if reasons[reason]++; !ok {
			if complaints++; complaints <= mostExplained {
				t.Errorf("%s: %v after %v: status %d, %v, %s: %s", o.client, o.begin.Format("15:04:05.000"), o.end.Sub(o.begin), o.status, o.err, o.wrong, reason)
			}
		}
	}
	if complaints > 0 {
		t.Errorf("%d calls ended in a way that nothing explains", complaints)
		for _, in := range c.incidents {
			t.Logf("%s to %s: %s", in.begin.Format("15:04:05.000"), in.end.Format("15:04:05.000"), in.name)
		}
	}
	t.Logf("%d calls went well and %d did not, in %d incidents", r.right.Load(), len(r.bad), len(c.incidents))
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		t.Logf("%6d × %s", reasons[reason], reason)
	}
}

// closedByOthers tells whether another call on go-retryablehttp gave up about then. It closes the idle connections of its transport
// when it does, and net/http fails a request that was just about to be the first on one of them.
func (r *tally) closedByOthers(o outcome) bool {
	return o.client == "retryablehttp" && slices.ContainsFunc(r.bad, func(other outcome) bool {
		return other.client == o.client && other != o && !other.end.Before(o.begin.Add(-slack)) && !other.end.After(o.end.Add(slack))
	})
}

// reason returns what a call met, and whether a fault explains it.
func (c *chaos) reason(o outcome) (string, bool) {
	during := func(e effect) (string, bool) { return string(e), c.explained(o.begin, o.end, e, slack) }
	var e *smartauth.Error
	var ne net.Error
	switch {
	case o.wrong != "":
		return "a wrong answer", false
	case errors.As(o.err, &e):
		// The failure itself is judged by acquisitions. A caller may have got it from memory, but not for longer than it says.
		return fmt.Sprintf("a %v failure to get a token", e.Kind), e.Kind != smartauth.Permanent && e.RetryAt.After(o.begin.Add(-slack))
	case errors.Is(o.err, context.DeadlineExceeded), errors.As(o.err, &ne) && ne.Timeout():
		return during(slow)
	case o.err != nil:
		return during(brokenFHIR)
	case o.status == http.StatusServiceUnavailable:
		return during(downFHIR)
	case o.status == http.StatusUnauthorized:
		if c.explained(o.begin, o.end, deadToken, slack) {
			return "a 401, while tokens were being refused", true
		}
		return "a 401 for lack of renewals", c.mayLackRenewals(o.begin, o.end)
	}
	return fmt.Sprintf("status %d", o.status), false
}

// nothingLost compares what callers were told with what the FHIR server holds.
func (c *chaos) nothingLost(t *testing.T, r *tally) {
	src, err := smartauth.New(c.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	status, body, err := stacks["nethttp"](t, src, c.Client())(t.Context(), http.MethodGet, c.BaseURL()+"/Patient?_count=10000000", "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("the search at the end: %d, %v", status, err)
	}
	var bundle struct {
		Entry []struct {
			Resource struct{ Name []struct{ Family string } }
		}
	}
	if err := json.Unmarshal(body, &bundle); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, e := range bundle.Entry {
		for _, n := range e.Resource.Name {
			times[n.Family]++
		}
	}
	told := 0
	for name, good := range r.creates {
		if n := times[name]; n > 1 || good && n != 1 {
			t.Errorf("%s was created %d times, and the caller was told of success: %v", name, n, good)
		}
		if good {
			told++
		}
	}
	t.Logf("%d resources were to be created, none was twice, and all %d that callers were told of are there", len(r.creates), told)
}
