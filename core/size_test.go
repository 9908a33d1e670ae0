package smartauth_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// endless is a response body without end.
func endless(w http.ResponseWriter, first string) {
	_, _ = io.WriteString(w, first)
	for chunk := bytes.Repeat([]byte("x"), 1<<16); ; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestHugeResponsesTakeBoundedMemory(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()

	for _, endpoint := range []smarttest.Endpoint{smarttest.TokenEndpoint, smarttest.Discovery} {
		for name, handler := range map[string]http.HandlerFunc{
			"endless": func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"access_token":"`) },
			"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb.Bytes())
			},
		} {
			t.Run(fmt.Sprint(endpoint, " ", name), func(t *testing.T) {
				srv, src := sandboxWith(t, smarttest.Options{}, nil)
				srv.Fail(endpoint, smarttest.Fault{Handler: handler})
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := src.Token(t.Context())
				runtime.ReadMemStats(&after)
				if err == nil || !strings.Contains(err.Error(), "larger than allowed") {
					t.Errorf("error %v", err)
				}
				if grew := after.TotalAlloc - before.TotalAlloc; grew > 200<<20 {
					t.Errorf("%d MiB were allocated", grew>>20)
				}
			})
		}
	}
}
