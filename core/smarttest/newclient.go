package smarttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"sync"

	"github.com/google/uuid"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// ClientOptions say what client to make. The zero value is an approved JWKS client with a new P-384 key and all rights.
type ClientOptions struct {
	// ID is the client_id; empty means a new UUID.
	ID string

	// Key is the private key; nil means a new P-384 key, or with RSA or PEM an RSA key of 2048 bits that all sandboxes of
	// the process share, as making one takes long.
	Key crypto.Signer

	// KeyID is the kid; empty means the RFC 7638 thumbprint.
	KeyID string

	RSA bool // an RSA key if Key is nil
	PEM bool // register the public key alone instead of a JWKS

	// Scopes are the role of the client; nil means the usual one, empty and not nil none.
	Scopes []string
}

// NewClient registers a client and returns the Config that is all it needs, for [smartauth.New]. With the SMART profile
// it asks for all that its role allows. NewClient panics if smartauth cannot use the key.
func (s *Server) NewClient(o ClientOptions) smartauth.Config {
	if o.ID == "" {
		o.ID = uuid.NewString()
	}
	if o.Key == nil {
		o.Key = newKey(o.RSA || o.PEM)
	}
	signer := mustSigner(o.Key, o.KeyID)
	if o.PEM {
		s.RegisterPEM(o.ID, o.Key.Public())
	} else {
		s.RegisterJWKS(o.ID, Key{KeyID: signer.KeyID(), PublicKey: o.Key.Public(), Use: "sig"})
	}
	if o.Scopes != nil {
		s.SetRole(o.ID, o.Scopes...)
	}
	config := smartauth.Config{BaseURL: s.BaseURL(), ClientID: o.ID, Signer: signer, HTTPClient: s.Client()}
	if s.opts.Profile == SMART {
		registered, _ := s.auth.clients.get(o.ID)
		config.Scopes = registered.scopes
	}
	return config
}

// RotateKey replaces the keys of a client by a new P-384 key and returns its Signer. The old ones stop working at once.
func (s *Server) RotateKey(clientID string) smartauth.Signer {
	key := newKey(false)
	signer := mustSigner(key, "")
	s.RegisterJWKS(clientID, Key{KeyID: signer.KeyID(), PublicKey: key.Public(), Use: "sig"})
	return signer
}

func mustSigner(key crypto.Signer, kid string) smartauth.Signer {
	signer, err := smartauth.NewSigner(key, kid)
	if err != nil {
		panic("smarttest: " + err.Error())
	}
	return signer
}

// RSA keys take a tenth of a second and more to make, which is much for each test.
var (
	clientRSAKey = sync.OnceValue(newRSAKey)
	serverRSAKey = sync.OnceValue(newRSAKey)
)

func newRSAKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the random source does not fail
	}
	return key
}

func newKey(wantRSA bool) crypto.Signer {
	if wantRSA {
		return clientRSAKey()
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}
