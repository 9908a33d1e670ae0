package reliability

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// An incident is a fault that was there.
type incident struct {
	mischief
	began, begun  time.Time // before and after mischief.begin
	ending, ended time.Time // before and after mischief.end
}

// chaos makes a sandbox misbehave, one fault at a time.
type chaos struct {
	*smarttest.Server
	random    *rand.Rand
	clients   []*soakClient
	deck      []int
	requests  tokenRequests
	bystander bystander
	incidents []*incident // to be read when run has returned
	stalls    []span      // when the test had to wait for the machine; likewise
}

type span struct{ begin, end time.Time }

// run does mischief for d, and leaves the sandbox in order.
func (c *chaos) run(d time.Duration) {
	start := time.Now()
	time.Sleep(300 * time.Millisecond)
	for time.Since(start) < d {
		in := &incident{mischief: c.next(), began: time.Now()}
		in.begin(c)
		in.begun = time.Now()
		in.ending, in.ended = in.begun, in.begun
		if in.end != nil {
			time.Sleep(c.between(in.least, in.most))
			in.ending = time.Now()
			in.end(c)
			in.ended = time.Now()
		}
		c.incidents = append(c.incidents, in)
		time.Sleep(c.between(100*time.Millisecond, 700*time.Millisecond))
	}
	time.Sleep(slack)
}

// explained tells whether a fault with one of those effects was there some time between begin and end.
func (c *chaos) explained(begin, end time.Time, effects ...effect) bool {
	asked := func(e effect) bool { return slices.Contains(effects, e) }
	meets := func(from, to time.Time) bool { return !from.After(end) && !to.Before(begin) }
	first, _ := slices.BinarySearchFunc(c.incidents, begin.Add(-slack), func(in *incident, t time.Time) int { return in.ended.Compare(t) })
	for _, in := range c.incidents[first:] {
		if in.began.After(end) {
			break
		}
		if meets(in.began, in.ended.Add(in.late)) && slices.ContainsFunc(in.effects, asked) ||
			(meets(in.began, in.begun) || meets(in.ending, in.ended)) && slices.ContainsFunc(in.atEdges, asked) {
			return true
		}
	}
	return false
}

// notice notes when the machine has other work, until stop is closed.
func (c *chaos) notice(stop <-chan struct{}) {
	const tick, noise = 10 * time.Millisecond, 5 * time.Millisecond
	for {
		due := time.Now().Add(tick)
		select {
		case <-stop:
			return
		case <-time.After(tick):
		}
		if now := time.Now(); now.Sub(due) > noise {
			c.stalls = append(c.stalls, span{due, now})
		}
	}
}

// What has no reason to take time goes in steps, in which goroutines of client and sandbox take turns.
const (
	aRequest = 20
	aReturn  = 6 // to a caller
	aStep    = 1

	eachStep = 50 * time.Millisecond
	slack    = aRequest * eachStep
)

// late tells whether d is too long for so many steps between begin and end. Where one step had to wait for the machine, all may have.
func (c *chaos) late(d time.Duration, steps int, begin, end time.Time) bool {
	most := time.Duration(steps) * eachStep
	if d <= most {
		return false
	}
	first, _ := slices.BinarySearchFunc(c.stalls, begin, func(s span, t time.Time) int { return s.end.Compare(t) })
	for _, s := range c.stalls[first:] {
		if !s.begin.Before(end) {
			break
		}
		most += time.Duration(steps) * s.end.Sub(s.begin)
	}
	return d > most
}

// A grumbler fails a test, and says why only so often.
type grumbler struct {
	*testing.T
	times int
}

const mostComplaints = 20

func (g *grumbler) complain(format string, args ...any) {
	g.Helper()
	if g.times++; g.times <= mostComplaints {
		g.Errorf(format, args...)
	}
}

// listIncidents is for whoever looks into complaints.
func (g *grumbler) listIncidents(c *chaos) {
	if g.times == 0 {
		return
	}
	g.Errorf("%d complaints in all", g.times)
	for _, in := range c.incidents {
		g.Logf("%s to %s: %s", clockTime(in.began), clockTime(in.ended), in.name)
	}
}

func clockTime(t time.Time) string { return t.Format("15:04:05.000") }
