package smartauth_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

func TestReadKeyFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ name, path, passphrase, want string }{
		{"plain", write("plain", testKey(t, "p256.txt"), 0o600), "", ""},
		{"encrypted", write("encrypted", testKey(t, "genpkey.enc"), 0o600), testPassphrase, ""},
		{"no passphrase", filepath.Join(dir, "encrypted"), "", "use ParseEncryptedKey"},
		{"wrong passphrase", filepath.Join(dir, "encrypted"), "battery-staple", "the passphrase is wrong"},
		{"empty", write("empty", nil, 0o600), "", "no PEM block"},
		{"directory", dir, "", "is a directory"},
		{"larger than any key", write("large", append(testKey(t, "p256.txt"), bytes.Repeat([]byte("\n"), 1<<20)...), 0o600), "", "more than 1048576 bytes"},
		{"missing", filepath.Join(dir, "missing"), "", "no such file"},
		{"X25519", write("x25519", testKey(t, "x25519.txt"), 0o600), "", "cannot sign"},
		{"old encryption", write("old", testKey(t, "proctype.enc"), 0o600), "", "encrypted in an old way"},
		{"key and certificate", write("both", append(testKey(t, "p256.txt"), pemOf("CERTIFICATE", []byte{1})...), 0o600), "", "more than one PEM block"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := smartauth.ReadKeyFile(c.path, []byte(c.passphrase), "")
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path)):
				t.Errorf("error %v, want one about %q and %s", err, c.want, c.path)
			}
			data, _ := os.ReadFile(c.path)
			tellsNothing(t, err, data)
		})
	}
}

func TestExposedKeyFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("keeps it elsewhere")
	}
	for _, c := range []struct {
		mode  fs.FileMode
		warns bool
	}{{0o600, false}, {0o400, false}, {0o622, false}, {0o640, true}, {0o604, true}, {0o644, true}} {
		t.Run(c.mode.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, testKey(t, "p256.txt"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			key, err := smartauth.ReadKeyFile(path, nil, "k")
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				o := &recorder{}
				srv, src := sandbox(t, func(cfg *smartauth.Config) {
					cfg.Signer = key
					cfg.Observer = smartauth.MultiObserver(o, smartauth.NewLogObserver(slog.New(slog.NewTextHandler(&log, nil))))
				})
				srv.RegisterPEM(src.ClientID(), key.Public()) // takes RS512 only: the warning does not need a token
				for range 3 {
					_, _ = src.Token(t.Context())
					_, _ = src.Assertion(t.Context(), srv.TokenURL())
					time.Sleep(5 * time.Minute)
				}
				synctest.Wait()
				exposed := slices.DeleteFunc(o.changes, func(c smartauth.StateChange) bool { return c.State != smartauth.StateKeyExposed })
				if want := map[bool]int{true: 1}[c.warns]; len(exposed) != want {
					t.Fatalf("told %d times, want %d", len(exposed), want)
				}
				if c.warns && (exposed[0].Source != src || !strings.Contains(exposed[0].Err.Error(), path)) {
					t.Errorf("told %+v", exposed[0])
				}
				line := fmt.Sprintf("level=WARN msg=\"the private key is not kept private\" fhir_server=%s error=\"others than its owner may read the key file %s", srv.BaseURL(), path)
				if got := strings.Contains(log.String(), line); got != c.warns {
					t.Errorf("logged: %v; %s", got, log.String())
				}
			})
		})
	}
}

// A key in a file is printed no more than any other.
func TestExposedKeyIsNotPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, testKey(t, "p256.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	key, err := smartauth.ReadKeyFile(path, nil, "k")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%s"} {
		// d of testdata/keys/p256.txt
		if out := fmt.Sprintf(verb, key); strings.Contains(strings.ToLower(out), "d06746fa7be0689e") || strings.Contains(out, "208 103 70 250") {
			t.Errorf("%s: %s", verb, out)
		}
	}
}
