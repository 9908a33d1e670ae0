package reliability

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A place is where a fault is.
type place int

const (
	discovery place = iota
	token
	keys
	fhir
	places
)

func (p place) String() string {
	return [places]string{"discovery", "the token endpoint", "the JWKS that the authorization server reads", "the FHIR server"}[p]
}

// A fault is a row of the matrix, in up to four places.
type fault struct {
	name  string
	where []place          // nil means all
	http  *smarttest.Fault // an answer
	wire  trouble          // or a connection
	begin func(*world, place)
	end   func(*world, place)
	warm  time.Duration // how long before there was a call; 0 means that this is the first
	large bool          // the answer is

	kind  smartauth.Kind // of the error where the fault keeps the client from a token
	tries int            // requests that are made there; 0 means that the row's call succeeds
}

const serverDown = "server down, then up again"

func retryAfter(value func() string) *smarttest.Fault {
	return &smarttest.Fault{Handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", value())
		w.WriteHeader(http.StatusServiceUnavailable)
	}}
}

func status(code int) fault {
	f := fault{name: fmt.Sprint(code), http: &smarttest.Fault{Status: code}, kind: smartauth.Refused, tries: 1}
	if code == 408 || code == 429 || code >= 500 {
		f.kind, f.tries = smartauth.Temporary, 3
	}
	return f
}

// bomb is 64 MiB of zeros within a few kilobytes.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	return b.Bytes()
})

var noise = bytes.Repeat([]byte(" "), 1<<16)

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(noise); err != nil {
			return
		}
	}
}

// faults are in the order of the document.
func faults() []fault {
	http200 := func(f smarttest.Fault) *smarttest.Fault { return &f }
	const temporary, refused = smartauth.Temporary, smartauth.Refused
	all := []fault{
		{name: "none", where: []place{fhir}},
		{name: "refused connection", wire: refusedConnection, kind: temporary, tries: 3},
		{name: "DNS failure", wire: unknownHost, kind: temporary, tries: 3},
		{name: "TLS handshake failure", wire: badHandshake, kind: temporary, tries: 3},
		{name: "hang in the TLS handshake", wire: silentHandshake, kind: temporary, tries: 1},
		{name: "wrong certificate", wire: wrongCertificate, kind: temporary, tries: 3},
		{name: "hang before the header", http: http200(smarttest.Fault{Hang: true}), kind: temporary, tries: 1},
		{name: "hang within the body", http: http200(smarttest.Fault{Hang: true, Part: 20}), kind: temporary, tries: 1},
		{name: "reset before the header", http: http200(smarttest.Fault{Reset: true}), kind: temporary, tries: 3},
		{name: "reset within the body", http: http200(smarttest.Fault{Reset: true, Part: 20}), kind: temporary, tries: 3},
		{name: "slow drip, a byte a second", http: http200(smarttest.Fault{Drip: time.Second}), kind: temporary, tries: 1},
	}
	for _, code := range []int{400, 401, 403, 404, 408, 429, 500, 502, 503, 504} {
		all = append(all, status(code))
	}
	all = append(all, []fault{
		{name: "503, Retry-After: 2 s", http: retryAfter(func() string { return "2" }), kind: temporary, tries: 3},
		{name: "503, Retry-After: 30 s", http: retryAfter(func() string { return "30" }), kind: temporary, tries: 1},
		{name: "503, Retry-After: date in 30 s", http: retryAfter(func() string {
			return time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
		}), kind: temporary, tries: 1},
		{name: "503, Retry-After: epoch in 30 s", http: retryAfter(func() string {
			return strconv.FormatInt(time.Now().Add(30*time.Second).Unix(), 10)
		}), kind: temporary, tries: 1},
		{name: "503, Retry-After: nonsense", http: retryAfter(func() string { return "soon" }), kind: temporary, tries: 3},
		{name: "503, Retry-After: a year", http: retryAfter(func() string { return "31536000" }), kind: temporary, tries: 1},
		{name: "HTML", http: http200(smarttest.Fault{Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}}), kind: refused, tries: 1},
		{name: "gzip bomb", http: http200(smarttest.Fault{Handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb())
		}}), kind: refused, tries: 1, large: true},
		{name: "endless body", http: http200(smarttest.Fault{Handler: endless}), kind: refused, tries: 1, large: true},
		{name: "wrong content type", http: http200(smarttest.Fault{Header: http.Header{"Content-Type": {"image/png"}}})},
		{name: "redirect loop", http: http200(smarttest.Fault{Handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}}), kind: refused, tries: 1},
	}...)
	for _, off := range []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		for _, off := range []time.Duration{off, -off} {
			all = append(all, fault{name: fmt.Sprintf("clock off by %+.0f s", off.Seconds()), where: []place{token, fhir},
				begin: func(w *world, p place) { setClock(w, p, off) },
				end:   func(w *world, p place) { setClock(w, p, 0) }})
		}
	}
	return append(all, []fault{
		{name: "key rotated at the server first", where: []place{keys}, kind: refused, tries: 1,
			begin: func(w *world, _ place) { w.next = w.RotateKey("the-client") },
			end:   func(w *world, _ place) { w.signer.put(w.next) }},
		{name: "503, two hours after the first call", where: []place{discovery}, warm: 2 * time.Hour, http: http200(smarttest.Fault{Status: 503})},
		{name: "hang, two hours after the first call", where: []place{discovery}, warm: 2 * time.Hour, http: http200(smarttest.Fault{Hang: true})},
		{name: "401 with an endless body", where: []place{fhir}, large: true, http: http200(smarttest.Fault{Handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			endless(w, r)
		}})},
		{name: "token revoked", where: []place{fhir}, warm: 2 * time.Minute, begin: func(w *world, _ place) { w.RevokeAll() }},
		{name: serverDown, where: []place{token, fhir}, kind: temporary, tries: 3,
			begin: func(w *world, p place) { down(w, p, true) },
			end:   func(w *world, p place) { down(w, p, false) }},
		{name: "restarted on a new port, all tokens gone", where: []place{token}, warm: 2 * time.Minute, begin: func(w *world, _ place) { w.restart() }},
	}...)
}

// setClock moves that of the FHIR server alone, or those of both servers.
func setClock(w *world, p place, off time.Duration) {
	w.SetClockOffset(smarttest.FHIRServer, off)
	if p == token {
		w.SetClockOffset(smarttest.AuthServer, off)
	}
}

func down(w *world, p place, down bool) {
	host := smarttest.AuthServer
	if p == fhir {
		host = smarttest.FHIRServer
	}
	if err := w.SetDown(host, down); err != nil {
		w.Fatal(err)
	}
}

func isTLS(err error) bool {
	var header tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &header) || errors.As(err, &alert) || errors.As(err, &certificate)
}

// strike makes the fault begin, or end.
func (f fault) strike(w *world, p place, begin bool) {
	switch {
	case f.wire != 0 && p == keys:
		w.troubleKeys(f.wire, begin)
	case f.wire != 0:
		addr, tr := authAddr, f.wire
		if p != token {
			addr = fhirAddr
		}
		if !begin {
			tr = 0
		}
		w.wire.set(addr, tr)
	case f.http != nil:
		w.Clear()
		for _, e := range map[place][]smarttest.Endpoint{discovery: {smarttest.Discovery, smarttest.Metadata}, token: {smarttest.TokenEndpoint},
			keys: {smarttest.JWKS}, fhir: {smarttest.FHIR}}[p] {
			if begin {
				w.Fail(e, *f.http)
			}
		}
	case begin && f.begin != nil:
		f.begin(w, p)
	case !begin && f.end != nil:
		f.end(w, p)
	}
}

func (f fault) applies(p place) bool {
	if f.where == nil {
		return true
	}
	for _, q := range f.where {
		if p == q {
			return true
		}
	}
	return false
}

// A cell is what was found.
type cell struct {
	seen      string
	made      [places]int
	took      time.Duration
	recovered time.Duration
	memory    int
}

// meet lets a caller meet the fault, and then its end.
func (f fault) meet(t *testing.T, p place) (c cell) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if (f.wire != 0 || f.name == serverDown) && p == fhir { // a base that cannot be reached at all is what the row of discovery has
			if _, err := w.src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.freshConnections()
		}
		if f.warm > 0 {
			w.call()
			time.Sleep(f.warm)
		}
		w.made = [places]int{}
		refusals := w.Counts().FHIRUnauthorized
		f.strike(w, p, true)

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		c.seen = w.call()
		c.took = time.Since(begin)
		runtime.ReadMemStats(&after)
		if c.memory = 4; f.large {
			c.memory = [places]int{128, 8, 8, 4}[p]
		}
		if got := int((after.TotalAlloc - before.TotalAlloc) >> 20); got > c.memory {
			t.Errorf("the call allocated %d MiB, want at most %d", got, c.memory)
		}
		w.mu.Lock()
		c.made = w.made
		w.mu.Unlock()
		f.check(t, p, c)

		f.strike(w, p, false)
		end, retryAt := time.Now(), w.retryAt
		for w.call() != "201" {
			if time.Since(end) > 2*time.Minute {
				t.Fatal("no recovery within two minutes")
			}
			time.Sleep(50 * time.Millisecond)
		}
		c.recovered = time.Since(end)
		if late := time.Since(retryAt); c.recovered > 0 && !retryAt.IsZero() && late > 50*time.Millisecond {
			t.Errorf("recovered %v after Error.RetryAt", late)
		}
		w.sentOnce(w.Counts().FHIRUnauthorized - refusals)
	})
	return c
}

// meetOverSockets is for certificates of JWKS: in memory the sandbox reads them without TLS.
func (f fault) meetOverSockets(t *testing.T, p place) (c cell) {
	s := smarttest.New(t, smarttest.Options{})
	cfg := s.NewClient(smarttest.ClientOptions{ID: "the-client"})
	good := s.JWKSURL("the-client")
	wrong := httptest.NewUnstartedServer(http.NotFoundHandler())
	wrong.Config.ErrorLog = log.New(io.Discard, "", 0)
	wrong.StartTLS()
	defer wrong.Close()
	s.RegisterJWKSURL("the-client", wrong.URL)
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Server: s}
	_, err = src.Token(t.Context())
	c = cell{seen: w.seen(err), memory: 4}
	c.made[discovery], c.made[token] = s.Counts().Discovery, s.Counts().TokenRequests
	f.check(t, p, c)
	s.RegisterJWKSURL("the-client", good)
	c.recovered = time.Until(w.retryAt).Round(100 * time.Millisecond)
	time.Sleep(time.Until(w.retryAt))
	if _, err := src.Token(t.Context()); err != nil {
		t.Error(err)
	}
	return c
}

// check has the rules that hold beside the cells of the document.
func (f fault) check(t *testing.T, p place, c cell) {
	switch p {
	case discovery, token:
		if f.tries == 0 {
			break
		}
		phase := map[place]smartauth.Phase{discovery: smartauth.PhaseDiscover, token: smartauth.PhaseExchange}[p]
		if want := fmt.Sprintf("`%s` error of %s", f.kind, phase); c.seen != want {
			t.Errorf("%s, want %s", c.seen, want)
		}
		tries := f.tries
		switch {
		case p == discovery && f.name == "404":
			tries = 2 // the CapabilityStatement, too
		case p == discovery && f.name == "redirect loop":
			tries = 6
		}
		if c.made[p] != tries {
			t.Errorf("%d requests, want %d", c.made[p], tries)
		}
		if c.made[fhir] != 0 || p == discovery && c.made[token] != 0 {
			t.Errorf("requests %v went further than the fault", c.made)
		}
	case keys:
		if c.made[fhir] != 0 && f.tries != 0 {
			t.Errorf("a request went to the FHIR server without a token")
		}
	case fhir:
		if code := fmt.Sprint(statusOf(f)); code != "0" && c.seen != code {
			t.Errorf("%s, want the server's own %s", c.seen, code)
		}
		if c.made[fhir] > 4 && f.name != "redirect loop" {
			t.Errorf("%d requests to the FHIR server", c.made[fhir])
		}
	}
	if c.took > callerPatience {
		t.Errorf("the caller waited for %v", c.took)
	}
}

// statusOf returns the one that a fault answers with, 0 if it does something else.
func statusOf(f fault) int {
	if f.http == nil {
		return 0
	}
	return f.http.Status
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

func TestFaultMatrix(t *testing.T) {
	_, _ = bomb(), certificates()
	var doc strings.Builder
	whole := true
	for p := range places {
		fmt.Fprintf(&doc, "\n### At %s\n\n| fault | the caller sees | requests: discovery, token, FHIR | after | recovered after | memory |\n|---|---|---|---|---|---|\n", p)
		for _, f := range faults() {
			if !f.applies(p) {
				continue
			}
			met := false
			t.Run(p.String()+"/"+f.name, func(t *testing.T) {
				met = true
				meet := f.meet
				if p == keys && f.wire == wrongCertificate {
					meet = f.meetOverSockets
				}
				c := meet(t, p)
				_, _ = fmt.Fprintf(&doc, "| %s | %s | %d, %d, %d | %s | %s | ≤ %d MiB |\n", f.name, c.seen, c.made[discovery], c.made[token], c.made[fhir],
					inSeconds(c.took), inSeconds(c.recovered), c.memory)
			})
			whole = whole && met
		}
	}
	if whole && !t.Failed() { // -run may have left some out
		compare(t, "../../../docs/reliability.md", doc.String())
	}
}
