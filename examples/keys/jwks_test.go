package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func keyFile(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "key.pem")
	if code, _, errOut := keys(t, "gen", file); code != 0 {
		t.Fatal(errOut)
	}
	return file
}

func TestPublicMembersOnly(t *testing.T) {
	code, out, errOut := keys(t, "jwks", keyFile(t), "2026-a")
	if code != 0 || errOut != "kid: 2026-a\n" {
		t.Fatalf("exit %d: %q", code, errOut)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(out), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%v in %s", err, out)
	}
	var members []string
	for name := range set.Keys[0] {
		members = append(members, name)
	}
	slices.Sort(members)
	if got := strings.Join(members, " "); got != "e kid kty n use" || set.Keys[0]["kid"] != "2026-a" {
		t.Errorf("members %s in %s", got, out)
	}
}

// A client with the key gets a token where the printed JWKS is what the server reads.
func TestServerAcceptsJWKS(t *testing.T) {
	file := keyFile(t)
	code, out, errOut := keys(t, "jwks", file)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	srv := smarttest.New(t, smarttest.Options{})
	srv.RegisterJWKSHandler("app", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(out)) }))
	signer, err := smartauth.ReadKeyFile(file, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := "kid: " + signer.KeyID() + "\n"; errOut != want {
		t.Errorf("%q, want %q", errOut, want)
	}
	src, err := smartauth.New(smartauth.Config{BaseURL: srv.BaseURL(), ClientID: "app", Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestArguments(t *testing.T) {
	taken := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		err  string
	}{
		{"", 2, "usage"},
		{"-h", 0, "usage"},
		{"keygen", 2, "usage"},
		{"jwks", 2, "usage"},
		{"jwks -h", 2, "usage"},
		{"jwks a b c", 2, "usage"},
		{"jwks /nowhere/key.pem", 1, "/nowhere/key.pem"},
		{"gen", 2, "usage"},
		{"gen -h", 0, "usage"},
		{"gen -bits 2048 key.pem", 2, "-bits"},
		{"gen -type rsa-1024 key.pem", 2, `no type "rsa-1024"`},
		{"gen key.pem -type", 2, "usage"},
		{"gen /nowhere/key.pem", 1, "/nowhere/"},
		{"gen " + taken, 1, "is there already"},
		{"serve 8080", 2, "usage"},
	} {
		code, out, errOut := keys(t, strings.Fields(c.args)...)
		if code != c.code || out != "" || strings.Count(errOut, c.err) != 1 && c.err == "usage" || !strings.Contains(errOut, c.err) {
			t.Errorf("%q: exit %d, %q, %q", c.args, code, out, errOut)
		}
	}
}
