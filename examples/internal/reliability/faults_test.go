package reliability

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
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
	off   time.Duration // or a clock

	// lacking makes the sandbox have no smart-configuration before the fault begins.
	lacking bool
	warm    time.Duration // how long before there was a call; 0 means that this is the first
	large   bool          // the answer is
	heals   bool          // the 401 that it brings
	opaque  bool          // the body of the call cannot be read again
	revoked bool          // the token is, too

	// What an acquisition comes to, where the fault is in the way of one: see expected.
	kind  smartauth.Kind
	tries int           // requests that are made there; 0 means that the call succeeds
	lasts time.Duration // if not as long as the pauses between the tries
	after time.Duration // Retry-After, as far as it is heeded
	made  [places]int   // requests of a call that succeeds; by default one of each
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

// bombSize is more than what is read of anything.
const bombSize = 20 << 20

// bomb is zeros within a few kilobytes.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range bombSize / len(zeros) {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	return b.Bytes()
})

var noise = bytes.Repeat([]byte(" "), 1<<20)

// endless writes 2 MiB at once, which is more than callers and limits take, and then 1 MiB a second.
func endless(w http.ResponseWriter, r *http.Request) {
	for i := 0; r.Context().Err() == nil; i++ {
		if _, err := w.Write(noise); err != nil {
			return
		}
		if i == 0 {
			continue
		}
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
		}
	}
}

// faults are in the order of the document.
func faults() []fault {
	http200 := func(f smarttest.Fault) *smarttest.Fault { return &f }
	const temporary, refused, permanent = smartauth.Temporary, smartauth.Refused, smartauth.Permanent
	sendBomb := http200(smarttest.Fault{Handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb())
	}})
	in30s := func() time.Time { return time.Now().Add(30 * time.Second) }
	all := []fault{
		{name: "none", where: []place{fhir}},
		{name: "refused connection", wire: refusedConnection, kind: temporary, tries: 3},
		{name: "DNS failure", wire: unknownHost, kind: temporary, tries: 3},
		{name: "TLS handshake failure", wire: badHandshake, kind: temporary, tries: 3},
		{name: "hang in the TLS handshake", wire: silentHandshake, kind: temporary, tries: 1, lasts: 10 * time.Second},
		{name: "wrong certificate", wire: wrongCertificate, kind: temporary, tries: 3},
		{name: "hang before the header", http: http200(smarttest.Fault{Hang: true}), kind: temporary, tries: 1, lasts: 15 * time.Second},
		{name: "hang within the body", http: http200(smarttest.Fault{Hang: true, Part: 20}), kind: temporary, tries: 1, lasts: 15 * time.Second},
		{name: "reset before the header", http: http200(smarttest.Fault{Reset: true}), kind: temporary, tries: 3},
		{name: "reset within the body", http: http200(smarttest.Fault{Reset: true, Part: 20}), kind: temporary, tries: 3},
		{name: "slow drip, a byte a second", http: http200(smarttest.Fault{Drip: time.Second}), kind: temporary, tries: 1, lasts: 15 * time.Second},
	}
	for _, code := range []int{400, 401, 403, 404, 408, 429, 500, 502, 503, 504} {
		all = append(all, status(code))
	}
	all = append(all, []fault{
		{name: "400, invalid_scope", where: []place{token}, kind: permanent, tries: 1,
			http: http200(smarttest.Fault{Status: 400, Body: `{"error":"invalid_scope"}`})},
		{name: "503, Retry-After: 2 s", http: retryAfter(func() string { return "2" }),
			kind: temporary, tries: 3, lasts: 4 * time.Second, after: 2 * time.Second},
		{name: "503, Retry-After: 30 s", http: retryAfter(func() string { return "30" }), kind: temporary, tries: 1, after: 30 * time.Second},
		{name: "503, Retry-After: date in 30 s", http: retryAfter(func() string { return in30s().UTC().Format(http.TimeFormat) }),
			kind: temporary, tries: 1, after: 30 * time.Second},
		{name: "503, Retry-After: epoch in 30 s", http: retryAfter(func() string { return strconv.FormatInt(in30s().Unix(), 10) }),
			kind: temporary, tries: 1, after: 30 * time.Second},
		{name: "503, Retry-After: nonsense", http: retryAfter(func() string { return "soon" }), kind: temporary, tries: 3},
		{name: "503, Retry-After: a year", http: retryAfter(func() string { return "31536000" }), kind: temporary, tries: 1, after: time.Minute},
		{name: "HTML", http: http200(smarttest.Fault{Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}}), kind: refused, tries: 1},
		{name: "gzip bomb", http: sendBomb, kind: refused, tries: 1, large: true},
		{name: "gzip bomb as CapabilityStatement", where: []place{discovery}, lacking: true, http: sendBomb, kind: refused, tries: 2, large: true},
		{name: "endless body", http: http200(smarttest.Fault{Handler: endless}), kind: refused, tries: 1, large: true},
		{name: "wrong content type", http: http200(smarttest.Fault{Header: http.Header{"Content-Type": {"image/png"}}})},
		{name: "redirect loop", http: http200(smarttest.Fault{Times: 100, Handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}}), kind: refused, tries: 1},
	}...)
	for _, off := range []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		for _, off := range []time.Duration{off, -off} {
			all = append(all, fault{name: fmt.Sprintf("clock off by %+.0f s", off.Seconds()), where: []place{token, fhir}, off: off})
		}
	}
	return append(all, []fault{
		{name: "key rotated at the server first", where: []place{keys}, kind: refused, tries: 1,
			begin: func(w *world, _ place) { w.next = w.RotateKey("the-client") },
			end:   func(w *world, _ place) { w.signer.put(w.next) }},
		{name: "503, two hours after the first call", where: []place{discovery}, warm: 2 * time.Hour, http: http200(smarttest.Fault{Status: 503})},
		{name: "hang, two hours after the first call", where: []place{discovery}, warm: 2 * time.Hour, http: http200(smarttest.Fault{Hang: true}),
			lasts: 3 * time.Second},
		{name: "503, in the last 20 s of the token", where: []place{token}, warm: 280 * time.Second, http: http200(smarttest.Fault{Status: 503}),
			made: [places]int{token: 1, fhir: 1}},
		{name: "503, when the token has expired", where: []place{token}, warm: 10 * time.Minute, http: http200(smarttest.Fault{Status: 503}),
			kind: temporary, tries: 3},
		{name: "503, and the token was revoked", where: []place{token}, warm: 2 * time.Minute, revoked: true, kind: temporary, tries: 3,
			begin: func(w *world, _ place) {
				w.RevokeAll()
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
			},
			end: func(w *world, _ place) { w.Clear() }},
		{name: "401 with an endless body", where: []place{fhir}, large: true, http: http200(smarttest.Fault{Handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			endless(w, r)
		}})},
		{name: "token revoked", where: []place{fhir}, warm: 2 * time.Minute, heals: true, begin: func(w *world, _ place) { w.RevokeAll() }},
		{name: "token revoked, and the body can be read only once", where: []place{fhir}, warm: 2 * time.Minute, heals: true, opaque: true,
			begin: func(w *world, _ place) { w.RevokeAll() }},
		{name: serverDown, where: []place{token, fhir}, kind: temporary, tries: 3,
			begin: func(w *world, p place) { down(w, p, true) },
			end:   func(w *world, p place) { down(w, p, false) }},
		{name: "restarted on a new port after two minutes, all tokens gone", where: []place{token}, warm: 2 * time.Minute,
			begin: func(w *world, _ place) { w.restart() }, made: [places]int{discovery: 1, token: 2, fhir: 2}},
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
	case f.wire != 0:
		w.trouble(p, f.wire, begin)
	case f.off != 0 && begin:
		setClock(w, p, f.off)
	case f.off != 0:
		setClock(w, p, 0)
	case f.http != nil:
		w.Clear()
		if !begin {
			return
		}
		for _, e := range map[place][]smarttest.Endpoint{discovery: {smarttest.Discovery, smarttest.Metadata}, token: {smarttest.TokenEndpoint},
			keys: {smarttest.JWKS}, fhir: {smarttest.FHIR}}[p] {
			w.Fail(e, *f.http)
		}
		if f.lacking {
			w.Fail(smarttest.Discovery, smarttest.Fault{Status: http.StatusNotFound})
		}
	case begin && f.begin != nil:
		f.begin(w, p)
	case !begin && f.end != nil:
		f.end(w, p)
	}
}

func (f fault) applies(p place) bool { return f.where == nil || slices.Contains(f.where, p) }
