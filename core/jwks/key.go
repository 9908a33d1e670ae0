package jwks

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// A Key is the public half of a key, as it is published.
type Key struct {
	KeyID     string // kid, required (TOP-KT-020)
	PublicKey crypto.PublicKey

	// Algorithm is the alg member, such as "RS384". Empty leaves it out: an RSA key is good for several.
	Algorithm string
}

// KeyOf returns the public half of a signer's key.
func KeyOf(s smartauth.PublicSigner) Key { return Key{KeyID: s.KeyID(), PublicKey: s.Public()} }

// A Source has the keys to publish at the moment. [Keys] is one, and so is [Ring].
type Source interface {
	PublicKeys() ([]Key, error)
}

// Keys are keys that do not change.
type Keys []Key

// PublicKeys implements [Source].
func (k Keys) PublicKeys() ([]Key, error) { return k, nil }

// Marshal returns the JWKS (RFC 7517 section 5) of keys, with public members only. It is an error if a key has no kid or the
// same as another, or is not a public key of a kind that signs: RSA of at least 2048 bits, P-256, P-384, P-521 or Ed25519.
func Marshal(keys ...Key) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	seen := make(map[string]bool)
	for _, k := range keys {
		switch {
		case k.KeyID == "":
			return nil, errors.New("jwks: a key without kid cannot be published: servers find keys by it")
		case seen[k.KeyID]:
			return nil, fmt.Errorf("jwks: there are two keys with kid %q, of which servers would try one", k.KeyID)
		}
		seen[k.KeyID] = true
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("jwks: the key with kid %q cannot be published: %w", k.KeyID, err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.PublicKey, KeyID: k.KeyID, Algorithm: k.Algorithm, Use: "sig"})
	}
	return json.Marshal(set)
}

// check lets through the public keys that core signs with, and so no private one, of which go-jose would write all.
func (k Key) check() error {
	nobody := func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errors.ErrUnsupported }
	signer, err := smartauth.NewRemoteSigner(k.PublicKey, k.KeyID, nobody)
	if err != nil {
		return err
	}
	if k.Algorithm != "" && !slices.Contains(signer.Algorithms(), k.Algorithm) {
		return fmt.Errorf("its alg %q is none that the key can do", k.Algorithm)
	}
	return nil
}
