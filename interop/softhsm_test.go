package interop

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
)

// softHSM returns a new, empty PKCS#11 token of SoftHSM 2. That it is not installed is a failure, as with Node.js.
func softHSM(t *testing.T) *crypto11.Context {
	t.Helper()
	const missing = "the interop tests need SoftHSM 2, on Debian and Ubuntu: apt-get install softhsm2"
	util, err := exec.LookPath("softhsm2-util")
	if err != nil {
		t.Fatal(missing)
	}
	candidates := []string{
		os.Getenv("SOFTHSM2_LIB"),
		"/usr/lib/softhsm/libsofthsm2.so", // Debian, Ubuntu
		"/usr/lib64/pkcs11/libsofthsm2.so",
		"/usr/local/lib/softhsm/libsofthsm2.so",
		"/opt/homebrew/lib/softhsm/libsofthsm2.so",
	}
	i := slices.IndexFunc(candidates, func(path string) bool { _, err := os.Stat(path); return path != "" && err == nil })
	if i < 0 {
		t.Fatal(missing + "; if it is somewhere else, set SOFTHSM2_LIB to its libsofthsm2.so")
	}

	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	init := exec.Command(util, "--init-token", "--free", "--label", "smartauth", "--so-pin", "5678", "--pin", "1234")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	token, err := crypto11.Configure(&crypto11.Config{
		Path: candidates[i], TokenLabel: "smartauth", Pin: "1234", PoolWaitTimeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = token.Close() })
	return token
}

// makeInside makes a key pair inside the token, of a kind that can do alg.
func makeInside(t *testing.T, token *crypto11.Context, label, alg string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch id, label := []byte(alg), []byte(label); alg {
	case "ES256":
		key, err = token.GenerateECDSAKeyPairWithLabel(id, label, elliptic.P256())
	case "ES384":
		key, err = token.GenerateECDSAKeyPairWithLabel(id, label, elliptic.P384())
	default:
		key, err = token.GenerateRSAKeyPairWithLabel(id, label, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// neverOutside fails the test unless the token made the key itself and gives it to nobody.
func neverOutside(t *testing.T, token *crypto11.Context, key crypto.Signer) {
	t.Helper()
	for name, want := range map[crypto11.AttributeType]byte{
		pkcs11.CKA_LOCAL: 1, pkcs11.CKA_SENSITIVE: 1, pkcs11.CKA_ALWAYS_SENSITIVE: 1, pkcs11.CKA_EXTRACTABLE: 0, pkcs11.CKA_NEVER_EXTRACTABLE: 1,
	} {
		if a, err := token.GetAttribute(key, name); err != nil || len(a.Value) != 1 || a.Value[0] != want {
			t.Errorf("attribute %#x is %v, want %d (%v)", name, a, want, err)
		}
	}
	secret := crypto11.AttributeType(pkcs11.CKA_VALUE) // of an EC key
	if _, ok := key.Public().(*rsa.PublicKey); ok {
		secret = pkcs11.CKA_PRIVATE_EXPONENT
	}
	if _, err := token.GetAttribute(key, secret); !errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE)) {
		t.Errorf("asked for the private key, the token said %v", err)
	}
}
