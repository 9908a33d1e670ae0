// Package publickey reads the public half of a key for the examples.
package publickey

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// A Key is the public half of a key pair that smartauth can use.
type Key struct {
	crypto.PublicKey
	ID      string // the kid
	Private bool   // the file holds the private half too
}

// Read reads a PEM file with a private or a public key. An empty kid means the RFC 7638 thumbprint. Its errors say nothing
// of the file's content.
func Read(file, kid string) (Key, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Key{}, err
	}
	pub, private, err := parse(bytes.TrimPrefix(data, []byte("\ufeff")), kid)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", file, err)
	}
	signer, err := smartauth.NewSigner(half{pub}, kid)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", file, err)
	}
	return Key{PublicKey: pub, ID: signer.KeyID(), Private: private}, nil
}

func parse(data []byte, kid string) (pub crypto.PublicKey, private bool, err error) {
	block, rest := pem.Decode(data)
	for block != nil && block.Type == "EC PARAMETERS" { // openssl writes the curve's name before a SEC1 key
		block, rest = pem.Decode(rest)
	}
	if block != nil && block.Type == "PUBLIC KEY" {
		if pub, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, false, errors.New("the PUBLIC KEY block cannot be read")
		}
		return pub, false, nil
	}
	if _, err := smartauth.ParseKey(data, kid); err != nil { // it says best what is wrong with a file
		return nil, false, err
	}
	var key any
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, false, errors.New("the private key cannot be read")
	}
	return signer.Public(), true, nil
}

// half stands for a private key of which only the public half is needed.
type half struct{ public crypto.PublicKey }

func (h half) Public() crypto.PublicKey { return h.public }

func (half) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("there is no private key to sign with")
}
