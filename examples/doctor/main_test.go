package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

func call(t *testing.T, environ []string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, environ, &o, &e)
	return code, o.String(), e.String()
}

func TestSandbox(t *testing.T) {
	code, out, errOut := call(t, []string{"HOME=/nowhere"})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || errOut != "" || !strings.HasPrefix(lines[0], "SANDBOX") || lines[len(lines)-1] != "ok: 15, warn: 0, fail: 0, skip: 0" {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colour, and no terminal")
	}
}

func TestSandboxAsJSON(t *testing.T) {
	code, out, errOut := call(t, nil, "-json")
	var report struct {
		Status, Support string
		Checks          []struct{ Check, Status, Found string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if code != 0 || !strings.HasPrefix(errOut, "SANDBOX") || report.Status != "ok" || len(report.Checks) != 15 || !strings.Contains(report.Support, "X-Request-Id") {
		t.Errorf("exit %d: %s%s", code, errOut, out)
	}
}

// client returns the environment for a client of a sandbox, with a key that smartenv reads.
func client(t *testing.T) (srv *smarttest.Server, environ []string, keyFile string) {
	t.Helper()
	srv = smarttest.New(t, smarttest.Options{})
	keyFile = filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, keyPEM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := smartauth.ReadKeyFile(keyFile, nil, "2026-a")
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterJWKSHandler("my-app", jwks.Handler(jwks.Keys{jwks.KeyOf(signer)}, time.Minute))
	return srv, []string{"SMART_BASE_URL=" + srv.BaseURL(), "SMART_CLIENT_ID=my-app", "SMART_KEY_FILE=" + keyFile, "SMART_KEY_ID=2026-a",
		"SMART_JWKS_URL=" + srv.JWKSURL("my-app")}, keyFile
}

func keyPEM(t *testing.T) []byte {
	t.Helper()
	key, err := makeKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestExitCodes(t *testing.T) {
	srv, environ, keyFile := client(t)
	for _, c := range []struct {
		name   string
		before func()
		more   []string
		code   int
		want   string
	}{
		{"in order", func() {}, nil, 0, "ok: 15, warn: 0, fail: 0, skip: 0"},
		{"another path", func() {}, []string{"SMART_READ_PATH=/Task?_count=1"}, 0, "Task: 200"},
		{"no such resource", func() {}, []string{"SMART_READ_PATH=Task/none"}, 1, "warn  read            the token is good, but the answer to Task/none is 404"},
		{"no JWKS URL", func() {}, []string{"SMART_JWKS_URL="}, 0, "skip  JWKS URL        not checked: there is no SMART_JWKS_URL"},
		{"not approved", func() { srv.SetApproved("my-app", false) }, nil, 2, "      - the client has no status Approved in the domain (yet), or SMART_CLIENT_ID is not its id"},
		{"no key file", func() {}, []string{"SMART_KEY_FILE=" + keyFile + ".old"}, 2, "fail  key             there is no file " + keyFile + ".old\n      - make a key: go run"},
		{"an unknown variable", func() {}, []string{"SMART_CLIENTID=x"}, 2, "doctor: the SMART_ variables cannot be used: SMART_CLIENTID is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.before()
			code, out, errOut := call(t, append(environ, c.more...))
			if code != c.code || !strings.Contains(out+errOut, c.want) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, c.code, c.want, out, errOut)
			}
			for _, unwanted := range []string{"Config.", "Options.", "SANDBOX"} {
				if strings.Contains(out, unwanted) {
					t.Errorf("the output mentions %s:\n%s", unwanted, out)
				}
			}
		})
	}
}

func TestSupport(t *testing.T) {
	srv, environ, _ := client(t)
	srv.SetApproved("my-app", false)
	code, out, _ := call(t, environ, "-support")
	if code != 2 || !strings.HasPrefix(out, "SMART Backend Services: checks of ") || !strings.Contains(out, "client_id       my-app") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		err  string
	}{
		{"-h", 0, "The exit code is 0 if all is in order (ok), 1 if something should be mended (warn), and 2"},
		{"-verbose", 2, "not defined"},
		{"https://fhir.example.nl", 2, "usage"},
		{"-json -support", 2, "usage"},
	} {
		code, out, errOut := call(t, nil, strings.Fields(c.args)...)
		if code != c.code || out != "" || !strings.Contains(errOut, c.err) {
			t.Errorf("%s: exit %d, %q, %q", c.args, code, out, errOut)
		}
	}
}

// Colour is for terminals, and does not take the place of the words.
func TestColour(t *testing.T) {
	var out bytes.Buffer
	p := printer{out: &out, colour: true}
	if err := p.print(doctor.Report{Checks: []doctor.Check{{Name: "clock", Status: doctor.Yellow, Found: "late"}}}); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[33mwarn\x1b[0m  clock           late\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("%q, want %q", &out, want)
	}
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = device.Close() }()
	file, err := os.Create(filepath.Join(t.TempDir(), "report"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if !colourful(device, nil) || colourful(device, []string{"NO_COLOR=1"}) || colourful(device, []string{"TERM=dumb"}) || colourful(file, nil) || colourful(&out, nil) {
		t.Error("colour where it should not be, or none where it should")
	}
}
