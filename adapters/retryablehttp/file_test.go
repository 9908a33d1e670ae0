package smartretryable_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A file is rewound for the resend, while the server that has refused the request may not have read it.
func TestFileBodyIsResentWhole(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	name := filepath.Join(t.TempDir(), "resource.json")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	var got []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusUnauthorized) // without a look at the body
			return
		}
		got, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(srv.Close)
	sandbox := smarttest.New(t, smarttest.Options{})
	cfg := sandbox.NewClient(smarttest.ClientOptions{})
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client := retryablehttp.NewClient()
	client.Logger, client.RetryMax = nil, 0
	if err := smartretryable.Attach(client, src, smarthttp.WithOrigins(srv.URL)); err != nil {
		t.Fatal(err)
	}
	defer client.HTTPClient.CloseIdleConnections()
	for range 3 { // as many renewals as there are at once
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Post(srv.URL, "application/fhir+json", f)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		_ = f.Close()
		if resp.StatusCode != http.StatusCreated || !bytes.Equal(got, content) {
			t.Errorf("status %d, %d bytes arrived of %d, the same: %v", resp.StatusCode, len(got), len(content), bytes.Equal(got, content))
		}
	}
}
