package smartresty_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-resty/resty/v2"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// sandbox is a FHIR server, a source for it, and resty clients.
type sandbox struct {
	*smarttest.Server
	src *smartauth.Source
	log *logger
}

func inMemory(t *testing.T, test func(*testing.T, *sandbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &sandbox{Server: smarttest.New(t, smarttest.Options{InMemory: true}), log: &logger{}}
		s.src = s.source(t)
		test(t, s)
	})
}

// source is that of a new client at the sandbox.
func (s *sandbox) source(t *testing.T) *smartauth.Source {
	t.Helper()
	cfg := s.NewClient(smarttest.ClientOptions{})
	cfg.Observer = s.log
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// bare is a client that is not attached.
func (s *sandbox) bare() *resty.Client {
	return resty.NewWithClient(s.Client()).SetBaseURL(s.BaseURL()).SetLogger(s.log)
}

func (s *sandbox) attached(t *testing.T) *resty.Client {
	t.Helper()
	client := s.bare()
	attach(t, client, s.src)
	return client
}

func attach(t *testing.T, client *resty.Client, src smartauth.TokenSource) {
	t.Helper()
	if err := smartresty.Attach(client, src); err != nil {
		t.Fatal(err)
	}
}

// search makes a request that any client may make, and fails the test unless it ends with the status.
func search(t *testing.T, r *resty.Request, status int) *resty.Response {
	t.Helper()
	resp, err := r.Get("/Patient?_count=1")
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode() != status {
		t.Fatalf("status %d, want %d: %s", resp.StatusCode(), status, resp)
	}
	return resp
}

func tokenOf(t *testing.T, src *smartauth.Source) string {
	t.Helper()
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken()
}

// lastBearer is what the FHIR server got last, "" for no bearer.
func (s *sandbox) lastBearer() string {
	all := s.Requests(smarttest.FHIR)
	return all[len(all)-1].Bearer()
}

// refuseOnce makes the FHIR server answer one request with 401.
func (s *sandbox) refuseOnce() {
	s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: http.StatusUnauthorized, Body: "Unauthorized"})
}

// logger keeps what resty writes, and is an Observer that remembers which requests went without a bearer.
type logger struct {
	mu      sync.Mutex
	text    strings.Builder
	skipped []smartauth.SkipReason
}

func (l *logger) write(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *logger) Errorf(format string, args ...any) { l.write("ERROR "+format, args...) }
func (l *logger) Warnf(format string, args ...any)  { l.write("WARN "+format, args...) }
func (l *logger) Debugf(format string, args ...any) { l.write("DEBUG "+format, args...) }

func (l *logger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logger) PhaseStart(ctx context.Context, _ smartauth.PhaseStart) context.Context { return ctx }
func (l *logger) PhaseEnd(context.Context, smartauth.PhaseEnd)                           {}

func (l *logger) BearerSkipped(_ context.Context, s smartauth.BearerSkipped) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skipped = append(l.skipped, s.Reason)
}
