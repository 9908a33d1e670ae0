package doctor

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

const (
	backDated = 5 * time.Second   // what core takes off iat
	lifetime  = 300 * time.Second // of an assertion
	healed    = 24 * time.Hour    // what core makes up for after a refusal
	waitedFor = 3 * time.Second   // by adapters, for a FHIR server that is behind
	harmless  = 30 * time.Second  // that a FHIR server is ahead
)

func (d *doctor) clock(context.Context) Check {
	base, _ := url.Parse(d.src.BaseURL())
	var auth *exchange
	if d.endpoint != nil {
		auth = d.log.last(d.endpoint)
	}
	if auth == nil || auth.date.IsZero() {
		return yellow("the authorization server does not tell its time (no Date, or that of a cache)",
			"see to it yourself that this machine's clock is right: one that is ahead is refused like a wrong key")
	}
	off, sure := auth.offset()
	d.behind = off >= lifetime-backDated
	d.clockFine = off > -backDated && !d.behind
	own, servers := judgeClock(off, sure), green("")
	if fhir := d.log.last(base); fhir != nil && !fhir.date.IsZero() {
		servers = judgeServers(auth, fhir)
	}
	switch {
	case servers.Status == Green:
		return own
	case own.Status == Green:
		return servers
	}
	own.Do = append(own.Do, servers.Found)
	return own
}

// judgeServers compares the clocks of the servers with each other.
func judgeServers(auth, fhir *exchange) Check {
	if behind := lag(auth, fhir); behind > waitedFor {
		return yellow(fmt.Sprintf("the FHIR server's clock is %s behind the authorization server's", seconds(behind)),
			"it refuses tokens that are new to it; the adapters wait 3 s for it: tell those who run it")
	}
	if ahead := lag(fhir, auth); ahead > harmless {
		return yellow(fmt.Sprintf("the FHIR server's clock is %s ahead of the authorization server's", seconds(ahead)),
			"to it tokens end that much sooner, and those of 5 minutes may have ended when they are new: tell those who run it")
	}
	return green("")
}

// judgeClock judges this machine's clock by how far the authorization server's is ahead of it.
func judgeClock(off time.Duration, sure bool) Check {
	switch ahead := -off; {
	case !sure:
		return green("this machine's clock agrees with the authorization server's, to a second")
	case off.Abs() > healed:
		return red(fmt.Sprintf("this machine's clock is %s off", seconds(off.Abs())), "set it right (NTP); no assertion is accepted like this")
	case ahead > backDated:
		return yellow(fmt.Sprintf("this machine's clock is %s ahead; the server allows nothing, and assertions are back-dated by 5 s", seconds(ahead)),
			"set it right (NTP): until then the first assertion is refused, and the next is signed on the server's clock")
	case ahead > 0:
		return yellow(fmt.Sprintf("this machine's clock is %s ahead; the server allows nothing, but assertions are back-dated by 5 s", seconds(ahead)),
			"set it right (NTP) before it gets worse")
	case off > backDated:
		return yellow(fmt.Sprintf("this machine's clock is %s behind", seconds(off)),
			"set it right (NTP): assertions that seem more than 5 minutes old are refused")
	default:
		return green("this machine's clock is %s behind, which does no harm", seconds(off))
	}
}

// offset returns how far the server's clock is at least ahead of ours, and whether that is sure at all: Date has whole seconds,
// and may have been set any time between request and response.
func (e *exchange) offset() (off time.Duration, sure bool) {
	switch {
	case e.date.After(e.received):
		return e.date.Sub(e.received), true
	case e.date.Add(time.Second).Before(e.Time):
		return e.date.Add(time.Second).Sub(e.Time), true
	default:
		return 0, false
	}
}

// lag returns how far the clock of one server is at least behind that of another.
func lag(of, behind *exchange) time.Duration {
	latest := behind.date.Add(time.Second).Sub(behind.Time)
	return of.date.Sub(of.received) - latest
}

// seconds rounds up: a clock that is off is not off by nothing.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", (d+time.Second-1)/time.Second)
}
