package reliability

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// What a fault can explain.
type effect string

const (
	deadToken    effect = "a 401 to tokens of before"
	allRefused   effect = "a 401 to every token"
	refusedToken effect = "a refusal to get a token"
	downToken    effect = "a 503 of the token endpoint"
	busyToken    effect = "a 429 of the token endpoint"
	brokenToken  effect = "a broken connection to the token endpoint"
	slowToken    effect = "a token that comes late"
	movedClock   effect = "an assertion on another clock"
	noDiscovery  effect = "a broken connection at discovery"
	brokenFHIR   effect = "a broken connection to the FHIR server"
	downFHIR     effect = "a 503 of the FHIR server"
	slowFHIR     effect = "a FHIR server that answers late"
)

// mischief is a fault that is to come.
type mischief struct {
	name        string
	effects     []effect      // while it lasts
	atEdges     []effect      // while it begins or ends
	late        time.Duration // how long after the end it may still show, at most slack
	begin       func(*chaos)
	end         func(*chaos)  // nil if it has no duration
	least, most time.Duration // of its duration
}

// busyFor is the Retry-After of the token endpoint: longer than an acquisition waits by itself.
const busyFor = 3 * time.Second

// An outage is long enough for a second acquisition to fail, and the pause after that to show.
const leastOutage, mostOutage = 500 * time.Millisecond, 2500 * time.Millisecond

func failing(e smarttest.Endpoint, f smarttest.Fault, name string, effects ...effect) mischief {
	m := mischief{name: name, effects: effects, begin: func(c *chaos) { c.Fail(e, f) }, end: func(c *chaos) { c.Clear(e) },
		least: 50 * time.Millisecond, most: 1500 * time.Millisecond}
	if e != smarttest.FHIR && f.Delay == 0 {
		m.least, m.most = leastOutage, mostOutage
	}
	return m
}

func busy() mischief {
	header := http.Header{"Retry-After": {fmt.Sprint(busyFor.Seconds())}}
	return failing(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusTooManyRequests, Header: header}, "token endpoint answers 429", busyToken)
}

// revoking revokes all tokens when m begins.
func revoking(m mischief) mischief {
	begin := m.begin
	m.name += ", all tokens revoked"
	m.atEdges, m.begin = []effect{deadToken}, func(c *chaos) {
		begin(c)
		c.RevokeAll()
	}
	return m
}

func restart(h smarttest.Host, name string, effects ...effect) mischief {
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
	return mischief{name: name, effects: effects, begin: set(true), end: set(false), least: leastOutage, most: mostOutage,
		late: slack} // it may take a moment to notice that a connection of before is dead
}

// kinds of mischief. A run begins with the first three, while all renewals are left.
var kinds = []func(*chaos) mischief{
	func(c *chaos) mischief { // many a 401 comes when the token has been replaced
		delay := c.between(300*time.Millisecond, time.Second)
		m := revoking(failing(smarttest.FHIR, smarttest.Fault{Delay: delay}, "FHIR server stalls", slowFHIR))
		m.least, m.most = 500*time.Millisecond, 1500*time.Millisecond
		return m
	},
	func(*chaos) mischief { // for so long that all renewals are used up
		return mischief{name: "FHIR server refuses all", effects: []effect{allRefused}, least: 1500 * time.Millisecond, most: 3 * time.Second,
			begin: func(c *chaos) { c.AlwaysUnauthorized(true) }, end: func(c *chaos) { c.AlwaysUnauthorized(false) }}
	},
	func(*chaos) mischief { // for so long that most sources need a token meanwhile
		m := failing(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusServiceUnavailable}, "token endpoint answers 503", downToken)
		m.least, m.most = 2*time.Second, 3*time.Second
		return m
	},
	func(*chaos) mischief {
		return mischief{name: "all tokens revoked", atEdges: []effect{deadToken}, begin: func(c *chaos) { c.RevokeAll() }}
	},
	func(*chaos) mischief {
		return restart(smarttest.AuthServer, "authorization server restarts", brokenToken)
	},
	func(*chaos) mischief {
		return restart(smarttest.FHIRServer, "FHIR server restarts", brokenFHIR, noDiscovery)
	},
	func(c *chaos) mischief {
		return failing(smarttest.TokenEndpoint, smarttest.Fault{Delay: c.between(0, 3*time.Second)}, "token endpoint stalls", slowToken)
	},
	func(c *chaos) mischief {
		return failing(smarttest.JWKS, smarttest.Fault{Delay: c.between(0, 3*time.Second)}, "JWKS stalls", slowToken)
	},
	func(*chaos) mischief { return busy() },
	func(*chaos) mischief { return revoking(busy()) }, // the pause is longer than a refresh in the background would have
	func(*chaos) mischief {
		return revoking(failing(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusServiceUnavailable}, "token endpoint answers 503", downToken))
	},
	func(*chaos) mischief {
		return failing(smarttest.TokenEndpoint, smarttest.Fault{Part: 20, Reset: true}, "token endpoint breaks off", brokenToken)
	},
	func(*chaos) mischief {
		return failing(smarttest.JWKS, smarttest.Fault{Status: http.StatusNotFound}, "JWKS answers 404", refusedToken)
	},
	func(*chaos) mischief {
		return failing(smarttest.FHIR, smarttest.Fault{Status: http.StatusServiceUnavailable}, "FHIR server answers 503", downFHIR)
	},
	func(c *chaos) mischief {
		part := 10 * c.random.IntN(2) // 0 is before the header
		return failing(smarttest.FHIR, smarttest.Fault{Part: part, Reset: true}, "FHIR server breaks off", brokenFHIR)
	},
	rotation, rotation,
	func(c *chaos) mischief {
		// Ten minutes at least: an assertion is good for five, and one on the moved clock must not be on the right one, or the
		// source goes on with it. A FHIR server that is a few seconds behind is waited for, and gets the same token again.
		off := c.between(10*time.Minute, time.Hour)
		if c.random.IntN(2) == 0 {
			off = -off
		}
		// Until it ends, assertions are accepted at the second try; only a clock that moves between the two has them refused.
		return mischief{name: fmt.Sprintf("both clocks skewed by %v", off.Round(time.Second)), effects: []effect{movedClock},
			atEdges: []effect{deadToken, refusedToken}, least: 50 * time.Millisecond, most: 1500 * time.Millisecond,
			begin: func(c *chaos) { c.skew(off) }, end: func(c *chaos) { c.skew(0) }}
	},
}

// rotation lets the server know the new keys before the clients have them.
func rotation(c *chaos) mischief {
	signers := make([]smartauth.Signer, len(c.clients))
	return mischief{name: "keys rotate", effects: []effect{refusedToken}, least: leastOutage, most: mostOutage,
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
}

func (c *chaos) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.random.Int64N(int64(most-least)))
}

func (c *chaos) skew(off time.Duration) {
	c.SetClockOffset(smarttest.AuthServer, off)
	c.SetClockOffset(smarttest.FHIRServer, off)
}

// next returns the next fault: all kinds are dealt before one comes again.
func (c *chaos) next() mischief {
	if len(c.deck) == 0 {
		c.deck = c.random.Perm(len(kinds))
		if c.incidents == nil {
			c.deck = append([]int{0, 1, 2}, slices.DeleteFunc(c.deck, func(kind int) bool { return kind < 3 })...)
		}
	}
	m := kinds[c.deck[0]](c)
	c.deck = c.deck[1:]
	return m
}

// wholeDeck is enough for all kinds: with the pauses between them they take 51 s at the most.
const wholeDeck = time.Minute

// judgeKinds says which kinds of mischief a run of d met.
func (c *chaos) judgeKinds(g *grumbler, d time.Duration) {
	kindOf := func(m mischief) string {
		kind, _, _ := strings.Cut(m.name, " by ")
		return kind
	}
	met := map[string]bool{}
	for _, in := range c.incidents {
		met[kindOf(in.mischief)] = true
	}
	all := map[string]bool{}
	for _, deal := range kinds {
		kind := kindOf(deal(c))
		if all[kind] = true; d >= wholeDeck && !met[kind] {
			g.complain("in %v it was never that: %s", d, kind)
		}
	}
	g.Logf("%d of %d kinds of incidents: %s", len(met), len(all), strings.Join(slices.Sorted(maps.Keys(met)), "; "))
}
