package smartauth_test

import (
	"crypto"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
)

const testPassphrase = "correct-horse" // of the keys in testdata/keys

func testKey(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "keys", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// What openssl encrypts is the key that it was given.
func TestParseEncryptedKey(t *testing.T) {
	plain, err := smartauth.ParseKey(testKey(t, "p256.txt"), "")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("testdata/keys/*-hmacWith*.enc")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, path := range names {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			data := testKey(t, name)
			key, err := smartauth.ParseEncryptedKey(data, []byte(testPassphrase), "")
			if err != nil {
				t.Fatal(err)
			}
			if !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(plain.Public()) || key.KeyID() != plain.KeyID() {
				t.Error("it is another key")
			}
			crlf := "\ufeff" + strings.ReplaceAll(string(data), "\n", "\r\n")
			if _, err := smartauth.ParseEncryptedKey([]byte(crlf), []byte(testPassphrase), ""); err != nil {
				t.Errorf("with BOM and CRLF: %v", err)
			}
		})
	}
	for _, name := range []string{"genpkey.enc", "ed25519.enc", "p256.txt"} {
		if _, err := smartauth.ParseEncryptedKey(testKey(t, name), []byte(testPassphrase), ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseEncryptedKeyRefuses(t *testing.T) {
	cut := func(name string, n int) []byte {
		block, _ := pem.Decode(testKey(t, name))
		block.Bytes = block.Bytes[:len(block.Bytes)-n]
		return pem.EncodeToMemory(block)
	}
	for _, c := range []struct {
		name       string
		data       []byte
		passphrase string
		want       string
	}{
		{"wrong passphrase", testKey(t, "genpkey.enc"), "battery-staple", "the passphrase is wrong"},
		{"passphrase with its line end", testKey(t, "genpkey.enc"), testPassphrase + "\n", "the passphrase is wrong"},
		{"no passphrase", testKey(t, "genpkey.enc"), "", "the passphrase is empty"},
		{"scrypt", testKey(t, "scrypt.enc"), testPassphrase, "key derivation that is not known here (1.3.6.1.4.1.11591.4.11); use PBKDF2"},
		{"PBES1", testKey(t, "pbes1.enc"), testPassphrase, "write it anew with openssl pkcs8"},
		{"Camellia", testKey(t, "camellia.enc"), testPassphrase, "cipher that is not known here (1.2.392.200011.61.1.1.1.4); use aes-256-cbc"},
		{"SHA-224", testKey(t, "sha224.enc"), testPassphrase, "hash that is not known here (1.2.840.113549.2.8); use hmacWithSHA256"},
		{"too many iterations", testKey(t, "iter.enc"), testPassphrase, "10000001 iterations"},
		{"old encryption", testKey(t, "proctype.enc"), testPassphrase, "encrypted in an old way"},
		{"P-224", testKey(t, "p224.enc"), testPassphrase, "P-224"},
		{"a kind that is not known", testKey(t, "x448.enc"), testPassphrase, "unknown kind of key"},
		{"cut short", cut("genpkey.enc", 16), testPassphrase, "damaged"},
		{"empty", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY"}), testPassphrase, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := smartauth.ParseEncryptedKey(c.data, []byte(c.passphrase), "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
			tellsNothing(t, err, c.data)
		})
	}
}

// With a wrong passphrase the padding looks right once in 256 times.
func TestWrongPassphraseIsAlwaysCalledSo(t *testing.T) {
	data := testKey(t, "aes-128-cbc-hmacWithSHA1.enc")
	for i := range 2000 {
		if _, err := smartauth.ParseEncryptedKey(data, []byte{'x', byte(i), byte(i >> 8)}, ""); err == nil || !strings.Contains(err.Error(), "the passphrase is wrong") {
			t.Fatalf("passphrase %d: %v", i, err)
		}
	}
}

// tellsNothing looks for a line of the file or a passphrase in an error.
func tellsNothing(t *testing.T, err error, data []byte) {
	t.Helper()
	if err == nil {
		return
	}
	lines := strings.Fields(string(data))
	for _, secret := range append(lines, testPassphrase, "battery-staple") {
		if len(secret) > 12 && strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %q", secret, err)
		}
	}
}

// Whatever is read with the passphrase signs, and what is not is not quoted.
func FuzzParseEncryptedKey(f *testing.F) {
	for _, name := range []string{"genpkey.enc", "des3-hmacWithSHA1.enc", "scrypt.enc", "pbes1.enc", "x448.enc"} {
		block, _ := pem.Decode(testKey(f, name))
		f.Add(block.Bytes)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if strings.Contains(string(der), "\x02\x03") || strings.Contains(string(der), "\x02\x04") {
			return // an iteration count that takes its time
		}
		data := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
		key, err := smartauth.ParseEncryptedKey(data, []byte(testPassphrase), "")
		if tellsNothing(t, err, data); err != nil {
			return
		}
		if signature, err := key.Sign(t.Context(), key.Algorithms()[0], []byte("x")); err != nil || len(signature) == 0 {
			t.Error(err)
		}
	})
}
