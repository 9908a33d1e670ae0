package peer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/smartauth-go/smartauth/internal/peer"
)

func TestDate(t *testing.T) {
	h := http.Header{"Date": {"Tue, 24 Nov 2026 12:00:00 GMT"}}
	if got := peer.Date(h); got.IsZero() {
		t.Error("the Date was not read")
	}
	h.Set("Age", "3")
	if got := peer.Date(h); !got.IsZero() {
		t.Error("a response from a cache taught the clock")
	}
	if got := peer.Date(http.Header{"Date": {"yesterday"}}); !got.IsZero() {
		t.Error("nonsense taught the clock")
	}
}

func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{context.DeadlineExceeded, "a firewall or proxy"},
		{&net.OpError{Op: "read", Err: timeout{}}, "a firewall or proxy"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "fhir.example.nl"}}, "cannot be looked up"},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "nothing listens"},
		{&tls.CertificateVerificationError{Err: errors.New("x509: unknown authority")}, "not one that this machine trusts"},
		{http.ErrSchemeMismatch, "speaks plain http"},
		{context.Canceled, ""},
		{io.EOF, ""},
	} {
		if got := peer.Trouble(c.err); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }
