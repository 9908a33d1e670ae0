package smartauth_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
)

func TestNetworkHints(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error // nil: no answer
		want string
	}{
		{"silent", nil, "a firewall or proxy"},
		{"unknown name", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "fhir.example.nl"}}, "cannot be looked up"},
		{"nothing listens", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "nothing listens"},
		{"certificate", &tls.CertificateVerificationError{Err: errors.New("x509: certificate signed by unknown authority")}, "not one that this machine trusts"},
		{"plain http", http.ErrSchemeMismatch, "speaks plain http"},
		{"closed", io.EOF, ""},
	} {
		for phase, where := range map[smartauth.Phase]string{smartauth.PhaseDiscover: "Config.BaseURL", smartauth.PhaseExchange: "Config.TokenURL"} {
			t.Run(c.name+" at "+string(phase), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, src := sandbox(t, func(cfg *smartauth.Config) {
						if phase == smartauth.PhaseExchange {
							cfg.TokenURL = "http://localhost/token"
						}
						cfg.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
							if c.err == nil {
								<-r.Context().Done()
								return nil, r.Context().Err()
							}
							return nil, c.err
						})}
					})
					_, err := src.Token(t.Context())
					var e *smartauth.Error
					if !errors.As(err, &e) || e.Phase != phase {
						t.Fatalf("error %v, want one of %s", err, phase)
					}
					hints := strings.Join(e.Hints, "; ")
					if c.want == "" && hints != "" || !strings.Contains(hints, c.want) || c.want != "" && !strings.Contains(hints, where) {
						t.Errorf("hints %q, want %q and %s", hints, c.want, where)
					}
				})
			})
		}
	}
}
