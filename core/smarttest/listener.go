package smarttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
)

// A network is what the servers of a sandbox listen on and its clients dial.
type network interface {
	listen(addr string) (l net.Listener, host string, err error) // host is what goes into URLs
	dial(ctx context.Context, network, addr string) (net.Conn, error)
}

type loopback struct{ dialer net.Dialer }

func (n *loopback) listen(addr string) (net.Listener, string, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", fmt.Errorf("smarttest: %q is not host:port: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, "", fmt.Errorf("smarttest: %q is not a loopback address; the sandbox is not to be reached from elsewhere", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, "", fmt.Errorf("smarttest: %w", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return l, net.JoinHostPort(host, port), nil
}

func (n *loopback) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.dialer.DialContext(ctx, network, addr)
}

// memory is a network of its own, without sockets: goroutines that wait for it are durably blocked, as testing/synctest
// calls it, while those that wait for a socket are not.
type memory struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	nextPort  int
}

func newMemory() *memory {
	return &memory{listeners: make(map[string]*memoryListener), nextPort: 18080}
}

// memoryKey makes the names of loopback one, as they are over a socket.
func memoryKey(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func (n *memory) listen(addr string) (net.Listener, string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr == "" {
		addr = "localhost:" + strconv.Itoa(n.nextPort)
		n.nextPort++
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, "", fmt.Errorf("smarttest: %q is not host:port: %w", addr, err)
	}
	key := memoryKey(addr)
	if n.listeners[key] != nil {
		return nil, "", fmt.Errorf("smarttest: %s is in use", addr)
	}
	l := &memoryListener{addr: memoryAddr(addr), conns: make(chan net.Conn), closed: make(chan struct{})}
	l.forget = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.listeners, key)
	}
	n.listeners[key] = l
	return l, addr, nil
}

var errRefused = errors.New("connection refused: nothing listens there in the sandbox's memory")

func (n *memory) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[memoryKey(addr)]
	n.mu.Unlock()
	failed := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: memoryAddr(addr), Err: err}
	}
	if l == nil {
		return nil, failed(errRefused)
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, failed(errRefused)
	case <-ctx.Done():
		return nil, failed(ctx.Err())
	}
}

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

type memoryListener struct {
	addr   memoryAddr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	forget func()
}

func (l *memoryListener) Addr() net.Addr { return l.addr }

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.forget()
	})
	return nil
}
