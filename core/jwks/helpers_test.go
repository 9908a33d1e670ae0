package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var p384 = elliptic.P384() // which Koppeltaal takes

func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func newEd() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

// RSA keys take a tenth of a second and more to make.
var rsa2048 = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

// newSigner returns one with a new P-256 key.
func newSigner(kid string) smartauth.PublicSigner {
	return must(smartauth.NewSigner(newEC(elliptic.P256()), kid))
}

func pemOf(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

// keyDir is a directory of keys on the test's clock.
type keyDir struct {
	tb   testing.TB
	path string
}

func newKeyDir(tb testing.TB) keyDir { return keyDir{tb, tb.TempDir()} }

func (d keyDir) write(name string, data []byte) {
	d.tb.Helper()
	path := filepath.Join(d.path, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		d.tb.Fatal(err)
	}
	d.touch(name, time.Now())
}

// touch sets the file's time: that of the file system is another than synctest's.
func (d keyDir) touch(name string, t time.Time) {
	d.tb.Helper()
	if err := os.Chtimes(filepath.Join(d.path, name), t, t); err != nil {
		d.tb.Fatal(err)
	}
}

func (d keyDir) remove(name string) {
	d.tb.Helper()
	if err := os.Remove(filepath.Join(d.path, name)); err != nil {
		d.tb.Fatal(err)
	}
}

// add writes a new key and returns its kid.
func (d keyDir) add(name string) string {
	d.tb.Helper()
	key := newEC(elliptic.P256())
	d.write(name, pemOf(key))
	return must(smartauth.Thumbprint(key.Public()))
}

// kids are those that a source publishes.
func kids(src jwks.Source) []string {
	var names []string
	for _, k := range must(src.PublicKeys()) {
		names = append(names, k.KeyID)
	}
	return names
}

// decode returns the members of the keys of a JWKS, read without our code or go-jose's.
func decode(tb testing.TB, document []byte) []map[string]any {
	tb.Helper()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(document, &set); err != nil || set.Keys == nil {
		tb.Fatalf("%v in %s", err, document)
	}
	return set.Keys
}

// noPrivateMember fails the test for a document that has one (RFC 7518 section 6, RFC 8037 section 2).
func noPrivateMember(tb testing.TB, document []byte) {
	tb.Helper()
	for _, key := range decode(tb, document) {
		for member := range key {
			switch member {
			case "kty", "kid", "use", "alg", "n", "e", "crv", "x", "y":
			default:
				tb.Errorf("the member %s is published: %s", member, document)
			}
		}
	}
}

// verify checks an assertion with the key that it names, among signers by kid, and returns the kid.
func verify(tb testing.TB, assertion string, signers *sync.Map) string {
	tb.Helper()
	token, err := jwt.Parse(assertion, func(t *jwt.Token) (any, error) {
		signer, ok := signers.Load(t.Header["kid"])
		if !ok {
			return nil, jwt.ErrTokenUnverifiable
		}
		return signer.(smartauth.PublicSigner).Public(), nil
	}, jwt.WithoutClaimsValidation())
	if err != nil {
		tb.Error(err)
		return ""
	}
	return token.Header["kid"].(string)
}
