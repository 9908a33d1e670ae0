package reliability

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

const (
	fhirAddr, authAddr, movedAddr, keysAddr = "fhir.test:443", "auth.test:443", "auth.test:8443", "keys.test:443"
	fhirBase                                = "https://fhir.test/fhir/DEFAULT"
	tokenURL                                = "https://auth.test/oauth2/token"
)

// A world is a client, a sandbox and the wire between them.
type world struct {
	*testing.T
	*smarttest.Server
	wire   *wire
	src    *smartauth.Source
	send   sender
	signer *swapSigner
	opaque bool // the bodies of calls
	log    lockedBuffer

	transport *http.Transport
	servers   []*smarttest.Server // the one, and those that took its place
	next      smartauth.Signer    // after a rotation

	mu       sync.Mutex
	made     [places]int // requests of the client, by place
	attempts []attempt   // of the HTTP client that the caller has
	sent     int         // of the caller's
	told     []string    // errors that the caller has seen

	bodies atomic.Int32 // of responses that nobody has closed
}

// An attempt is what the caller's kind of client repeats, and what we do within.
type attempt struct {
	begin time.Time
	took  time.Duration
	made  [places]int
	err   error
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

// newWorld makes one for a caller, who has a fixed token in place of a source if it is to be plain.
func newWorld(t *testing.T, c caller, plain bool) *world {
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // a bubble begins in 2000, when epochs were shorter
	w := &world{T: t, Server: smarttest.New(t, smarttest.Options{InMemory: true, Audience: tokenURL}), signer: &swapSigner{}}
	w.servers = []*smarttest.Server{w.Server}
	direct := w.Transport().DialContext
	w.wire = &wire{dialer: direct, routes: map[string]string{}, troubles: map[string]trouble{}}
	w.Transport().DialContext = w.wire.dialKeys(direct)
	w.wire.route(fhirAddr, w.FHIROrigin())
	w.wire.route(authAddr, w.AuthOrigin())
	w.wire.route(keysAddr, strings.TrimSuffix(w.JWKSURL(""), "/keys/"))
	w.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = tokenURL })

	w.transport = w.wire.transport()
	counting := roundTripper(func(r *http.Request) (*http.Response, error) {
		w.mu.Lock()
		w.made[placeOf(r)]++
		w.mu.Unlock()
		resp, err := w.transport.RoundTrip(r)
		if err == nil {
			w.bodies.Add(1)
			resp.Body = &openBody{resp.Body, sync.OnceFunc(func() { w.bodies.Add(-1) })}
		}
		return resp, err
	})
	cfg := w.NewClient(smarttest.ClientOptions{ID: "the-client"})
	w.signer.put(cfg.Signer)
	cfg.Signer = w.signer
	cfg.BaseURL, cfg.HTTPClient = fhirBase, &http.Client{Transport: counting}
	cfg.Observer = smartauth.NewLogObserver(slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.src = src
	source, fixed := src, ""
	if plain {
		source, fixed = nil, w.token()
	}
	send, client := c.open(t, source, fixed, &http.Client{Transport: counting, Timeout: attemptPatience})
	w.send, client.Transport = send, w.watch(client.Transport)
	t.Cleanup(func() { // before the sandbox closes
		time.Sleep(time.Minute) // for what is under way in the background
		w.nothingOpen()
		w.lookForSecrets()
	})
	return w
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// watch notes the attempts.
func (w *world) watch(below http.RoundTripper) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		begin, before := time.Now(), w.requests()
		resp, err := below.RoundTrip(r)
		made := w.requests()
		for p := range made {
			made[p] -= before[p]
		}
		w.mu.Lock()
		w.attempts = append(w.attempts, attempt{begin, time.Since(begin), made, err})
		w.mu.Unlock()
		return resp, err
	}
}

func (w *world) requests() [places]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.made
}

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

func (w *world) token() string {
	tok, err := w.src.Token(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return tok.AccessToken()
}

// call creates a resource of its own.
func (w *world) call() answer {
	w.mu.Lock()
	w.sent++
	family := fmt.Sprint("call-", w.sent)
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(w.Context(), callPatience)
	defer cancel()
	a := w.send(ctx, request{http.MethodPost, fhirBase + "/Patient", patient(family, w.opaque), w.opaque})
	if a.err != nil {
		w.mu.Lock()
		w.told = append(w.told, fmt.Sprintf("%v\n%+v\n%#v", a.err, a.err, a.err))
		w.mu.Unlock()
	} else if wrong := wrongAnswer(a.body, family); a.status == http.StatusCreated && wrong != "" {
		w.Errorf("201, and in the body is %s", wrong)
	}
	return a
}

// freshConnections ends those that there are.
func (w *world) freshConnections() { w.transport.CloseIdleConnections() }

// trouble makes one begin between those who talk at a place, or end.
func (w *world) trouble(p place, tr trouble, begin bool) {
	addr := map[place]string{discovery: fhirAddr, token: authAddr, keys: keysAddr, fhir: fhirAddr}[p]
	if !begin {
		tr = 0
	}
	w.wire.set(addr, tr)
	if p == keys { // elsewhere they are on plain http; from here on not, so that the recovery shows that the wire was the trouble
		w.RegisterJWKSURL("the-client", "https://keys.test/keys/the-client")
	}
}

// restart puts another sandbox in the place of this one: it knows the client and none of its tokens, and its token endpoint has
// another port.
func (w *world) restart() {
	moved := "https://" + movedAddr + "/oauth2/token"
	next := smarttest.New(w.T, smarttest.Options{InMemory: true, Audience: moved})
	w.servers = append(w.servers, next)
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
