package smartauth_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// RFC 7638 section 3.1.
func TestThumbprintVector(t *testing.T) {
	n, err := base64.RawURLEncoding.DecodeString("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs" +
		"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")
	if err != nil {
		t.Fatal(err)
	}
	got, err := smartauth.Thumbprint(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if want := "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestParseKey(t *testing.T) {
	ec := newEC(t, elliptic.P384())
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(ec.Public())
	if err != nil {
		t.Fatal(err)
	}
	p224, err := x509.MarshalPKCS8PrivateKey(newEC(t, elliptic.P224()))
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := x509.MarshalPKCS8PrivateKey(dh)
	if err != nil {
		t.Fatal(err)
	}
	params := pemOf("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34})
	key := pemOf("PRIVATE KEY", pkcs8)

	for _, c := range []struct{ name, pem, err string }{
		{"PKCS#8", key, ""},
		{"SEC1", pemOf("EC PRIVATE KEY", sec1), ""},
		{"SEC1 after its parameters", params + pemOf("EC PRIVATE KEY", sec1), ""},
		{"PKCS#1", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa2048())), ""},
		{"byte order mark and CRLF", "\ufeff" + strings.ReplaceAll(key, "\n", "\r\n"), ""},
		{"text before", "the key:\n" + key, ""},
		{"nothing", "", "no PEM block"},
		{"no PEM", "hello", "no PEM block"},
		{"public key", pemOf("PUBLIC KEY", public), "public key"},
		{"certificate", pemOf("CERTIFICATE", public), "certificate"},
		{"two keys", key + key, "more than one"},
		{"encrypted", pemOf("ENCRYPTED PRIVATE KEY", pkcs8), "encrypted"},
		{"damaged", pemOf("PRIVATE KEY", pkcs8[:40]), "damaged"},
		{"RSA-1024", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weak)), "1024 bits"},
		{"P-224", pemOf("PRIVATE KEY", p224), "P-224"},
		{"X25519", pemOf("PRIVATE KEY", x25519), "cannot sign"},
		{"another kind of block", pemOf("OPENSSH PRIVATE KEY", pkcs8), "no private key"},
		{"encrypted as by old openssl", strings.Replace(key, "\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1), "encrypted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			signer, err := smartauth.ParseKey([]byte(c.pem), "")
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one about %q", err, c.err)
				}
				quotesNothing(t, err.Error(), []byte(c.pem))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if signer.KeyID() == "" {
				t.Error("no key id")
			}
		})
	}
}

// quotesNothing fails the test if text holds six bytes of the content of a PEM file as they are, in hex or in base64.
func quotesNothing(t *testing.T, text string, file []byte) {
	t.Helper()
	block, _ := pem.Decode(file)
	if block == nil {
		return
	}
	for i := 0; i+6 <= len(block.Bytes); i++ {
		part := block.Bytes[i : i+6]
		for _, form := range []string{string(part), fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), strings.Trim(fmt.Sprintf("%d", part), "[]"),
			base64.StdEncoding.EncodeToString(part), base64.URLEncoding.EncodeToString(part)} {
			if strings.Contains(text, form) {
				t.Fatalf("%q quotes the file", text)
			}
		}
	}
}

// Every algorithm of every kind of key verifies with golang-jwt's own code.
func TestSignatures(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := []crypto.Signer{rsa2048(), newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEC(t, elliptic.P521()), ed}
	for _, key := range keys {
		signer, err := smartauth.NewSigner(key, "k1")
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range signer.Algorithms() {
			t.Run(alg, func(t *testing.T) {
				for range 8 { // ECDSA numbers with leading zeros are the trap
					sig, err := signer.Sign(t.Context(), alg, []byte("header.payload"))
					if err != nil {
						t.Fatal(err)
					}
					if err := jwt.GetSigningMethod(alg).Verify("header.payload", sig, key.Public()); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
		if _, err := signer.Sign(t.Context(), "HS256", []byte("x")); err == nil {
			t.Errorf("%T signed with HS256", key)
		}
	}
}

func TestNewSignerRefuses(t *testing.T) {
	if _, err := smartauth.NewSigner(nil, ""); err == nil {
		t.Error("nil was accepted")
	}
	if _, err := smartauth.NewSigner(newEC(t, elliptic.P224()), "k"); err == nil {
		t.Error("P-224 was accepted")
	}
	if _, err := smartauth.NewSigner(strangeKey{newEC(t, elliptic.P384())}, "k"); err == nil || !strings.Contains(err.Error(), "strangePublic cannot sign assertions") {
		t.Errorf("error %v, want one about the type of the key", err)
	}
}

// strangeKey signs, but what it is the key of nobody knows.
type strangeKey struct{ crypto.Signer }

type strangePublic struct{}

func (strangeKey) Public() crypto.PublicKey { return strangePublic{} }

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func newEC(tb testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

var rsa2048 = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})
