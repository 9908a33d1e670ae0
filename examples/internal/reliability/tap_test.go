package reliability

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A tap sees what a client sends to the FHIR server, below the adapter and the stack. It does not pass CloseIdleConnections on:
// go-retryablehttp calls that whenever a call gives up, and net/http then fails other requests that are about to use one.
type tap struct {
	base *http.Transport

	mu      sync.Mutex
	bearers map[string]*use
}

// use is what became of a token at the FHIR server.
type use struct {
	call    time.Time // when the latest attempt began that sent it
	refused time.Time // when the first 401 to it came, zero if none did
}

// A send is one HTTP request of a call.
type send struct {
	bearer     string
	begin, end time.Time // until the header came
	status     int       // 0 if none came
	opaque     bool      // its body cannot be made anew
}

// RoundTrip implements http.RoundTripper. The context of r knows the attempt that it is part of.
func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	o := r.Context().Value(attemptKey{}).(*attempted)
	s := send{bearer: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), begin: time.Now(),
		opaque: r.Body != nil && r.Body != http.NoBody && r.GetBody == nil}
	p.mu.Lock()
	u := p.bearers[s.bearer]
	if u == nil {
		u = &use{}
		p.bearers[s.bearer] = u
	}
	if o.begin.After(u.call) {
		u.call = o.begin
	}
	p.mu.Unlock()

	resp, err := p.base.RoundTrip(r)
	s.end = time.Now()
	if err == nil {
		s.status = resp.StatusCode
	}
	if s.status == http.StatusUnauthorized {
		p.mu.Lock()
		if u.refused.IsZero() {
			u.refused = s.end
		}
		p.mu.Unlock()
	}
	o.sends = append(o.sends, s)
	return resp, err
}

// A tokenRequest is one that reached the sandbox.
type tokenRequest struct {
	jti string
	at  time.Time
}

// tokenRequests are those that reached the sandbox, by client.
type tokenRequests struct {
	mu   sync.Mutex
	from map[string][]tokenRequest
}

func (q *tokenRequests) of(client string) []tokenRequest {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.from[client]
}

func (q *tokenRequests) arrived(r smarttest.Request) {
	if r.Endpoint != smarttest.TokenEndpoint {
		return
	}
	one := tokenRequest{at: time.Now()}
	form, _ := url.ParseQuery(string(r.Body))
	var claims struct{ Iss, Jti string } // what cannot be read stays empty, and is nobody's
	if parts := strings.Split(form.Get("client_assertion"), "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(text, &claims)
	}
	one.jti = claims.Jti
	q.mu.Lock()
	defer q.mu.Unlock()
	q.from[claims.Iss] = append(q.from[claims.Iss], one)
}
