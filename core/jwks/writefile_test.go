package jwks_test

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/smartauth-go/smartauth/core/jwks"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "jwks.json")
	key := jwks.KeyOf(newSigner("a"))
	alone := func() {
		t.Helper()
		if entries := must(os.ReadDir(dir)); len(entries) != 1 || entries[0].Name() != "jwks.json" {
			t.Errorf("left: %v", entries)
		}
	}
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := jwks.WriteFile(name, key, key); err == nil {
		t.Error("a duplicate kid was written")
	}
	if data := must(os.ReadFile(name)); string(data) != "old" {
		t.Errorf("on failure: %s", data)
	}
	alone()
	if err := jwks.WriteFile(name, key); err != nil {
		t.Fatal(err)
	}
	if want := string(must(jwks.Marshal(key))) + "\n"; string(must(os.ReadFile(name))) != want {
		t.Errorf("wrote %s", must(os.ReadFile(name)))
	}
	if mode := must(os.Stat(name)).Mode(); runtime.GOOS != "windows" && mode.Perm() != 0o644 {
		t.Errorf("mode %v", mode)
	}
	alone()
}

func TestWriteFileFails(t *testing.T) {
	key := jwks.KeyOf(newSigner("a"))
	if err := jwks.WriteFile(filepath.Join(t.TempDir(), "none", "jwks.json"), key); err == nil {
		t.Error("written to a directory that is not there")
	}
	dir := t.TempDir() // where the target is a directory, only the last step fails
	if err := os.Mkdir(filepath.Join(dir, "jwks.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := jwks.WriteFile(filepath.Join(dir, "jwks.json"), key); err == nil {
		t.Error("a directory was replaced")
	}
	if entries := must(os.ReadDir(dir)); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}

func TestWriteFileIsAtomic(t *testing.T) {
	name := filepath.Join(t.TempDir(), "jwks.json")
	a, b := jwks.KeyOf(newSigner("a")), jwks.Key{KeyID: "b", PublicKey: rsa2048().Public()}
	if err := jwks.WriteFile(name, a); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	done := make(chan struct{})
	for _, keys := range [][]jwks.Key{{a}, {a, b}} {
		writers.Go(func() {
			for range 50 {
				if err := jwks.WriteFile(name, keys...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writers.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return
		default:
			decode(t, must(os.ReadFile(name)))
		}
	}
}
