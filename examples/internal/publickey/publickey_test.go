package publickey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
)

func write(t *testing.T, blocks ...*pem.Block) string {
	t.Helper()
	var data []byte
	for _, b := range blocks {
		data = append(data, pem.EncodeToMemory(b)...)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRead(t *testing.T) {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	for _, c := range []struct {
		name    string
		public  crypto.PublicKey
		private bool
		blocks  []*pem.Block
	}{
		{"PKCS#8", rsaKey.Public(), true, []*pem.Block{{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(rsaKey))}}},
		{"PKCS#8 Ed25519", edKey.Public(), true, []*pem.Block{{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(edKey))}}},
		{"PKCS#1", rsaKey.Public(), true, []*pem.Block{{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}}},
		{"SEC1 with its curve", ecKey.Public(), true, []*pem.Block{{Type: "EC PARAMETERS"}, {Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(ecKey))}}},
		{"public", ecKey.Public(), false, []*pem.Block{{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(ecKey.Public()))}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, c.blocks...)
			key, err := Read(file, "")
			if err != nil {
				t.Fatal(err)
			}
			if !key.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(c.public) || key.Private != c.private {
				t.Errorf("%+v, want the public half of the key", key)
			}
			if want := must(smartauth.Thumbprint(c.public)); key.ID != want {
				t.Errorf("kid %q, want %q", key.ID, want)
			}
			if key, err := Read(file, "2026-a"); err != nil || key.ID != "2026-a" {
				t.Errorf("kid %q, %v", key.ID, err)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	for name, c := range map[string]struct {
		block *pem.Block
		err   string
	}{
		"a certificate":  {&pem.Block{Type: "CERTIFICATE"}, "certificate"},
		"a damaged key":  {&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}, "cannot be read"},
		"a damaged half": {&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}, "cannot be read"},
		"another curve":  {&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(p224.Public()))}, "P-224"},
	} {
		if _, err := Read(write(t, c.block), ""); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want a word about %q", name, err, c.err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.pem"), ""); err == nil {
		t.Error("no error for a file that is not there")
	}
}
