package smarttest

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// An Endpoint is a part of the sandbox that is counted and that can be made to fail.
type Endpoint int

// The endpoints.
const (
	Other         Endpoint = iota // anything that is none of the following
	Discovery                     // /.well-known/smart-configuration of the FHIR server, and of the authorization server
	Metadata                      // the CapabilityStatement
	TokenEndpoint                 // the token endpoint
	JWKS                          // the clients' keys, as far as the sandbox hosts them
	FHIR                          // everything else of the FHIR server
	Introspection                 // the introspection endpoint
	Authorization                 // the authorization endpoint, of the Koppeltaal profile only
	endpoints
)

// String returns the name of the endpoint.
func (e Endpoint) String() string {
	names := [endpoints]string{"Other", "Discovery", "Metadata", "TokenEndpoint", "JWKS", "FHIR", "Introspection", "Authorization"}
	if e < 0 || e >= endpoints {
		return "Endpoint(?)"
	}
	return names[e]
}

// A Fault is a way for an endpoint to fail.
//
// Status, Body and Handler answer in place of the endpoint, which then does not see the request. The others concern the
// response only: the endpoint has done its work (a jti is burnt, a token issued, a resource stored), but the answer comes
// changed, late or never, which is the worse case for a client. They can be combined.
type Fault struct {
	// Times is how many requests it affects; 0 means all until [Server.Clear] or another [Server.Fail].
	Times int

	// Status is the status to answer with; 0 means 200 if there is a Body.
	Status int

	// Body is sent as text/plain unless Header says otherwise.
	Body string

	// Header replaces fields of the response; a field without values is removed, Date included.
	Header http.Header

	// Delay withholds the response, until the client leaves or the sandbox closes at the latest.
	Delay time.Duration

	// Hang withholds the response for ever, until the client leaves or the sandbox closes.
	Hang bool

	// CloseConnection closes the connection instead of responding.
	CloseConnection bool

	// Reset is CloseConnection by a TCP reset. In memory the two are the same.
	Reset bool

	// Part is how many bytes of the body are sent before Hang, CloseConnection or Reset take effect. 0 means that not even the
	// header is; a body that is not longer comes whole.
	Part int

	// Drip sends the body byte by byte, so far apart.
	Drip time.Duration

	// Handler answers for anything else. The body of its request was read and can be read again.
	Handler http.HandlerFunc
}

func (f *Fault) replaces() bool {
	return f != nil && (f.Status != 0 || f.Body != "" || f.Handler != nil)
}

func (f *Fault) answer(w http.ResponseWriter, r *http.Request) {
	if f.Handler != nil {
		f.Handler(w, r)
		return
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	if f.Body != "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, f.Body)
}

// writeSlowly writes b as far as Part and Drip let it.
func (w *response) writeSlowly(b []byte) (n int, err error) {
	f := w.fault
	step := len(b)
	if f.Drip > 0 {
		step = 1
	}
	for n < len(b) && err == nil {
		if f.Part > 0 {
			if w.sent >= f.Part {
				w.withhold(Fault{Hang: f.Hang, CloseConnection: f.CloseConnection, Reset: f.Reset})
			}
			step = min(step, f.Part-w.sent)
		}
		if f.Drip > 0 {
			w.withhold(Fault{Delay: f.Drip})
		}
		var written int
		written, err = w.ResponseWriter.Write(b[n:min(n+step, len(b))])
		n, w.sent = n+written, w.sent+written
		if err == nil {
			err = http.NewResponseController(w.ResponseWriter).Flush()
		}
	}
	return n, err
}

type faultSet struct {
	mu  sync.Mutex
	set [endpoints][]Fault
}

// Fail makes an endpoint fail, in place of what was set for it before. Several faults take effect one after the other: the
// next begins when the Times of the one before are used up. Requests under way are not affected.
func (s *Server) Fail(e Endpoint, faults ...Fault) {
	faults = slices.Clone(faults)
	for i := range faults {
		faults[i].Header = faults[i].Header.Clone()
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.set[e] = faults
}

// Clear ends the faults of the endpoints, of all if none is named. Responses already withheld stay so.
func (s *Server) Clear(es ...Endpoint) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if len(es) == 0 {
		s.faults.set = [endpoints][]Fault{}
	}
	for _, e := range es {
		s.faults.set[e] = nil
	}
}

// take returns the fault for the next request, nil if there is none.
func (f *faultSet) take(e Endpoint) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.set[e]) == 0 {
		return nil
	}
	fault := f.set[e][0]
	if fault.Times > 0 {
		if f.set[e][0].Times--; f.set[e][0].Times == 0 {
			f.set[e] = f.set[e][1:]
		}
	}
	return &fault
}
