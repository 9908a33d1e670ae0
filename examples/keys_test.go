package examples_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// The Examples of docs/keys.md, and the README's of a ring.

func Example_rotation() {
	keyDir, remove := directory("2026-a.pem")
	defer remove()
	srv, _, baseURL, clientID := yours()
	defer srv.Close()
	mux, jwksPath := http.NewServeMux(), "/keys/"+clientID
	srv.RegisterJWKSHandler(clientID, mux)

	ring, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(keyDir, nil)})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle(jwksPath, jwks.Handler(ring, ring.MaxAge())) // a path of your own, and not /.well-known/jwks.json
	src, err := smartauth.New(smartauth.Config{BaseURL: baseURL, ClientID: clientID, Signer: ring})
	if err != nil {
		log.Fatal(err)
	}

	_, err = src.Token(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

func Example_keyFile() {
	keyDir, remove := directory("key.pem")
	defer remove()
	keyFile, passphrase := filepath.Join(keyDir, "key.pem"), []byte(nil)

	signer, err := smartauth.ReadKeyFile(keyFile, passphrase, "") // no passphrase: nil. "": the kid is the thumbprint
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(signer.Algorithms())
	// Output: [ES384]
}

func Example_kms() {
	kms, keyName := standIn{newKey()}, "smart-2026-a"
	publicPEM := kms.publicPEM()

	block, _ := pem.Decode(publicPEM) // what the KMS gives out as the key's public half
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := smartauth.NewRemoteSigner(public, "", func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		return kms.Sign(ctx, keyName, digest, opts.HashFunc())
	})
	if err != nil {
		log.Fatal(err)
	}

	check(signer)
	// Output: <nil>
}

func Example_hsm() {
	token, label := standIn{newKey()}, "smart-2026-a"

	key, err := token.FindKeyPair(nil, []byte(label)) // a crypto.Signer
	if err != nil {
		log.Fatal(err)
	}
	signer, err := smartauth.NewSigner(key, "")
	if err != nil {
		log.Fatal(err)
	}

	check(signer)
	// Output: <nil>
}

func Example_staticJWKS() {
	keyDir, remove := directory("2026-a.pem")
	defer remove()
	file := filepath.Join(keyDir, "jwks.json.public")
	// 5 minutes that the server lets caches keep the file, and 5 between two writes.
	ring, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(keyDir, nil), MaxAge: 10 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	public, err := ring.PublicKeys()
	if err != nil {
		log.Fatal(err)
	}
	err = jwks.WriteFile(file, public...)

	fmt.Println(err)
	// Output: <nil>
}

// directory makes one with a key in each of the files.
func directory(files ...string) (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "smartauth-keys-")
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range files {
		der, err := x509.MarshalPKCS8PrivateKey(newKey())
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	return key
}

// check prints the error of a token request with an assertion by signer.
func check(signer smartauth.PublicSigner) {
	srv, err := smarttest.Start(smarttest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.RegisterJWKSHandler("app", jwks.Handler(jwks.Keys{jwks.KeyOf(signer)}, 0))
	src, err := smartauth.New(smartauth.Config{BaseURL: srv.BaseURL(), ClientID: "app", Signer: signer})
	if err != nil {
		log.Fatal(err)
	}
	_, err = src.Token(context.Background())
	fmt.Println(err)
}

// standIn stands for the client of a KMS, or for a PKCS#11 token; the interop tests have a real one.
type standIn struct{ key *ecdsa.PrivateKey }

func (s standIn) FindKeyPair(_, _ []byte) (crypto.Signer, error) { return s.key, nil }

func (s standIn) Sign(_ context.Context, _ string, digest []byte, hash crypto.Hash) ([]byte, error) {
	return s.key.Sign(rand.Reader, digest, hash)
}

func (s standIn) publicPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		log.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
