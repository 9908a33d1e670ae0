package smartauth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // the default of PBKDF2
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
)

// An encryptedKey has the parts of an encrypted PKCS#8 key that may be wrong each for itself.
type encryptedKey struct {
	iterations, keyLength int
	iv, plain             []byte // plain with its padding
	cut                   int
}

func (k encryptedKey) encode(t *testing.T) []byte {
	t.Helper()
	marshal := func(v any) []byte {
		der, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	key, err := pbkdf2.Key(sha1.New, "secret", []byte("salt"), max(k.iterations, 1), 16)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, len(k.plain))
	cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(data, k.plain)
	algorithm := func(oid asn1.ObjectIdentifier, params any) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: marshal(params)}}
	}
	aes128 := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	return marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}{algorithm(oidPBES2, struct{ KDF, Cipher pkix.AlgorithmIdentifier }{
		algorithm(oidPBKDF2, struct {
			Salt       []byte
			Iterations int
			KeyLength  int `asn1:"optional"`
		}{[]byte("salt"), k.iterations, k.keyLength}),
		algorithm(aes128, k.iv),
	}), data[:len(data)-k.cut]})
}

// Each is refused with an error that sends nobody after a passphrase that is right.
func TestDamagedEncryptedKeys(t *testing.T) {
	inner, err := asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: oidPBES2}, []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	pad := func(n int) []byte { return append(bytes.Clone(inner), bytes.Repeat([]byte{byte(n)}, n)...) }
	padding := 16 - len(inner)%16
	zeros := append(bytes.Clone(inner), make([]byte, padding)...)
	iv := make([]byte, 16)
	for _, c := range []struct {
		name string
		key  encryptedKey
		want string
	}{
		{"whole", encryptedKey{1, 0, iv, pad(padding), 0}, ""},
		{"whole, with its key length", encryptedKey{1, 16, iv, pad(padding), 0}, ""},
		{"another key length", encryptedKey{1, 32, iv, pad(padding), 0}, "the encrypted key cannot be read: damaged"},
		{"no iterations", encryptedKey{0, 0, iv, pad(padding), 0}, "the encrypted key cannot be read: damaged"},
		{"negative iterations", encryptedKey{-1, 0, iv, pad(padding), 0}, "the encrypted key cannot be read: damaged"},
		{"short iv", encryptedKey{1, 0, iv[:8], pad(padding), 0}, "the encrypted key cannot be read: damaged"},
		{"half a block", encryptedKey{1, 0, iv, pad(padding), 8}, "the encrypted key cannot be read: damaged"},
		{"no data", encryptedKey{1, 0, iv, nil, 0}, "the encrypted key cannot be read: damaged"},
		{"padding of zeros", encryptedKey{1, 0, iv, zeros, 0}, errPassphrase.Error()},
		{"no padding", encryptedKey{1, 0, iv, bytes.Repeat([]byte{17}, 32), 0}, errPassphrase.Error()},
	} {
		plain, err := decryptPKCS8(c.key.encode(t), []byte("secret"))
		switch {
		case c.want == "" && (err != nil || !bytes.Equal(plain, inner)):
			t.Errorf("%s: %x, %v", c.name, plain, err)
		case c.want != "" && (err == nil || err.Error() != c.want):
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// One padding byte of zero would leave the whole as the key, trailing bytes and all.
func TestPaddingOfNothing(t *testing.T) {
	inner, err := asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: oidPBES2}, []byte{0}})
	if err != nil {
		t.Fatal(err)
	}
	if key, err := unpad(inner, 16); !errors.Is(err, errPassphrase) {
		t.Errorf("%x, %v", key, err)
	}
}
