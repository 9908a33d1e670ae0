package smartauth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // to read what older tools have written
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // as a PRF of PBKDF2, whose default it is
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// What an encrypted PKCS#8 key names its parts by (RFC 8018 appendix C).
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	prfs = map[string]func() hash.Hash{
		"":                    sha1.New, // the default
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}
	ciphers = map[string]struct {
		keyLength int
		block     func([]byte) (cipher.Block, error)
	}{
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	}
)

// maxIterations keeps a damaged or hostile file from occupying a processor for minutes.
const maxIterations = 10_000_000

var errPassphrase = errors.New("the passphrase is wrong, or the file damaged")

// decryptPKCS8 returns the PKCS#8 key within an EncryptedPrivateKeyInfo (RFC 5958), for PBES2 with PBKDF2 (RFC 8018): what
// openssl writes. The standard library reads plain keys only.
func decryptPKCS8(der, passphrase []byte) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errors.New("the encrypted key cannot be read: damaged")
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errors.New("the key is encrypted in a way that is not known here; write it anew with openssl pkcs8 -topk8 -v2 aes-256-cbc")
	}
	var params struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, errors.New("the encrypted key cannot be read: damaged")
	}
	c, ok := ciphers[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("the key is encrypted with a cipher that is not known here (%s); use aes-256-cbc", params.Cipher.Algorithm)
	}
	key, err := derive(params.KDF, passphrase, c.keyLength)
	if err != nil {
		return nil, err
	}
	block, err := c.block(key)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != block.BlockSize() ||
		len(info.Data) == 0 || len(info.Data)%block.BlockSize() != 0 {
		return nil, errors.New("the encrypted key cannot be read: damaged")
	}
	plain := make([]byte, len(info.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, info.Data)
	return unpad(plain, block.BlockSize())
}

// isPKCS8 tells whether der has the shape of a PKCS#8 key, of whatever kind.
func isPKCS8(der []byte) bool {
	var key struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	_, err := asn1.Unmarshal(der, &key)
	return err == nil
}

func derive(kdf pkix.AlgorithmIdentifier, passphrase []byte, length int) ([]byte, error) {
	if !kdf.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("the key is encrypted with a key derivation that is not known here (%s); use PBKDF2", kdf.Algorithm)
	}
	var params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &params); err != nil || params.Iterations < 1 ||
		params.KeyLength != 0 && params.KeyLength != length {
		return nil, errors.New("the encrypted key cannot be read: damaged")
	}
	if params.Iterations > maxIterations {
		return nil, fmt.Errorf("the key is encrypted with %d iterations, which would take too long", params.Iterations)
	}
	prf, ok := prfs[params.PRF.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("the key is encrypted with a hash that is not known here (%s); use hmacWithSHA256", params.PRF.Algorithm)
	}
	return pbkdf2.Key(prf, string(passphrase), params.Salt, params.Iterations, length)
}

// unpad takes off the padding of RFC 8018 section 6.1.1. One wrong passphrase in 256 leaves it right, but no key.
func unpad(plain []byte, blockSize int) ([]byte, error) {
	n := int(plain[len(plain)-1])
	if n == 0 || n > blockSize {
		return nil, errPassphrase
	}
	key, padding := plain[:len(plain)-n], plain[len(plain)-n:]
	if !bytes.Equal(padding, bytes.Repeat([]byte{byte(n)}, n)) || !isPKCS8(key) {
		return nil, errPassphrase
	}
	return key, nil
}
