package reliability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

const (
	fhirAddr, authAddr, movedAddr = "fhir.test:443", "auth.test:443", "auth.test:8443"
	fhirBase                      = "https://fhir.test/fhir/DEFAULT"
	tokenURL                      = "https://auth.test/oauth2/token"

	callerPatience = 20 * time.Second
	callerReads    = 1 << 20
)

// A world is a client, a sandbox and the wire between them.
type world struct {
	*testing.T
	*smarttest.Server
	wire   *wire
	cfg    smartauth.Config
	src    *smartauth.Source
	client *http.Client
	signer *swapSigner
	log    lockedBuffer

	transport *http.Transport
	next      smartauth.Signer // after a rotation

	mu   sync.Mutex
	made [places]int // requests of the client, by place
	sent int         // of the caller's
	told []string    // errors that the caller has seen

	retryAt time.Time // of the last *smartauth.Error
}

// swapSigner is a key that can be replaced.
type swapSigner struct {
	atomic.Pointer[smartauth.Signer]
}

func (s *swapSigner) put(k smartauth.Signer)    { s.Store(&k) }
func (s *swapSigner) Current() smartauth.Signer { return *s.Load() }
func (s *swapSigner) Algorithms() []string      { return s.Current().Algorithms() }
func (s *swapSigner) KeyID() string             { return s.Current().KeyID() }
func (s *swapSigner) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	return s.Current().Sign(ctx, alg, input)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func newWorld(t *testing.T) *world {
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // a bubble begins in 2000, when epochs were shorter
	w := &world{T: t, Server: smarttest.New(t, smarttest.Options{InMemory: true, Audience: tokenURL}), signer: &swapSigner{}}
	w.wire = &wire{dialer: w.Transport().DialContext, routes: map[string]string{}, troubles: map[string]trouble{}}
	w.wire.route(fhirAddr, w.FHIROrigin())
	w.wire.route(authAddr, w.AuthOrigin())
	w.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = tokenURL })

	transport := w.wire.transport()
	w.transport = transport
	counting := roundTripper(func(r *http.Request) (*http.Response, error) {
		w.mu.Lock()
		w.made[placeOf(r)]++
		w.mu.Unlock()
		return transport.RoundTrip(r)
	})
	w.cfg = w.NewClient(smarttest.ClientOptions{ID: "the-client"})
	w.signer.put(w.cfg.Signer)
	w.cfg.Signer = w.signer
	w.cfg.BaseURL, w.cfg.HTTPClient = fhirBase, &http.Client{Transport: counting}
	w.cfg.Observer = smartauth.NewLogObserver(slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	src, err := smartauth.New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.src = src
	w.client = smarthttp.NewClient(src, &http.Client{Transport: counting, Timeout: callerPatience})
	t.Cleanup(func() { // before the sandbox closes
		time.Sleep(time.Minute) // for what is under way in the background
		transport.CloseIdleConnections()
		if n := w.wire.open.Load(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		w.lookForSecrets()
	})
	return w
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func placeOf(r *http.Request) place {
	switch {
	case r.URL.Hostname() == "auth.test":
		return token
	case strings.HasSuffix(r.URL.Path, "/.well-known/smart-configuration"), strings.HasSuffix(r.URL.Path, "/metadata"):
		return discovery
	default:
		return fhir
	}
}

// call creates a resource of its own, which no retry below it may do twice, and returns what the caller sees.
func (w *world) call() string {
	w.mu.Lock()
	w.sent++
	body := fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":"call-%d"}]}`, w.sent)
	w.mu.Unlock()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, fhirBase+"/Patient", strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/fhir+json")
	resp, err := w.client.Do(r)
	if err != nil {
		return w.seen(err)
	}
	defer resp.Body.Close()
	n, err := io.CopyN(io.Discard, resp.Body, callerReads)
	switch {
	case err == nil:
		return fmt.Sprintf("%d, and %d MiB of a body that goes on", resp.StatusCode, n>>20)
	case err != io.EOF:
		return fmt.Sprintf("%d, then %s", resp.StatusCode, w.seen(err))
	}
	return fmt.Sprint(resp.StatusCode)
}

// seen tells an error by its types; no text is matched.
func (w *world) seen(err error) string {
	w.mu.Lock()
	w.told = append(w.told, fmt.Sprintf("%v\n%+v\n%#v", err, err, err))
	w.mu.Unlock()
	var e *smartauth.Error
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	what := "the error of net/http"
	switch {
	case errors.As(err, &e):
		w.retryAt = e.RetryAt
		return fmt.Sprintf("`%s` error of %s", e.Kind, e.Phase)
	case errors.As(err, &timeout) && timeout.Timeout():
		what = "its own timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		what = "the refused connection"
	case errors.As(err, &dns):
		what = "the DNS error"
	case isTLS(err):
		what = "the TLS error"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "the end of the connection"
	}
	return what
}

// lookForSecrets looks at all that was told and logged.
func (w *world) lookForSecrets() {
	all := w.log.String() + strings.Join(w.told, "\n")
	for _, r := range w.Requests() {
		if bearer := r.Bearer(); bearer != "" && strings.Contains(all, bearer) {
			w.Error("an access token was told")
		}
	}
	for _, a := range w.Assertions() {
		if jti, _ := a.Claims["jti"].(string); jti == "" || strings.Contains(all, jti) {
			w.Error("an assertion was told, or has no jti")
		}
	}
	if strings.Contains(all, "eyJ") || strings.Contains(all, "Bearer ey") {
		w.Errorf("something shaped like a token was told:\n%s", all)
	}
}

// sentOnce checks that no assertion went out twice, and each create no more often than its refusals allow.
func (w *world) sentOnce(fhirRefusals int) {
	w.Helper()
	jtis := map[any]bool{}
	for _, a := range w.Assertions() {
		if jtis[a.Claims["jti"]] {
			w.Error("an assertion was sent twice")
		}
		jtis[a.Claims["jti"]] = true
	}
	bodies := map[string]int{}
	for _, r := range w.Requests(smarttest.FHIR) {
		if r.Method == http.MethodPost {
			if bodies[string(r.Body)]++; bodies[string(r.Body)] > 1+min(fhirRefusals, 3) {
				w.Errorf("%s was sent %d times after %d refusals", r.Body, bodies[string(r.Body)], fhirRefusals)
			}
		}
	}
}

// freshConnections ends those that there are.
func (w *world) freshConnections() { w.transport.CloseIdleConnections() }

// troubleKeys moves the client's keys to where the authorization server meets the trouble, or back.
func (w *world) troubleKeys(tr trouble, begin bool) {
	url := w.JWKSURL("the-client")
	if begin {
		switch tr {
		case refusedConnection:
			url = "http://localhost:1/keys"
		case unknownHost: // in memory the two are the same
			url = "http://nobody.test:80/keys"
		case badHandshake:
			url = strings.Replace(url, "http://", "https://", 1)
		case silentHandshake:
			silent, err := w.Serve("", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			if err != nil {
				w.Fatal(err)
			}
			url = silent
		}
	}
	w.RegisterJWKSURL("the-client", url)
}

// restart puts another sandbox in the place of this one: it knows the client and none of its tokens, and its token endpoint has
// another port.
func (w *world) restart() {
	moved := "https://" + movedAddr + "/oauth2/token"
	next := smarttest.New(w.T, smarttest.Options{InMemory: true, Audience: moved})
	public := w.signer.Current().(smartauth.PublicSigner)
	next.RegisterJWKS("the-client", smarttest.Key{KeyID: public.KeyID(), PublicKey: public.Public()})
	next.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = moved })
	w.wire.mu.Lock()
	w.wire.dialer = next.Transport().DialContext
	w.wire.mu.Unlock()
	w.wire.route(fhirAddr, next.FHIROrigin())
	w.wire.route(movedAddr, next.AuthOrigin())
	w.wire.route(authAddr, "")
	w.freshConnections()
}
