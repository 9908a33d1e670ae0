package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/internal/leakcheck"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }

func quickstart(t *testing.T, environ ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), nil, environ, &o, &e)
	return code, o.String(), e.String()
}

func TestSandbox(t *testing.T) {
	code, out, errOut := quickstart(t, "HOME=/nowhere")
	if code != 0 || errOut != "" {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.Contains(lines[0], "SANDBOX") {
		t.Errorf("the first line is %q", lines[0])
	}
	if got, want := lines[len(lines)-1], "token requests: 2, rejected with 401: 1, failed calls: 0"; got != want {
		t.Errorf("the last line is %q, want %q", got, want)
	}
	var steps []string
	for _, line := range lines[1:] {
		switch {
		case strings.HasPrefix(line, "  ") && strings.Contains(line, " ms "):
			steps = append(steps, strings.Fields(line)[0])
		case line == "  The FHIR server answered 401. Inside the same call:":
			steps = append(steps, "401:")
		}
	}
	if got, want := strings.Join(steps, " "), "discovery signing token search create 401: signing token create"; got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
}

// client returns the environment for a client of a sandbox that is reached as a real server is.
func client(t *testing.T, opts smarttest.Options) (srv *smarttest.Server, environ []string) {
	t.Helper()
	srv = smarttest.New(t, opts)
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	config := srv.NewClient(smarttest.ClientOptions{ID: "my-app", Key: key, KeyID: "2026-a"})
	return srv, []string{"SMART_BASE_URL=" + config.BaseURL, "SMART_CLIENT_ID=my-app", "SMART_KEY_FILE=" + file, "SMART_KEY_ID=2026-a"}
}

func TestRealServer(t *testing.T) {
	srv, environ := client(t, smarttest.Options{Profile: smarttest.SMART})
	code, out, errOut := quickstart(t, append(environ, "SMART_SCOPES=system/Patient.rs", "SMART_READ_PATH=/Patient?_count=2")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	if !strings.Contains(out, "granted scope: system/Patient.rs") || strings.Contains(out, "SANDBOX") {
		t.Errorf("output:\n%s", out)
	}
	if got := srv.Requests(smarttest.FHIR)[0].RequestURI; got != "/fhir/DEFAULT/Patient?_count=2" {
		t.Errorf("read %s", got)
	}
}

func TestRealServerWithOverrides(t *testing.T) {
	srv, environ := client(t, smarttest.Options{Audience: "http://auth-service:5000/oauth2/token"})
	code, _, errOut := quickstart(t, append(environ, "SMART_TOKEN_URL="+srv.TokenURL(), "SMART_AUDIENCE=http://auth-service:5000/oauth2/token",
		"SMART_ALGORITHM=ES384")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errOut)
	}
}

func TestFailures(t *testing.T) {
	srv, environ := client(t, smarttest.Options{})
	for _, c := range []struct {
		name   string
		before func()
		more   []string
		code   int
		err    string
	}{
		{"not approved", func() { srv.SetApproved("my-app", false) }, nil, 1, "not approved"},
		{"no rights", func() { srv.SetApproved("my-app", true); srv.SetRole("my-app", "system/Task.rs") }, nil, 1, "may not read Patient?_count=1"},
		{"no such resource", func() {}, []string{"SMART_READ_PATH=Task/none"}, 1, "answered 404"},
		{"a token that is refused", func() { srv.AlwaysUnauthorized(true) }, nil, 1, "just issued"},
		{"FHIR server broken", func() { srv.Fail(smarttest.FHIR, smarttest.Fault{CloseConnection: true}) }, nil, 1, "EOF"},
		{"no discovery", func() { srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 401}) }, nil, 1, "tenant is missing"},
		{"an algorithm that the key cannot do", func() {}, []string{"SMART_ALGORITHM=RS512"}, 1, "cannot do"},
		{"typ", func() {}, []string{"SMART_ASSERTION_TYP=application/jwt"}, 1, "SMART_ASSERTION_TYP \"application/jwt\" is not a media type"},
		{"audience without token URL", func() {}, []string{"SMART_AUDIENCE=x"}, 1, "SMART_AUDIENCE needs SMART_TOKEN_URL"},
		{"an unknown variable", func() {}, []string{"SMART_CLIENTID=x"}, 2, "SMART_CLIENTID is not known"},
		{"a URL as path", func() {}, []string{"SMART_READ_PATH=https://fhir.example.nl/Patient"}, 2, "SMART_READ_PATH"},
		{"scopes joined by commas", func() {}, []string{"SMART_SCOPES=system/Patient.rs,system/Task.rs"}, 2, "separated by spaces"},
		{"no key file", func() {}, []string{"SMART_KEY_FILE=/nowhere/key.pem"}, 2, "SMART_KEY_FILE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.before()
			code, _, errOut := quickstart(t, append(environ, c.more...)...)
			if code != c.code || !strings.Contains(errOut, c.err) {
				t.Errorf("exit %d with %q, want %d and a word about %q", code, errOut, c.code, c.err)
			}
		})
	}
}

// Whoever sets a variable means a real server, never the sandbox.
func TestIncompleteEnvironment(t *testing.T) {
	for _, environ := range [][]string{{"SMART_CLIENT_ID=x"}, {"SMART_READ_PATH=Patient"}, {"SMART_BASE_URL=https://fhir.example.nl"}, {"SMART_BASE_URL="}} {
		code, out, errOut := quickstart(t, environ...)
		if code != 2 || out != "" || !strings.Contains(errOut, "not set: ") {
			t.Errorf("%v: exit %d, %q, %q", environ, code, out, errOut)
		}
	}
	_, _, errOut := quickstart(t, "SMART_SCOPES=x")
	if want := "not set: SMART_BASE_URL, SMART_CLIENT_ID, SMART_KEY_FILE;"; !strings.Contains(errOut, want) {
		t.Errorf("%q does not name all that is missing", errOut)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		arg  string
		code int
	}{{"https://fhir.example.nl", 2}, {"-base", 2}, {"-h", 0}} {
		var o, e bytes.Buffer
		if code := run(t.Context(), []string{c.arg}, nil, &o, &e); code != c.code || o.Len() > 0 || strings.Count(e.String(), "takes no arguments") != 1 {
			t.Errorf("%s: exit %d, %q, %q", c.arg, code, &o, &e)
		}
	}
}
