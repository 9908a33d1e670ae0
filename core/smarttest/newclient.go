package smarttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// ClientOptions say what client to make. The zero value is an approved JWKS client with a new key and all rights.
type ClientOptions struct {
	// ID is the client_id; empty means a new UUID.
	ID string

	// Key is the private key; nil means a new P-384 key, or P-256 or P-521 if [Options].Algorithms have ES256 or ES512 and not
	// ES384. With RSA or PEM, or if Algorithms have none of the three, it is an RSA key of 2048 bits that all sandboxes of the
	// process share, as making one takes long.
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
		o.Key = s.newKey(o.RSA || o.PEM, clientRSAKey)
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
		config.Scopes = slices.Clone(registered.scopes)
	}
	return config
}

// RotateKey replaces the keys of a client by a new one, registered in the same way, and returns its Signer: a client with an
// RSA key gets another one, a PEM takes the place of a PEM. Keys at a URL or of a handler give way to a JWKS. The old ones stop
// working at once. RotateKey panics if no such client was registered.
func (s *Server) RotateKey(clientID string) smartauth.Signer {
	c, ok := s.auth.clients.get(clientID)
	if !ok {
		panic(fmt.Sprintf("smarttest: RotateKey: no client %q was registered", clientID))
	}
	key := s.newKey(c.rsa, newRSAKey)
	signer := mustSigner(key, "")
	if c.pem != nil {
		s.RegisterPEM(clientID, key.Public())
	} else {
		s.RegisterJWKS(clientID, Key{KeyID: signer.KeyID(), PublicKey: key.Public(), Use: "sig"})
	}
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

// newKey returns a key that goes with what the server accepts: EC, unless RSA is wanted or the SMART profile takes no EC.
func (s *Server) newKey(wantRSA bool, makeRSA func() *rsa.PrivateKey) crypto.Signer {
	accepts := func(alg string) bool { return s.opts.Profile != SMART || slices.Contains(s.opts.Algorithms, alg) }
	var curve elliptic.Curve
	switch {
	case wantRSA:
		return makeRSA()
	case accepts("ES384"):
		curve = elliptic.P384()
	case accepts("ES256"):
		curve = elliptic.P256()
	case accepts("ES512"):
		curve = elliptic.P521()
	default:
		return makeRSA()
	}
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err) // the random source does not fail
	}
	return key
}
