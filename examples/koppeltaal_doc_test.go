package examples_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

func Example_koppeltaal() {
	ctx := context.Background()
	srv, pem, baseURL, clientID := yours()
	defer srv.Close()
	keyDirectory, err := os.MkdirTemp("", "smartauth-doc-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(keyDirectory) }()
	if err := os.WriteFile(filepath.Join(keyDirectory, "a.pem"), pem, 0o600); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()

	ring, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(keyDirectory, nil)})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/keys/5f2c81", jwks.Handler(ring, ring.MaxAge()))

	origin, err := srv.Serve("", mux)
	if err != nil {
		log.Fatal(err)
	}
	jwksURL := origin + "/keys/5f2c81"
	srv.RegisterJWKSURL(clientID, jwksURL)
	config := smartauth.Config{BaseURL: baseURL, ClientID: clientID, Signer: ring}

	config.Observer = koppeltaal.NewTraceObserver() // token requests are in the trace of what they are for
	src, err := smartauth.New(config)
	if err != nil {
		log.Fatal(err)
	}
	traced := &http.Client{Transport: &koppeltaal.TraceTransport{Base: http.DefaultTransport}}
	client := smarthttp.NewClient(src, traced) // the trace is below: a new request id for a request that is sent again, too

	report := doctor.Run(ctx, doctor.Options{Config: config, JWKSURL: jwksURL}) // once the keys are published: listen first
	if report.Status == doctor.Red {
		log.Print(report.Support())
	}

	ctx = koppeltaal.NewTrace(ctx) // in a job; in a handler behind TraceMiddleware r.Context() has the trace
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, src.BaseURL()+"/Patient?_count=1", nil)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	_ = resp.Body.Close()
	fmt.Println(report.Status, resp.Status)
	// Output: ok 200 OK
}

// The settings between containers are ones that New takes.
func TestContainerSettings(t *testing.T) {
	signer, clientID := smarttest.New(t, smarttest.Options{}).NewClient(smarttest.ClientOptions{}).Signer, "my-app"
	config := smartauth.Config{
		BaseURL:       "http://fhir-server:8080/fhir/DEFAULT",
		TokenURL:      "http://auth-service:5000/oauth2/token",
		Audience:      "http://localhost:8080/fhir/oauth2/token",
		InsecureHosts: []string{"fhir-server", "auth-service"},
		ClientID:      clientID,
		Signer:        signer,
	}
	if _, err := smartauth.New(config); err != nil {
		t.Error(err)
	}
}

// Every Go snippet of docs/koppeltaal.md is a run of statements in an Example or test, as those of the README are.
func TestKoppeltaalSnippets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "koppeltaal.md"))
	if err != nil {
		t.Fatal(err)
	}
	bodies := tested(t, ".")
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(snippets) != 3 {
		t.Errorf("%d snippets found, want 3", len(snippets))
	}
	for _, s := range snippets {
		file, err := parser.ParseFile(token.NewFileSet(), "koppeltaal.md", "package p\nfunc _() {\n"+s[1]+"\n}", 0)
		if err != nil {
			t.Errorf("this snippet is no Go: %v\n%s", err, s[1])
			continue
		}
		snippet := statements(t, file.Decls[0].(*ast.FuncDecl).Body)
		if !slices.ContainsFunc(bodies, func(body []string) bool { return contains(body, snippet) }) {
			t.Errorf("this snippet is in no Example or test:\n%s", s[1])
		}
	}
}
