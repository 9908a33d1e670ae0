package smarthttp_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A GetBody may rewind the reader that the transport below is still sending from, as go-retryablehttp's does for files.
func TestBodyIsNotRewoundWhileItIsSent(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		content := pattern(10 << 10)
		shared := struct{ io.ReadSeeker }{bytes.NewReader(content)}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/Patient", shared)
		if err != nil {
			t.Fatal(err)
		}
		r.GetBody = func() (io.ReadCloser, error) {
			_, err := shared.Seek(0, io.SeekStart)
			return io.NopCloser(shared), err
		}
		base := &eager{read: 1000}
		resp, err := (&smarthttp.Transport{Source: s.src, Base: base}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !bytes.Equal(base.again, content) {
			t.Errorf("status %d, sent again with %d bytes of %d", resp.StatusCode, len(base.again), len(content))
		}
	})
}

// The 401 must not keep the only connection from the token request that heals it.
func TestOneConnectionForEverything(t *testing.T) {
	var tokens atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		body := `{"access_token":"first","token_type":"bearer","scope":"x"}`
		if tokens.Add(1) > 1 {
			body = `{"access_token":"second","token_type":"bearer","scope":"x"}`
		}
		_, _ = io.WriteString(w, body)
	})
	mux.HandleFunc("/fhir/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer second" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		}
	})
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)

	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	t.Cleanup(client.CloseIdleConnections)
	cfg := smarttest.New(t, smarttest.Options{}).NewClient(smarttest.ClientOptions{}) // for the key
	cfg.BaseURL, cfg.TokenURL, cfg.HTTPClient = front.URL+"/fhir", front.URL+"/token", client
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := smarthttp.NewClient(src, client).Get(front.URL + "/fhir/Patient")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || tokens.Load() != 2 {
		t.Errorf("status %d after %d tokens, want 200 after 2", resp.StatusCode, tokens.Load())
	}
}
