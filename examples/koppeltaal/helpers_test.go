package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func keyPEM(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// logged is a log that several goroutines write to.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// module is the service as it runs, registered at a sandbox with the JWKS that it serves itself.
type module struct {
	srv    *smarttest.Server
	c      configuration
	pem    []byte
	origin string
	log    *logged
	server *server
	stop   func() error // any number of times
}

func newModule(t *testing.T) *module {
	t.Helper()
	m := &module{srv: smarttest.New(t, smarttest.Options{}), pem: keyPEM(t), log: &logged{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.origin = "http://" + l.Addr().String()
	if m.c.key, err = smartauth.ParseKey(m.pem, ""); err != nil {
		t.Fatal(err)
	}
	m.c.Config = smartauth.Config{BaseURL: m.srv.BaseURL(), ClientID: "my-app", Signer: m.c.key}
	m.c.jwksURL = m.origin + "/keys/5f2c81"
	m.srv.RegisterJWKSURL("my-app", m.c.jwksURL)
	server, err := start(l, m.c, m.logger())
	if err != nil {
		t.Fatal(err)
	}
	m.server = server
	m.stop = sync.OnceValue(server.stop)
	t.Cleanup(func() {
		if err := m.stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *module) logger() *slog.Logger {
	return newLogger(slog.NewJSONHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// form is what a portal has the browser post.
func (m *module) form(edit func(map[string]any)) url.Values {
	return url.Values{"launch": {m.srv.LaunchToken("my-app", edit)}, "iss": {m.srv.BaseURL()}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (m *module) post(t *testing.T, form url.Values) answer {
	t.Helper()
	return m.send(t, http.MethodPost, launchPath, "application/x-www-form-urlencoded", form.Encode())
}

func (m *module) send(t *testing.T, method, path, contentType, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, m.origin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(page)}
}
