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
	"testing/synctest"

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

// Of a smart-configuration and a token response 1 MiB is read, of a CapabilityStatement 16 MiB. What reading them allocates is a
// few times that.
func TestHugeResponsesTakeBoundedMemory(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()

	for endpoint, most := range map[smarttest.Endpoint]uint64{smarttest.TokenEndpoint: 8, smarttest.Discovery: 8, smarttest.Metadata: 100} {
		for name, handler := range map[string]http.HandlerFunc{
			"endless": func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"access_token":"`) },
			"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb.Bytes())
			},
		} {
			t.Run(fmt.Sprint(endpoint, " ", name), func(t *testing.T) {
				srv, src := sandboxWith(t, smarttest.Options{}, nil)
				srv.Fail(smarttest.Discovery, smarttest.Fault{Status: http.StatusNotFound}) // so that there is a need for the CapabilityStatement
				srv.Fail(endpoint, smarttest.Fault{Handler: handler})
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := src.Token(t.Context())
				runtime.ReadMemStats(&after)
				if err == nil || !strings.Contains(err.Error(), "larger than allowed") {
					t.Errorf("error %v", err)
				}
				if grew := (after.TotalAlloc - before.TotalAlloc) >> 20; grew >= most {
					t.Errorf("%d MiB were allocated, want less than %d", grew, most)
				}
			})
		}
	}
}

func TestLargestDocuments(t *testing.T) {
	for endpoint, most := range map[smarttest.Endpoint]int{smarttest.Discovery: 1 << 20, smarttest.Metadata: 16 << 20} {
		for _, beyond := range []int{0, 1} {
			t.Run(fmt.Sprint(endpoint, " ", most+beyond), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv, src := sandbox(t, nil)
					tokenURL := srv.AuthOrigin() + "/oauth2/token"
					doc := fmt.Sprintf(`{"token_endpoint":%q,"rest":[{"security":{"extension":[{"url":
						"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris","extension":[{"url":"token","valueUri":%[1]q}]}]}}]}`, tokenURL)
					srv.Fail(smarttest.Discovery, smarttest.Fault{Status: http.StatusNotFound})
					srv.Fail(endpoint, smarttest.Fault{Body: doc + strings.Repeat(" ", most+beyond-len(doc))})
					if _, err := src.Metadata(t.Context()); (err == nil) != (beyond == 0) {
						t.Errorf("error %v", err)
					}
				})
			})
		}
	}
}

// A failure is what its status says, however much comes with it.
func TestLargeFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		page := strings.Repeat("x", 2<<20)
		srv.Fail(smarttest.Discovery, smarttest.Fault{Status: http.StatusNotFound, Body: page})
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusServiceUnavailable, Body: page, Times: 1})
		if _, err := src.Token(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
