package smartauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// ParseKey returns a Signer for the one private key in a PEM file: PKCS#8, PKCS#1 or SEC1, not encrypted. An empty kid
// means the RFC 7638 thumbprint. The errors say what the file holds instead, and nothing of its content. Keys in JWK form are
// for package jwks.
func ParseKey(pemData []byte, kid string) (PublicSigner, error) {
	return parseKey("ParseKey", pemData, nil, kid)
}

// ParseEncryptedKey is [ParseKey] for a file whose key is encrypted with a passphrase: PKCS#8 with PBES2, as by openssl pkcs8
// -topk8 and openssl genpkey -aes256. It reads a key that is not encrypted, too.
func ParseEncryptedKey(pemData, passphrase []byte, kid string) (PublicSigner, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("smartauth: ParseEncryptedKey: the passphrase is empty; a key without one is for ParseKey")
	}
	return parseKey("ParseEncryptedKey", pemData, passphrase, kid)
}

func parseKey(who string, pemData, passphrase []byte, kid string) (PublicSigner, error) {
	key, err := parsePrivateKey(bytes.TrimPrefix(pemData, []byte("\ufeff")), passphrase)
	if err != nil {
		return nil, fmt.Errorf("smartauth: %s: %w", who, err)
	}
	return NewSigner(key, kid)
}

func parsePrivateKey(data, passphrase []byte) (crypto.Signer, error) {
	var found *pem.Block
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		if block.Type == "EC PARAMETERS" { // openssl writes the curve's name before a SEC1 key
			continue
		}
		if found != nil {
			return nil, errors.New("the file holds more than one PEM block; keep the private key alone")
		}
		found = block
	}
	if found == nil {
		return nil, errors.New("no PEM block found; a private key begins with -----BEGIN PRIVATE KEY-----")
	}
	if found.Type != "ENCRYPTED PRIVATE KEY" {
		return parseBlock(found.Type, found.Bytes, strings.Contains(found.Headers["Proc-Type"], "ENCRYPTED"))
	}
	if passphrase == nil {
		return nil, errors.New("the private key is encrypted: use ParseEncryptedKey, or decrypt it first: openssl pkey -in key.pem -out plain.pem")
	}
	der, err := decryptPKCS8(found.Bytes, passphrase)
	if err != nil {
		return nil, err
	}
	return parseBlock("PRIVATE KEY", der, false)
}

func parseBlock(kind string, der []byte, oldEncryption bool) (crypto.Signer, error) {
	if oldEncryption {
		return nil, errors.New("the private key is encrypted in an old way that is easily broken: write it anew with openssl pkcs8 -topk8 -in key.pem -out new.pem")
	}
	var key any
	var err error
	switch kind {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(der)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("the file holds a public key; the private key is needed")
	case "CERTIFICATE":
		return nil, errors.New("the file holds a certificate; the private key is needed")
	default:
		return nil, errors.New("the PEM block is no private key; it should read -----BEGIN PRIVATE KEY-----")
	}
	if err != nil {
		return nil, fmt.Errorf("the %s block cannot be read: damaged, or of an unknown kind of key", kind)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign; use RSA or ECDSA", key)
	}
	return signer, nil
}

// Thumbprint returns the RFC 7638 SHA-256 thumbprint of an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 public key: the
// natural key id, as everyone who has the key can compute it.
func Thumbprint(pub crypto.PublicKey) (string, error) {
	var members string // RFC 7638 section 3: the required members, in lexicographic order, without white space
	switch k := pub.(type) {
	case *rsa.PublicKey:
		members = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, b64(big.NewInt(int64(k.E)).Bytes()), b64(k.N.Bytes()))
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return "", fmt.Errorf("smartauth: Thumbprint: %w", err)
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:] // 0x04 ‖ X ‖ Y
		members = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, k.Curve.Params().Name, b64(x), b64(y))
	case ed25519.PublicKey:
		members = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":%q}`, b64(k))
	default:
		return "", fmt.Errorf("smartauth: Thumbprint: a key of type %T has none", pub)
	}
	sum := sha256.Sum256([]byte(members))
	return b64(sum[:]), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
