package benchmarks

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// BenchmarkSignature is an RS512 signature with a key of 2048 bits; the floor is the standard library's.
func BenchmarkSignature(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := smartauth.NewSigner(key, "")
	if err != nil {
		b.Fatal(err)
	}
	input := make([]byte, 400) // header and claims of an assertion are about as long
	type signing struct {
		name string
		sign func() error
	}
	for _, by := range inTurn([]signing{
		{"floor", func() error {
			digest := sha512.Sum512(input)
			_, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, digest[:])
			return err
		}},
		{"smartauth", func() error { _, err := signer.Sign(b.Context(), "RS512", input); return err }},
	}) {
		b.Run("peer="+by.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := by.sign(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
