package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

func keys(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// Each type of key is one that smartauth reads, and what is printed belongs to it.
func TestGen(t *testing.T) {
	for name, algorithm := range map[string]string{"rsa-2048": "RS384", "rsa-3072": "RS384", "rsa-4096": "RS384", "p256": "ES256", "P384": "ES384"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "key.pem")
			code, out, errOut := keys(t, "gen", "-type", name, file)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, errOut)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := smartauth.ParseKey(data, "")
			if err != nil {
				t.Fatal(err)
			}
			if block, _ := pem.Decode(data); block.Type != "PRIVATE KEY" || signer.Algorithms()[0] != algorithm {
				t.Errorf("a %s for %s", block.Type, signer.Algorithms()[0])
			}
			if k, ok := signer.Public().(*rsa.PublicKey); ok && "rsa-"+strconv.Itoa(k.N.BitLen()) != name {
				t.Errorf("%d bits", k.N.BitLen())
			}
			checkDescription(t, out, signer)
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

func checkDescription(t *testing.T, out string, signer smartauth.PublicSigner) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	set, err := indented(jwks.KeyOf(signer))
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for _, want := range []string{"kid: " + signer.KeyID() + "\n", set, public} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
	if strings.Contains(out, "PRIVATE") || strings.Contains(out, `"d"`) {
		t.Error("the output has a private key in it")
	}
}

func TestGenWithKeyID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	code, out, errOut := keys(t, "gen", "-type", "p384", "-kid", "2026-a", file)
	if code != 0 || !strings.HasPrefix(out, "kid: 2026-a\n") || !strings.Contains(out, `"kid": "2026-a"`) || !strings.Contains(out, "SMART_KEY_ID") {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
}

// A key that is there stays, whatever it is, and the new one is not half there.
func TestGenOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "key.pem"), filepath.Join(dir, "link.pem")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere.pem", link); err != nil {
		t.Skip("no symbolic links:", err)
	}
	for _, name := range []string{file, link} {
		if code, out, errOut := keys(t, "gen", "-type", "p384", name); code != 1 || out != "" || !strings.Contains(errOut, "is there already") {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, errOut)
		}
		key, err := keyTypes[len(keyTypes)-1].make()
		if err != nil {
			t.Fatal(err)
		}
		if err := writeKey(name, key); err == nil || !strings.Contains(err.Error(), "is there already") { // made by another meanwhile
			t.Errorf("%s: %v", name, err)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
		t.Errorf("the file is now %q, %v", data, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// Where a file system has no links, one of several that make the same file wins, and the others leave it alone.
func TestGenWithoutLinks(t *testing.T) {
	link = func(string, string) error { return &os.LinkError{Op: "link", Err: errors.ErrUnsupported} }
	t.Cleanup(func() { link = os.Link })
	for range 20 {
		dir := t.TempDir()
		file := filepath.Join(dir, "key.pem")
		var made []smartauth.PublicSigner
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			key, err := keyTypes[len(keyTypes)-1].make()
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if err := writeKey(file, key); err != nil {
					if !strings.Contains(err.Error(), "is there already") {
						t.Error(err)
					}
					return
				}
				signer, err := smartauth.NewSigner(key, "")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				made = append(made, signer)
			})
		}
		wg.Wait()
		kept, err := smartauth.ReadKeyFile(file, nil, "")
		if err != nil || len(made) != 1 || made[0].KeyID() != kept.KeyID() {
			t.Fatalf("%d were made, %v", len(made), err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("left behind: %v", entries)
		}
	}
}

// While a key is written its file has a name that a ring takes no notice of.
func TestGenWritesUnderAnotherName(t *testing.T) {
	seen := ""
	link = func(from, to string) error { seen = filepath.Base(from); return os.Link(from, to) }
	t.Cleanup(func() { link = os.Link })
	key, err := keyTypes[len(keyTypes)-1].make()
	if err != nil {
		t.Fatal(err)
	}
	if err := writeKey(filepath.Join(t.TempDir(), "key.pem"), key); err != nil || !strings.HasPrefix(seen, ".") {
		t.Errorf("written as %q, %v", seen, err)
	}
}
