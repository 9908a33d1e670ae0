package smartauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// BenchmarkSign compares a Signer, and a whole assertion, with the standard library's signature of the same input:
//
//	go test ./core -run '^$' -bench '^BenchmarkSign$' -count 10 | benchstat -col /by -
func BenchmarkSign(b *testing.B) {
	input := make([]byte, 400) // header and claims of an assertion are about as long
	ec := newEC(b, elliptic.P384())
	for _, c := range []struct {
		alg string
		key crypto.Signer
		raw func() ([]byte, error)
	}{
		{"RS384", rsa2048(), func() ([]byte, error) {
			digest := sha512.Sum384(input)
			return rsa.SignPKCS1v15(rand.Reader, rsa2048(), crypto.SHA384, digest[:])
		}},
		{"ES384", ec, func() ([]byte, error) {
			digest := sha512.Sum384(input)
			return ecdsa.SignASN1(rand.Reader, ec, digest[:])
		}},
	} {
		signer, err := smartauth.NewSigner(c.key, "")
		if err != nil {
			b.Fatal(err)
		}
		src, err := smartauth.New(smartauth.Config{BaseURL: "https://fhir.example.nl/fhir", ClientID: "app", Signer: signer,
			TokenURL: "https://auth.example.nl/token", Algorithm: c.alg})
		if err != nil {
			b.Fatal(err)
		}
		for _, by := range []struct {
			name string
			sign func() error
		}{
			{"raw", func() error { _, err := c.raw(); return err }},
			{"Signer", func() error { _, err := signer.Sign(b.Context(), c.alg, input); return err }},
			{"Assertion", func() error { _, err := src.Assertion(b.Context(), "https://auth.example.nl/token"); return err }},
		} {
			b.Run("alg="+c.alg+"/by="+by.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := by.sign(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
