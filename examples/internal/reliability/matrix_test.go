package reliability

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// A meeting is what was found when a caller met a fault, and then its end.
type meeting struct {
	caller   caller
	answer   answer
	made     [places]int // requests
	sent     int         // times that the create arrived
	refused  int         // times that the FHIR server answered 401
	attempts []attempt
	took     time.Duration
	retryIn  time.Duration // until Error.RetryAt when the fault ended; 0 or less if nothing was to be waited for

	recovered time.Duration
	memory    float64 // MiB
}

func (f fault) meet(t *testing.T, p place, c caller, plain bool) (m meeting) {
	m.caller = c
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, c, plain)
		w.opaque = f.opaque
		if (f.wire != 0 || f.name == serverDown) && p == fhir { // a base that cannot be reached at all is what the row of discovery has
			w.token()
			w.freshConnections()
		}
		if f.warm > 0 {
			w.call()
			time.Sleep(f.warm)
		}
		before, refused := w.creates(), w.refusals()
		f.strike(w, p, true)
		w.made, w.attempts = [places]int{}, nil

		var memory, grown runtime.MemStats
		runtime.ReadMemStats(&memory)
		begin := time.Now()
		m.answer = w.call()
		m.took = time.Since(begin)
		runtime.ReadMemStats(&grown)
		m.memory = float64(grown.TotalAlloc-memory.TotalAlloc) / (1 << 20)
		synctest.Wait() // what a call has set off in the background is its own, too, as far as it takes no time
		m.made, m.attempts = w.requests(), w.attempts
		m.refused = w.refusals() - refused
		creates := w.creates()
		for body, times := range creates {
			m.sent = max(m.sent, times-before[body])
		}

		f.strike(w, p, false)
		if plain { // who cannot renew a token does not recover from all
			return
		}
		end, refused := time.Now(), w.refusals()
		if e := (*smartauth.Error)(nil); errors.As(m.answer.err, &e) {
			m.retryIn = time.Until(e.RetryAt)
		}
		for w.call().String() != "201" {
			if time.Since(end) > 2*time.Minute {
				t.Fatal("no recovery within two minutes")
			}
			time.Sleep(callEvery)
		}
		m.recovered = time.Since(end)
		w.sentOnce(creates, w.refusals()-refused)
	})
	return m
}

// cells are those of the document.
func (f fault) cells(p place, m meeting) string {
	took := m.took
	if want := f.expected(p); p != fhir && f.tries > 0 && want.least != want.most { // as long as jitter may make it
		n := len(m.attempts)
		took = time.Duration(n)*want.most + time.Second<<(n-1) - time.Second - 1
	}
	return fmt.Sprintf("%v | %d, %d, %d | %s | %s | ≤ %d MiB |", m.answer, m.made[discovery], m.made[token], m.made[fhir],
		inSeconds(took), inSeconds(m.recovered), f.memory(p, m))
}

func inSeconds(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "at once"
	case d%(10*time.Millisecond) == 0:
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	case d%time.Second < 10*time.Millisecond:
		return fmt.Sprintf("%d s", d/time.Second)
	default:
		return fmt.Sprintf("< %d s", d/time.Second+1)
	}
}

// rows returns those of a fault, one for all callers that it means the same to.
func (f fault) rows(found []meeting, p place) string {
	var kinds [][]string
	var cells []string
	for _, m := range found {
		cell := f.cells(p, m)
		i := 0
		for i < len(cells) && cells[i] != cell {
			i++
		}
		if i == len(cells) {
			cells, kinds = append(cells, cell), append(kinds, nil)
		}
		kinds[i] = append(kinds[i], m.caller.name)
	}
	var rows strings.Builder
	for i := range cells {
		with := strings.Join(kinds[i], ", ")
		if len(kinds[i]) == len(callers) {
			with = "any"
		}
		fmt.Fprintf(&rows, "| %s | %s | %s\n", f.name, with, cells[i])
	}
	return rows.String()
}

func TestFaultMatrix(t *testing.T) {
	_, _ = bomb(), certificates()
	var doc strings.Builder
	whole := true
	for p := range places {
		fmt.Fprintf(&doc, "\n### At %s\n\n| fault | client | the caller sees | requests: discovery, token, FHIR | after | recovered after | memory |\n"+
			"|---|---|---|---|---|---|---|\n", p)
		for _, f := range faults() {
			if !f.applies(p) {
				continue
			}
			var found []meeting
			for _, c := range callers {
				t.Run(fmt.Sprintf("%v/%s/%s", p, f.name, strings.ReplaceAll(c.name, "/", "-")), func(t *testing.T) {
					m := f.meet(t, p, c, false)
					if found = append(found, m); p == fhir {
						f.checkAgainst(t, m, f.meet(t, p, c, true))
					} else {
						f.checkAcquisitions(t, p, m)
					}
					f.checkMemory(t, p, m)
				})
			}
			whole = whole && len(found) == len(callers)
			_, _ = doc.WriteString(f.rows(found, p))
		}
	}
	if whole && !t.Failed() { // -run may have left some out
		compare(t, "../../../docs/reliability.md", doc.String())
	}
}
