package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/internal/leakcheck"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }

func keyFile(t *testing.T) (file string, data []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	data = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	file = filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, data
}

func TestPublicMembersOnly(t *testing.T) {
	file, _ := keyFile(t)
	var out, errOut bytes.Buffer
	if code := run([]string{file, "2026-a"}, &out, &errOut); code != 0 || errOut.String() != "kid: 2026-a\n" {
		t.Fatalf("exit %d: %q", code, &errOut)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(out.Bytes(), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%v in %s", err, &out)
	}
	var members []string
	for name := range set.Keys[0] {
		members = append(members, name)
	}
	slices.Sort(members)
	if got := strings.Join(members, " "); got != "e kid kty n use" || set.Keys[0]["kid"] != "2026-a" {
		t.Errorf("members %s in %s", got, &out)
	}
}

// A client with the key gets a token where the printed JWKS is what the server reads.
func TestServerAcceptsJWKS(t *testing.T) {
	file, data := keyFile(t)
	var out, errOut bytes.Buffer
	if code := run([]string{file}, &out, &errOut); code != 0 {
		t.Fatalf("exit %d: %s", code, &errOut)
	}
	srv := smarttest.New(t, smarttest.Options{})
	srv.RegisterJWKSHandler("app", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(out.Bytes()) }))
	signer, err := smartauth.ParseKey(data, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := "kid: " + signer.KeyID() + "\n"; errOut.String() != want {
		t.Errorf("%q, want %q", &errOut, want)
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
	for _, c := range []struct {
		args []string
		code int
	}{{nil, 2}, {[]string{"-h"}, 2}, {[]string{"a", "b", "c"}, 2}, {[]string{"/nowhere/key.pem"}, 1}} {
		var out, errOut bytes.Buffer
		if code := run(c.args, &out, &errOut); code != c.code || out.Len() > 0 || errOut.Len() == 0 {
			t.Errorf("%q: exit %d, %q, %q", c.args, code, &out, &errOut)
		}
	}
}
