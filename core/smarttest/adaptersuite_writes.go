package smarttest

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// sameWrites tests that a body in memory goes out in as many writes as it does where no bearer goes: net/http sends it with
// the header if it can see what it is.
func sameWrites(t *testing.T, f *fixture) {
	var writes atomic.Int64
	dial := f.Transport().DialContext
	f.Transport().DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &countedConn{c, &writes}, nil
	}
	origin, err := f.Serve("files.example.test:80", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	f.acquire(t)
	f.play(http.StatusCreated)
	count := func(c Call, status int) int64 {
		before := writes.Load()
		f.send(t, c, status)
		synctest.Wait()
		return writes.Load() - before
	}
	for name, body := range map[string]func() any{
		"bytes":          func() any { return []byte("bytes") },
		"string":         func() any { return "a string" },
		"JSON":           func() any { return JSON{patient()} },
		"form":           func() any { return url.Values{"identifier": {"a"}} },
		"bytes.Buffer":   func() any { return bytes.NewBufferString("a buffer") },
		"bytes.Reader":   func() any { return bytes.NewReader([]byte("a reader")) },
		"strings.Reader": func() any { return strings.NewReader("a reader") },
	} {
		without := count(Call{Method: http.MethodPost, URL: origin + "/file", Body: body()}, http.StatusNotFound)
		if with := count(f.post(body()), http.StatusCreated); with != without {
			t.Errorf("%s: %d writes to the connection, and %d where no bearer goes", name, with, without)
		}
	}
}

type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}
