package reliability

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// The rules that cells must keep, whatever the document says.

// An expectation is what an acquisition comes to that a fault is in the way of.
type expectation struct {
	answer      string
	tries       int // requests that are made at the place
	least, most time.Duration
	pause       struct{ first, most time.Duration } // before the next acquisition, doubled each time
	after       time.Duration                       // or what the server asks for
}

func (f fault) expected(p place) expectation {
	kind, phase := f.kind, smartauth.PhaseExchange
	e := expectation{tries: f.tries, least: f.lasts, most: f.lasts, after: f.after}
	switch p {
	case discovery:
		phase = smartauth.PhaseDiscover
		switch f.name {
		case "404":
			e.tries = 2 // the CapabilityStatement, too
		case "redirect loop":
			e.tries = 6
		}
	case keys: // the authorization server cannot tell whose fault it is
		kind, e.tries, e.after = smartauth.Refused, 1, 0
		e.least, e.most = 0, 0
		if f.lasts >= 10*time.Second { // it waits longer than the client
			kind, e.least, e.most = smartauth.Temporary, 15*time.Second, 15*time.Second
		}
	}
	if e.tries == 3 && e.most == 0 {
		e.least, e.most = 300*time.Millisecond, 600*time.Millisecond
	}
	e.answer = fmt.Sprintf("`%s` error of %s", kind, phase)
	switch kind {
	case smartauth.Temporary:
		e.pause.first, e.pause.most = 250*time.Millisecond, 2*time.Second
	case smartauth.Refused:
		e.pause.first, e.pause.most = time.Second, 10*time.Second
	case smartauth.Permanent:
		e.pause.first, e.pause.most = time.Minute, time.Minute
	}
	return e
}

// causes are what errors.Is and errors.As find below an Error. net/http tells of a failed handshake in a text only.
var causes = map[trouble]string{refusedConnection: "the refused connection", unknownHost: "the DNS error",
	silentHandshake: "its own timeout", wrongCertificate: "the TLS error"}

// checkAcquisitions is for faults that are in the way of a token. In each attempt of the caller's client there is one acquisition,
// or none if it comes before RetryAt. The FHIR server hears nothing but requests with a token that it refuses.
func (f fault) checkAcquisitions(t *testing.T, p place, m meeting) {
	if f.tries == 0 {
		f.checkSuccess(t, p, m)
		return
	}
	want := f.expected(p)
	if got := m.answer.String(); got != want.answer {
		t.Errorf("the caller sees %s, want %s", got, want.answer)
	}
	attempts, c := 1, m.caller
	if f.kind == smartauth.Permanent {
		c.retries = 0
	}
	if attempts += c.retries; len(m.attempts) != attempts {
		t.Fatalf("%d attempts, want %d", len(m.attempts), attempts)
	}
	begin := m.attempts[0].begin
	var end, retryAt time.Time
	failures := 0
	for i, a := range m.attempts {
		if pause := a.begin.Sub(end); i > 0 && pause != time.Second<<(i-1) {
			t.Errorf("attempt %d came %v after the one before", i, pause)
		}
		end = a.begin.Add(a.took)
		var e *smartauth.Error
		if !errors.As(a.err, &e) {
			t.Fatalf("attempt %d: error %v", i, a.err)
		}
		if want, known := causes[f.wire]; known && p != keys && errorSeen(errors.Unwrap(e)) != want {
			t.Errorf("attempt %d: the cause is %v, want %s", i, errors.Unwrap(e), want)
		}
		if a.begin.Before(retryAt) {
			if a.took != 0 || a.made != [places]int{} || !e.RetryAt.Equal(retryAt) {
				t.Errorf("attempt %d took %v and %v requests, before RetryAt", i, a.took, a.made)
			}
			continue
		}
		if a.took < want.least || a.took.Truncate(10*time.Millisecond) > want.most {
			t.Errorf("attempt %d took %v, want %v to %v", i, a.took, want.least, want.most)
		}
		if place := min(p, token); p == keys && a.made[token] != want.tries || p != keys && a.made[place] != want.tries {
			t.Errorf("attempt %d: requests %v, want %d", i, a.made, want.tries)
		}
		if f.revoked && a.made[fhir] != 1 {
			t.Errorf("attempt %d: %d requests to the FHIR server, want the one that finds the token revoked", i, a.made[fhir])
		}
		retryAt = end.Add(max(want.after, min(want.pause.first<<failures, want.pause.most)))
		if failures++; !e.RetryAt.Equal(retryAt) {
			t.Errorf("attempt %d: RetryAt %v after it, want %v", i, e.RetryAt.Sub(end), retryAt.Sub(end))
		}
	}
	if m.took != end.Sub(begin) {
		t.Errorf("the call took %v, and its attempts %v", m.took, end.Sub(begin))
	}
	if p == discovery && m.made[token] != 0 || m.made[fhir] > 0 && !f.revoked || m.made[fhir] != m.refused || m.sent != m.refused {
		t.Errorf("requests %v went further than the fault, and %d were refused", m.made, m.refused)
	}
	if most := 1 + int(m.took/time.Minute); p != discovery && m.made[discovery] > most {
		t.Errorf("%d requests at discovery, want at most %d", m.made[discovery], most)
	}
	if best := c.attemptAfter(m.retryIn); m.recovered != best {
		t.Errorf("recovered after %v, want %v: the first attempt after Error.RetryAt", m.recovered, best)
	}
}

const (
	backDated = 5 * time.Second   // the iat of assertions
	validFor  = 300 * time.Second // from then on
	waitedFor = 3 * time.Second   // the lag of a FHIR server
)

// checkSuccess is for those that do not keep a caller from a token.
func (f fault) checkSuccess(t *testing.T, p place, m meeting) {
	made, least, most, recovered := f.made, f.lasts, f.lasts, time.Duration(0)
	if made == [places]int{} {
		made = [places]int{discovery: 1, token: 1, fhir: 1}
	}
	if f.off < -backDated || f.off >= validFor-backDated { // the first assertion is refused
		made[token] = 2
	}
	if f.off > 0 && f.off <= waitedFor { // the token is not valid until then by the clock that is right again
		recovered = f.off
	}
	if made[fhir] > 1 { // the dead endpoint was tried first
		least, most = 100*time.Millisecond, 200*time.Millisecond
	}
	if got := m.answer.String(); got != "201" || len(m.attempts) != 1 {
		t.Errorf("the caller sees %s after %d attempts", got, len(m.attempts))
	}
	if m.made != made {
		t.Errorf("requests %v, want %v", m.made, made)
	}
	if m.took < least || m.took > most {
		t.Errorf("took %v, want %v to %v", m.took, least, most)
	}
	if m.recovered != recovered {
		t.Errorf("recovered after %v, want %v", m.recovered, recovered)
	}
	if m.sent != 1+m.refused {
		t.Errorf("the create arrived %d times, and was refused %d times", m.sent, m.refused)
	}
}

// checkAgainst is for faults at the FHIR server: but for 401s a caller must meet with what he met before the upgrade.
func (f fault) checkAgainst(t *testing.T, m, plain meeting) {
	final := 0 // 401s that the caller has got
	if m.answer.status == http.StatusUnauthorized {
		final = 1
	}
	if again := m.refused - final; again != min(plain.refused, 1) || m.sent != plain.sent+again || m.made[fhir] != plain.made[fhir]+again {
		t.Errorf("the create arrived %d times, and %d requests were made, after %d answers of 401; with a fixed token it was %d and %d",
			m.sent, m.made[fhir], m.refused, plain.sent, plain.made[fhir])
	}
	if m.made[discovery] > 1 || m.made[token] > 1+m.refused {
		t.Errorf("requests %v after %d answers of 401", m.made, m.refused)
	}
	took, heals := plain.took, f.heals
	if f.off < 0 && -f.off <= waitedFor {
		took, heals = took-f.off, true
	}
	if m.took != took {
		t.Errorf("took %v, with a fixed token %v", m.took, plain.took)
	}
	if got, want := comparable(m.answer), comparable(plain.answer); heals && m.answer.String() != "201" || !heals && got != want {
		t.Errorf("the caller sees %s, with a fixed token\n%s", got, want)
	}
	if m.recovered != 0 {
		t.Errorf("recovered after %v", m.recovered)
	}
}

var ids = regexp.MustCompile(`[0-9a-f-]{8,}`)

// comparable leaves out what is different each time.
func comparable(a answer) string {
	header := maps.Clone(a.header)
	for _, name := range []string{"X-Request-Id", "X-Trace-Id", "Location"} {
		delete(header, name)
	}
	return fmt.Sprintf("%v, %v, %s", a, header, ids.ReplaceAll(a.body[:min(len(a.body), 1000)], []byte("…")))
}

// memory is how many MiB may be allocated during a call.
func (f fault) memory(p place, m meeting) int {
	attempts := len(m.attempts)
	switch {
	case !f.large && attempts == 1:
		return 2
	case !f.large:
		return 6
	case p == fhir && m.caller.whole:
		return 100
	case p == fhir:
		return 6
	case f.lacking: // 16 MiB are read
		return 40 * attempts
	case p == keys: // that is the sandbox
		return 10 * attempts
	default: // 1 MiB is read
		return 5 * attempts
	}
}

// raceDetector tells whether it is there: slices then grow by copies.
var raceDetector = sync.OnceValue(func() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})

// checkMemory looks at what was allocated, freed or not.
func (f fault) checkMemory(t *testing.T, p place, m meeting) {
	limit := f.memory(p, m)
	if raceDetector() {
		limit *= 2
	}
	if m.memory > float64(limit) {
		t.Errorf("the call allocated %.1f MiB, want at most %d", m.memory, limit)
	}
}
