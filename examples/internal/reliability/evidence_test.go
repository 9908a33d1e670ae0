package reliability

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing/synctest"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// What servers have received, and callers were told, until now.

func (w *world) assertions() []smarttest.Assertion {
	var all []smarttest.Assertion
	for _, s := range w.servers {
		all = append(all, s.Assertions()...)
	}
	return all
}

// creates counts the requests by their bodies.
func (w *world) creates() map[string]int {
	sent := map[string]int{}
	for _, s := range w.servers {
		for _, r := range s.Requests(smarttest.FHIR) {
			if r.Method == http.MethodPost {
				sent[string(r.Body)]++
			}
		}
	}
	return sent
}

// refusals are answers of FHIR servers that were 401.
func (w *world) refusals() int {
	n := 0
	for _, s := range w.servers {
		n += s.Counts().FHIRUnauthorized
	}
	return n
}

var tokenShaped = regexp.MustCompile(`eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]|Bearer ey`) // thumbprints of keys may have eyJ in them

// lookForSecrets looks at all that was told and logged.
func (w *world) lookForSecrets() {
	all := w.log.String() + strings.Join(w.told, "\n")
	for _, s := range w.servers {
		for _, r := range s.Requests() {
			if bearer := r.Bearer(); bearer != "" && strings.Contains(all, bearer) {
				w.Error("an access token was told")
			}
		}
	}
	for _, a := range w.assertions() {
		if jti, _ := a.Claims["jti"].(string); jti == "" || strings.Contains(all, jti) {
			w.Error("an assertion was told, or has no jti")
		}
	}
	if found := tokenShaped.FindString(all); found != "" {
		w.Errorf("something shaped like a token was told: %s", found)
	}
}

// sentOnce checks that no assertion went out twice, and of the creates none that is not among before, unless it was refused.
func (w *world) sentOnce(before map[string]int, refused int) {
	w.Helper()
	jtis := map[any]bool{}
	for _, a := range w.assertions() {
		if jtis[a.Claims["jti"]] {
			w.Error("an assertion was sent twice")
		}
		jtis[a.Claims["jti"]] = true
	}
	for body, times := range w.creates() {
		if before[body] == 0 && times > 1+min(refused, 3) {
			w.Errorf("%s was sent %d times after %d refusals", body, times, refused)
		}
	}
}

type openBody struct {
	io.ReadCloser
	closed func()
}

func (b *openBody) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

// nothingOpen checks that no connection is in use, and that each response was closed: to wait for its context to end, or a time
// limit, is not enough.
func (w *world) nothingOpen() {
	w.Helper()
	synctest.Wait()
	w.freshConnections()
	synctest.Wait()
	if n, bodies := w.wire.open.Load(), w.bodies.Load(); n != 0 || bodies != 0 {
		w.Errorf("%d connections and %d responses are left open", n, bodies)
	}
}
