package smarttest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Counts are what the sandbox has done so far. Requests are counted when their header arrives, whether a [Fault] answers them
// or not; answers just before they are sent.
type Counts struct {
	Discovery        int // requests for a smart-configuration
	Metadata         int // requests for the CapabilityStatement
	TokenRequests    int
	TokensIssued     int // also if the response was lost on its way
	TokensRefused    int // answers of the token endpoint from 400 up
	JWKS             int // requests for keys that the sandbox hosts; the authorization server makes them
	FHIR             int // requests to the FHIR server, except Discovery and Metadata
	FHIRUnauthorized int // answers of the FHIR server that were 401
	Introspections   int
	Authorizations   int
}

// A Request is one that the sandbox has received.
type Request struct {
	Endpoint   Endpoint
	Method     string
	Host       string
	RequestURI string // path and query as sent
	Header     http.Header
	Body       []byte // nil if it was too large, see [Server]
}

// Bearer returns the token of the Authorization header, empty if there is none.
func (r Request) Bearer() string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return token
}

// What is kept at most; the oldest goes first.
const (
	maxRequests     = 4096
	maxRequestBytes = 32 << 20
	maxAssertions   = 16384
)

type recorder struct {
	mu         sync.Mutex
	arrivals   [endpoints]int
	counts     Counts
	requests   []Request
	bodies     int // bytes in requests
	assertions []*Assertion
	hook       func(Request)
}

// Counts returns the counters.
func (s *Server) Counts() Counts {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	c, n := s.record.counts, &s.record.arrivals
	c.Discovery, c.Metadata, c.TokenRequests = n[Discovery], n[Metadata], n[TokenEndpoint]
	c.JWKS, c.FHIR, c.Introspections, c.Authorizations = n[JWKS], n[FHIR], n[Introspection], n[Authorization]
	return c
}

// Requests returns the latest requests to the endpoints that have arrived whole, to all if none is named, in order of arrival:
// up to 4096, fewer if their bodies are large. They hold the bearers and assertions as sent. Do not change them.
func (s *Server) Requests(es ...Endpoint) []Request {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	if len(es) == 0 {
		return slices.Clone(s.record.requests)
	}
	var found []Request
	for _, r := range s.record.requests {
		if slices.Contains(es, r.Endpoint) {
			found = append(found, r)
		}
	}
	return found
}

// OnRequest has f called for each request when it arrives, before it is answered; the request waits for f. f may
// be called from several goroutines at once. It replaces the previous f; nil ends it.
func (s *Server) OnRequest(f func(Request)) {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	s.record.hook = f
}

func (rec *recorder) count(e Endpoint) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.arrivals[e]++
}

// arrived returns r with the record of its assertion, if it has one.
func (rec *recorder) arrived(e Endpoint, r *http.Request, body []byte) *http.Request {
	request := Request{Endpoint: e, Method: r.Method, Host: r.Host, RequestURI: r.RequestURI, Header: r.Header.Clone(), Body: body}
	var assertion *Assertion
	if e == TokenEndpoint || e == Introspection {
		assertion = decodeAssertion(e, r, body)
	}

	rec.mu.Lock()
	rec.requests = append(rec.requests, request)
	rec.bodies += len(body)
	for len(rec.requests) > maxRequests || rec.bodies > maxRequestBytes {
		rec.bodies -= len(rec.requests[0].Body)
		rec.requests[0] = Request{} // lets go of the body before append moves the slice
		rec.requests = rec.requests[1:]
	}
	if assertion != nil {
		rec.assertions = append(rec.assertions, assertion)
		if len(rec.assertions) > maxAssertions {
			rec.assertions = rec.assertions[1:]
		}
	}
	hook := rec.hook
	rec.mu.Unlock()

	if hook != nil {
		hook(request)
	}
	if assertion != nil {
		r = r.WithContext(context.WithValue(r.Context(), assertionKey{}, assertion))
	}
	return r
}

func (rec *recorder) answered(e Endpoint, status int) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	switch {
	case e == TokenEndpoint && status >= 400:
		rec.counts.TokensRefused++
	case e == FHIR && status == http.StatusUnauthorized:
		rec.counts.FHIRUnauthorized++
	}
}

func (rec *recorder) issued() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.counts.TokensIssued++
}
