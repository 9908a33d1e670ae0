package reliability

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A trouble is a way for connections to an address to fail.
type trouble int

const (
	refusedConnection trouble = iota + 1
	unknownHost
	badHandshake
	silentHandshake
	wrongCertificate
)

// A wire is a network with TLS between a client and a sandbox in memory.
type wire struct {
	dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	open   atomic.Int32 // connections

	mu       sync.Mutex
	routes   map[string]string // from what a client dials to where the sandbox listens
	troubles map[string]trouble
}

func (w *wire) set(addr string, tr trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubles[addr] = tr
}

func (w *wire) route(addr, origin string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.routes[addr] = strings.TrimPrefix(origin, "http://")
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	target, tr, dial := w.routes[addr], w.troubles[addr], w.dialer
	w.mu.Unlock()
	switch {
	case tr == refusedConnection || target == "":
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	case tr == unknownHost:
		host, _, _ := net.SplitHostPort(addr)
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	plain, err := dial(ctx, network, target)
	if err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	go terminate(server, plain, tr)
	w.open.Add(1)
	return &wireConn{Conn: client, closed: sync.OnceFunc(func() { w.open.Add(-1) })}, nil
}

// dialKeys is for the authorization server, which reads JWKS over TLS at one address only.
func (w *wire) dialKeys(direct func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == keysAddr {
			return w.dial(ctx, network, addr)
		}
		return direct(ctx, network, addr)
	}
}

type wireConn struct {
	net.Conn
	closed func()
}

func (c *wireConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// terminate ends TLS on behalf of the sandbox.
func terminate(server, plain net.Conn, tr trouble) {
	defer plain.Close()
	defer server.Close()
	name := "*.test"
	switch tr {
	case wrongCertificate:
		name = "elsewhere.example"
	case badHandshake, silentHandshake:
		_, _ = server.Read(make([]byte, 1<<14))
		if tr == badHandshake {
			_, _ = server.Write([]byte{21, 3, 3, 0, 2, 2, 40}) // the alert handshake_failure
			return
		}
		_ = server.SetReadDeadline(time.Now().Add(45 * time.Second)) // the authorization server has no limit of its own
		_, _ = io.Copy(io.Discard, server)
		return
	}
	buffered := newQueue(server)
	defer buffered.flush()
	conn := tls.Server(buffered, &tls.Config{Certificates: []tls.Certificate{certificates()[name]}})
	if conn.Handshake() != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(plain, conn)
		_ = plain.Close()
	})
	_, _ = io.Copy(conn, plain)
	buffered.flush()
	_ = server.Close()
	wg.Wait()
}

// A queue writes in the background, as a socket does: in a handshake both sides may write at once.
type queue struct {
	net.Conn
	waiting chan []byte
	drained chan struct{}
	flush   func()
}

func newQueue(conn net.Conn) *queue {
	q := &queue{Conn: conn, waiting: make(chan []byte, 16), drained: make(chan struct{})}
	q.flush = sync.OnceFunc(func() {
		close(q.waiting)
		<-q.drained
	})
	go func() {
		defer close(q.drained)
		for p := range q.waiting {
			_, _ = q.Conn.Write(p) // the reader's end tells of errors
		}
	}()
	return q
}

func (q *queue) Write(p []byte) (int, error) {
	q.waiting <- bytes.Clone(p)
	return len(p), nil
}

// certificates are self-signed.
var certificates = sync.OnceValue(func() map[string]tls.Certificate {
	found := map[string]tls.Certificate{}
	for _, name := range []string{"*.test", "elsewhere.example"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
			IsCA: true, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			panic(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		found[name] = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	}
	return found
})

func roots() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certificates() {
		pool.AddCert(c.Leaf)
	}
	return pool
}

func (w *wire) transport() *http.Transport {
	return &http.Transport{DialContext: w.dial, MaxIdleConnsPerHost: 4,
		TLSHandshakeTimeout: 10 * time.Second} // as http.DefaultTransport has it
}
