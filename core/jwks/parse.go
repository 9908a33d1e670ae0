package jwks

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// ParseKey returns a Signer for a private key in a JWK, or for the one in a JWKS: SMART sandboxes hand out both. kid names the key
// where there are several, and takes the place of the key's own otherwise; empty means the key's own, or the RFC 7638 thumbprint
// if it has none. A key with alg signs by that algorithm only. Errors quote nothing of the file.
func ParseKey(data []byte, kid string) (smartauth.PublicSigner, error) {
	signer, err := parseKey(data, kid)
	if err != nil {
		return nil, fmt.Errorf("jwks: ParseKey: %w", err)
	}
	return signer, nil
}

func parseKey(data []byte, kid string) (smartauth.PublicSigner, error) {
	candidates, err := members(data)
	if err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range candidates {
		var k jose.JSONWebKey
		if err := k.UnmarshalJSON(raw); err != nil {
			if len(candidates) == 1 {
				return nil, errors.New("the JWK cannot be read: damaged, or of an unknown kind of key")
			}
			continue // a set may hold keys of kinds that are none of ours
		}
		if !k.IsPublic() {
			keys = append(keys, k)
		}
	}
	if named := slices.DeleteFunc(slices.Clone(keys), func(k jose.JSONWebKey) bool { return k.KeyID != kid }); len(named) > 0 {
		keys = named
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("there is no private key (member d) in it, only public ones")
	case len(keys) > 1:
		return nil, errors.New("there are several private keys in it; name one by its kid")
	case keys[0].Use != "" && keys[0].Use != "sig":
		return nil, fmt.Errorf("the key is for %q, not for signatures", keys[0].Use)
	}
	return signerOf(keys[0], kid)
}

// members returns the JWKs in data, which is one or a set of them.
func members(data []byte) ([]json.RawMessage, error) {
	var set struct {
		Kty  *string           `json:"kty"`
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("it is no JSON object; keys in PEM are for smartauth.ParseKey")
	}
	switch {
	case set.Keys != nil:
		return set.Keys, nil
	case set.Kty != nil:
		return []json.RawMessage{data}, nil
	default:
		return nil, errors.New("it is neither a JWK (member kty) nor a JWKS (member keys)")
	}
}

func signerOf(k jose.JSONWebKey, kid string) (smartauth.PublicSigner, error) {
	key, ok := k.Key.(crypto.Signer)
	if !ok {
		return nil, errors.New("a symmetric key cannot sign assertions; use RSA or EC")
	}
	if kid == "" {
		kid = k.KeyID
	}
	signer, err := smartauth.NewSigner(key, kid)
	if err != nil || k.Algorithm == "" {
		return signer, err
	}
	if !slices.Contains(signer.Algorithms(), k.Algorithm) {
		return nil, fmt.Errorf("its alg %q is none that the key can do", k.Algorithm)
	}
	return limited{signer, []string{k.Algorithm}}, nil
}

// limited is a key with an algorithm of its own.
type limited struct {
	smartauth.PublicSigner
	algs []string
}

func (l limited) Algorithms() []string { return slices.Clone(l.algs) }
