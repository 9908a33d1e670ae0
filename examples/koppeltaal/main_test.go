package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/internal/leakcheck"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }

func call(ctx context.Context, environ []string, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(ctx, args, environ, &o, &e)
	return code, o.String(), e.String()
}

func TestSandbox(t *testing.T) {
	code, out, errOut := call(t.Context(), []string{"HOME=/nowhere"})
	if code != 0 || errOut != "" {
		t.Fatalf("exit %d: %s\n%s", code, errOut, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.HasPrefix(lines[0], "SANDBOX") {
		t.Errorf("the first line is %q", lines[0])
	}
	first := strings.Fields(lines[slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "POST /launch ") })])
	wantEnd := []string{"hops: 7, in the trace of the launch: 7, caused by it: 6", "",
		"AuditEvent: Application Start of Task/task-1/_history/1, outcome 0", "request-id     " + first[2], "trace-id       " + first[4]}
	if got := lines[len(lines)-len(wantEnd):]; !slices.Equal(got, wantEnd) {
		t.Errorf("the last lines are %q, want %q", got, wantEnd)
	}
	for _, want := range []string{"\nPOST /fhir/DEFAULT/AuditEvent ", "doctor: ok, 15 checks\n", "The page is 200: Task/task-1 (requested) for Jansen\n", "\nPOST /launch ", "\nPOST /oauth2/introspect "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// environment is that of a client of a sandbox whose key is in a file, and whose JWKS is where addr will be.
func environment(t *testing.T, addr string) (srv *smarttest.Server, environ []string) {
	t.Helper()
	srv = smarttest.New(t, smarttest.Options{})
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, keyPEM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	jwksURL := "http://" + addr + "/keys/5f2c81"
	srv.RegisterJWKSURL("my-app", jwksURL)
	return srv, []string{"SMART_BASE_URL=" + srv.BaseURL() + "/", "SMART_CLIENT_ID=my-app", "SMART_KEY_FILE=" + file, "SMART_JWKS_URL=" + jwksURL}
}

// With the variables set the service serves until it is told to stop, and has said so in its log.
func TestServe(t *testing.T) {
	addr := freeAddress(t)
	srv, environ := environment(t, addr)
	ctx, stop := context.WithCancel(t.Context())
	srv.OnRequest(func(r smarttest.Request) {
		if r.Endpoint == smarttest.FHIR { // the doctor reads last
			stop()
		}
	})
	code, out, errOut := call(ctx, environ, "-addr", addr)
	stop()
	if code != 0 || out != "" {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, want := range []string{`"msg":"the service listens"`, `"check":"JWKS key","status":"ok"`, `"check":"token","status":"ok"`, `"msg":"the service stops"`} {
		if !strings.Contains(errOut, want) {
			t.Errorf("%s is not in the log:\n%s", want, errOut)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestUsage(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, environ := environment(t, "127.0.0.1:1")
	for name, c := range map[string]struct {
		more, args []string
		code       int
		err        string
	}{
		"help":                {nil, []string{"-h"}, 0, "usage: koppeltaal"},
		"arguments":           {nil, []string{"launch"}, 2, "usage: koppeltaal"},
		"a flag":              {nil, []string{"-jwks"}, 2, "-jwks"},
		"the address":         {nil, []string{"-addr", taken.Addr().String()}, 1, "address already in use"},
		"a variable":          {[]string{"SMART_CLIENTID=x"}, nil, 2, "SMART_CLIENTID is not known"},
		"no key file":         {[]string{"SMART_KEY_FILE=/nowhere/key.pem"}, nil, 2, "/nowhere/key.pem"},
		"settings":            {[]string{"SMART_AUDIENCE=x"}, []string{"-addr", "127.0.0.1:0"}, 1, "SMART_AUDIENCE needs SMART_TOKEN_URL"},
		"JWKS at the root":    {[]string{"SMART_JWKS_URL=https://app.example.nl/"}, nil, 2, "SMART_JWKS_URL is no URL with a path"},
		"JWKS, a pattern":     {[]string{"SMART_JWKS_URL=https://app.example.nl/{x}"}, nil, 2, "SMART_JWKS_URL is no URL with a path"},
		"JWKS to be guessed":  {[]string{"SMART_JWKS_URL=https://app.example.nl/.well-known/jwks.json"}, nil, 2, "can be guessed"},
		"JWKS among launches": {[]string{"SMART_JWKS_URL=https://app.example.nl/launch"}, nil, 2, "that of launches"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := call(t.Context(), append(environ[:len(environ):len(environ)], c.more...), c.args...)
			if code != c.code || out != "" || !strings.Contains(errOut, c.err) {
				t.Errorf("exit %d with %q, want %d and a word about %q", code, errOut, c.code, c.err)
			}
		})
	}
}
