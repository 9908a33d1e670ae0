package otelsmart_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// errorType makes one acquisition and returns the error.type of its span, after a look at its metrics: they have the same.
func (w *world) errorType() string {
	w.Helper()
	if _, err := w.src.Token(w.Context()); err == nil {
		w.Fatal("no error")
	}
	w.allEndedSoon()
	for _, s := range w.recorder.Ended() {
		if s.Name() != "smartauth.token.acquire" {
			continue
		}
		if s.Status().Code != codes.Error || s.Status().Description == "" {
			w.Errorf("status %v", s.Status())
		}
		for _, a := range s.Attributes() {
			if a.Key != "error.type" {
				continue
			}
			data := w.metrics()["smartauth.token.acquisition.duration"].Data.(metricdata.Histogram[float64])
			if v, _ := data.DataPoints[0].Attributes.Value(a.Key); v != a.Value {
				w.Errorf("error.type of the metric %q, of the span %q", v.String(), a.Value.String())
			}
			if n := w.points(requests, "error.type")[a.Value.String()]; n != 1 {
				w.Errorf("%d requests with that error.type", n)
			}
			return a.Value.String()
		}
	}
	return ""
}

func (w *world) allEndedSoon() {
	for range 100 {
		if len(w.recorder.Ended()) == len(w.recorder.Started()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestErrorTypesOfResponses(t *testing.T) {
	for want, faults := range map[string][]smarttest.Fault{
		"invalid_client":         {{Status: 401, Body: `{"error":"invalid_client"}`}, {Status: 200, Body: `{"error":"invalid_client"}`}},
		"invalid_request":        {{Status: 400, Body: `{"error":"invalid_request"}`}},
		"invalid_grant":          {{Status: 400, Body: `{"error":"invalid_grant"}`}},
		"invalid_scope":          {{Status: 400, Body: `{"error":"invalid_scope"}`}},
		"unauthorized_client":    {{Status: 400, Body: `{"error":"unauthorized_client"}`}},
		"unsupported_grant_type": {{Status: 400, Body: `{"error":"unsupported_grant_type"}`}},
		"401":                    {{Status: 401, Body: "Access Denied"}, {Status: 401, Body: `{"error":"use_dpop_nonce"}`}},
		"404":                    {{Status: 404}},
		"307":                    {{Status: 307, Header: http.Header{"Location": {"/"}}}},
		"503":                    {{Status: 503}},
		"malformed_response":     {{Body: "<html>"}, {Body: `{}`}, {Body: `{"access_token":"x","expires_in":"soon"}`}, {Body: strings.Repeat(" ", 2<<20)}},
		"invalid_token_type":     {{Body: `{"access_token":"x","token_type":"DPoP"}`}, {Body: `{"access_token":"NOOP"}`}},
		"connection":             {{CloseConnection: true}},
		"timeout":                {{Hang: true}},
	} {
		for _, fault := range faults {
			t.Run(want, func(t *testing.T) {
				inWorld(t, nil, func(w *world) {
					w.Fail(smarttest.TokenEndpoint, fault)
					if got := w.errorType(); got != want {
						w.Errorf("error.type %q, want %q", got, want)
					}
				})
			})
		}
	}
}

func TestErrorTypesOfDiscovery(t *testing.T) {
	for want, fault := range map[string]smarttest.Fault{
		"401":       {Status: 401},
		"503":       {Status: 503},
		"discovery": {Body: "<html>"},
	} {
		t.Run(want, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.Fail(smarttest.Discovery, fault)
				if got := w.errorType(); got != want {
					w.Errorf("error.type %q, want %q", got, want)
				}
			})
		})
	}
}

func TestErrorTypeOfSigning(t *testing.T) {
	for name, err := range map[string]error{"its own": errors.New("the HSM is gone"), "a timeout": context.DeadlineExceeded, "the KMS": &net.DNSError{}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) { w.cfg.Signer = brokenSigner{w.cfg.Signer, err} }, func(w *world) {
				if got := w.errorType(); got != "signing" {
					w.Errorf("error.type %q", got)
				}
			})
		})
	}
}

// What has no response comes from a real network.
func TestErrorTypesOfTheNetwork(t *testing.T) {
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	closed := httptest.NewServer(answer)
	closed.Close()
	plain := httptest.NewServer(answer)
	defer plain.Close()
	untrusted := httptest.NewUnstartedServer(answer)
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	mutual := httptest.NewUnstartedServer(answer)
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	mutual.Config.ErrorLog = untrusted.Config.ErrorLog
	mutual.StartTLS()
	defer mutual.Close()
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.Close() }()

	for name, c := range map[string]struct {
		url, want string
		client    *http.Client
	}{
		"no such host":            {"https://smartauth.invalid/token", "dns", nil},
		"refused":                 {closed.URL, "connection", nil},
		"unknown authority":       {untrusted.URL, "tls", nil},
		"plain http":              {strings.Replace(plain.URL, "http:", "https:", 1), "tls", nil},
		"another host's":          {strings.Replace(untrusted.URL, "127.0.0.1", "localhost", 1), "tls", trusting(untrusted, "wrong.example")},
		"a forged authority":      {untrusted.URL, "tls", &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: namesakes(t, untrusted)}}}},
		"no certificate of ours":  {mutual.URL, "tls", trusting(mutual, "")},
		"a client with a timeout": {"http://" + deaf.Addr().String(), "timeout", &http.Client{Timeout: 50 * time.Millisecond}},
		"a slow handshake":        {"https://" + deaf.Addr().String(), "timeout", &http.Client{Transport: &http.Transport{TLSHandshakeTimeout: 50 * time.Millisecond}}},
		"a slow header":           {"http://" + deaf.Addr().String(), "timeout", &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 50 * time.Millisecond}}},
		"a slow name server":      {"http://", "dns", &http.Client{Transport: failing{&net.DNSError{Err: "i/o timeout", IsTimeout: true}}}},
		"closed too early":        {"http://", "connection", &http.Client{Transport: failing{io.ErrUnexpectedEOF}}},
		"the client's own":        {"http://", "connection", &http.Client{Transport: failing{errors.New("the proxy is gone")}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.HTTPClient = c.client
			w.cfg.TokenURL = c.url
			if c.url == "http://" {
				w.cfg.TokenURL = w.TokenURL()
			}
			w.src = w.source(w.cfg)
			if got := w.errorType(); got != c.want {
				t.Errorf("error.type %q, want %q", got, c.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// trusting is a client that knows the server's authority, and wants a certificate of the name.
func trusting(s *httptest.Server, name string) *http.Client {
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = name
	return &http.Client{Transport: transport}
}

// namesakes are authorities that share nothing with the server's but the name, which makes crypto/x509 quote it.
func namesakes(t *testing.T, s *httptest.Server) *x509.CertPool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := *s.Certificate()
	template.SignatureAlgorithm, template.PublicKey = x509.UnknownSignatureAlgorithm, key.Public()
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool
}
