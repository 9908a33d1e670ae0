package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"

	"github.com/smartauth-go/smartauth/examples/internal/publickey"
)

// A clientKey is the public half of the client's key, and where its private half is.
type clientKey struct {
	publickey.Key
	file   string
	remove func()
}

// key returns the user's key, or one that it makes in a temporary folder.
func (s settings) key() (clientKey, error) {
	if s.keyFile != "" {
		key, err := publickey.Read(s.keyFile, "")
		if err != nil {
			return clientKey{}, err
		}
		file, err := filepath.Abs(s.keyFile) // what is printed may be used in another folder
		return clientKey{Key: key, file: file, remove: func() {}}, err
	}
	dir, err := os.MkdirTemp("", "smartauth-sandbox-")
	if err != nil {
		return clientKey{}, err
	}
	made := clientKey{file: filepath.Join(dir, "key.pem"), remove: func() { _ = os.RemoveAll(dir) }}
	if err = writeKey(made.file, s.ec); err == nil {
		made.Key, err = publickey.Read(made.file, "")
	}
	if err != nil {
		made.remove()
	}
	return made, err
}

// export returns the line that tells a client where its key is, which the sandbox does not know if it got the public half.
func (k clientKey) export() string {
	if !k.Private {
		return "# SMART_KEY_FILE: the private key that belongs to " + k.file
	}
	return "export SMART_KEY_FILE=" + quote(k.file)
}

func writeKey(file string, ec bool) error {
	var key crypto.Signer
	var err error
	if ec {
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
