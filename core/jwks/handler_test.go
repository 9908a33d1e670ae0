package jwks_test

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/jwks"
)

// quiet keeps what the test provokes out of the output, and returns what was logged.
func quiet(tb testing.TB) *bytes.Buffer {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	tb.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

func TestHandler(t *testing.T) {
	keys := jwks.Keys{{KeyID: "a", PublicKey: newEC(elliptic.P256()).Public()}, {KeyID: "b", PublicKey: rsa2048().Public()}}
	document := string(must(jwks.Marshal(keys...)))
	srv := httptest.NewServer(jwks.Handler(keys, 5*time.Minute))
	defer srv.Close()
	etag := ""
	for _, c := range []struct {
		name, method, ifNoneMatch string
		status                    int
		body                      string
	}{
		{"GET", "GET", "", 200, document},
		{"HEAD", "HEAD", "", 200, ""},
		{"the same", "GET", "%", 304, ""},
		{"the same, weak", "GET", "W/%", 304, ""},
		{"the same, of several", "GET", `"x", %, "y"`, 304, ""},
		{"the same, HEAD", "HEAD", "%", 304, ""},
		{"any", "GET", "*", 304, ""},
		{"another", "GET", `"x"`, 200, document},
		{"not quoted", "GET", "x", 200, document},
		{"POST", "POST", "", 405, "method not allowed\n"},
		{"PUT", "PUT", "", 405, "method not allowed\n"},
		{"OPTIONS", "OPTIONS", "", 405, "method not allowed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := must(http.NewRequest(c.method, srv.URL, nil))
			if c.ifNoneMatch != "" {
				r.Header.Set("If-None-Match", strings.ReplaceAll(c.ifNoneMatch, "%", etag))
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body := must(io.ReadAll(resp.Body))
			if resp.StatusCode != c.status || string(body) != c.body {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, body, c.status, c.body)
			}
			if c.status == 405 {
				if allow := resp.Header.Get("Allow"); allow != "GET, HEAD" {
					t.Errorf("Allow: %q", allow)
				}
				return
			}
			if got := resp.Header.Get("Cache-Control"); got != "public, max-age=300" {
				t.Errorf("Cache-Control: %q", got)
			}
			if c.status == 200 && (resp.Header.Get("Content-Type") != "application/json" || resp.ContentLength != int64(len(document))) {
				t.Errorf("%s of %d bytes", resp.Header.Get("Content-Type"), resp.ContentLength)
			}
			if etag == "" {
				etag = resp.Header.Get("ETag")
			}
			if got := resp.Header.Get("ETag"); got != etag || !strings.HasPrefix(etag, `"`) {
				t.Errorf("ETag: %s", got)
			}
		})
	}
	noPrivateMember(t, []byte(document))
}

func TestHandlerTagsWhatItServes(t *testing.T) {
	tag := func(keys jwks.Keys) string {
		w := httptest.NewRecorder()
		jwks.Handler(keys, 0).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control: %q", got)
		}
		return w.Header().Get("ETag")
	}
	a, b := jwks.KeyOf(newSigner("a")), jwks.KeyOf(newSigner("b"))
	if one := tag(jwks.Keys{a}); one != tag(jwks.Keys{a}) || one == tag(jwks.Keys{a, b}) {
		t.Error("the tag does not go with the keys")
	}
}

type failing struct{ err error }

func (f failing) PublicKeys() ([]jwks.Key, error) { return nil, f.err }

func TestHandlerWithoutKeys(t *testing.T) {
	for name, src := range map[string]jwks.Source{
		"error":         failing{errors.New("marker: the vault is sealed")},
		"duplicate kid": jwks.Keys{jwks.KeyOf(newSigner("marker")), jwks.KeyOf(newSigner("marker"))},
		"private key":   jwks.Keys{{KeyID: "marker", PublicKey: rsa2048()}},
	} {
		log := quiet(t)
		w := httptest.NewRecorder()
		jwks.Handler(src, time.Hour).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 500 || w.Body.String() != "the keys are not available\n" || w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "" {
			t.Errorf("%s: %d %q %v", name, w.Code, w.Body, w.Header())
		}
		if !strings.Contains(log.String(), "marker") {
			t.Errorf("%s: logged %q", name, log)
		}
	}
}
