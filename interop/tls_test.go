package interop

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// An assertion goes to a server that is authenticated, by TLS 1.2 or later, and to no other.
func TestTLS(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trusted bool
		most    uint16
		err     string
	}{
		{"TLS 1.3", true, tls.VersionTLS13, ""},
		{"TLS 1.2", true, tls.VersionTLS12, ""},
		{"TLS 1.1", true, tls.VersionTLS11, "protocol version not supported"},
		{"certificate of nobody known", false, tls.VersionTLS13, "certificate signed by unknown authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var posts atomic.Int32
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				posts.Add(1)
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "bearer", "expires_in": 300})
			}))
			srv.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tt.most}
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			defer srv.Close()

			signer, err := smartauth.NewSigner(generateKey(t, "ES384"), "")
			if err != nil {
				t.Fatal(err)
			}
			cfg := smartauth.Config{BaseURL: srv.URL, TokenURL: srv.URL + "/token", ClientID: "app", Signer: signer, Scopes: []string{scope}}
			if tt.trusted {
				transport := http.DefaultTransport.(*http.Transport).Clone()
				transport.TLSClientConfig = &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
				defer transport.CloseIdleConnections()
				cfg.HTTPClient = &http.Client{Transport: transport}
			}
			src, err := smartauth.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = src.Token(t.Context())
			if tt.err == "" {
				if err != nil || posts.Load() != 1 {
					t.Errorf("%d posts, error %v", posts.Load(), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want one about %q", err, tt.err)
			}
			if n := posts.Load(); n != 0 {
				t.Errorf("%d assertions were sent", n)
			}
		})
	}
}
