package jwks

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// ParseKey returns a Signer for a private key in a JWK, or for the one in a JWKS: SMART sandboxes hand out both. kid names the key
// where there are several, and takes the place of the key's own otherwise; empty means the key's own, or the RFC 7638 thumbprint
// if it has none. A key with alg signs by that algorithm only. Errors quote nothing of the key.
func ParseKey(data []byte, kid string) (smartauth.PublicSigner, error) {
	signer, err := parseKey(data, kid)
	if err != nil {
		return nil, fmt.Errorf("jwks: ParseKey: %w", err)
	}
	return signer, nil
}

func parseKey(data []byte, kid string) (smartauth.PublicSigner, error) {
	members, err := split(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	var keys []privateKey
	var faults []error // of keys that are passed over: a set may hold keys for other uses, and of kinds that are none of ours
	for _, raw := range members {
		key, err := read(raw)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		keys = append(keys, key)
	}
	if named := slices.DeleteFunc(slices.Clone(keys), func(k privateKey) bool { return k.kid != kid }); len(named) > 0 {
		keys = named
	}
	switch {
	case len(keys) == 0 && len(faults) == 1:
		return nil, faults[0]
	case len(keys) == 0:
		return nil, errors.New("there is no private key in it that signs")
	case len(keys) > 1 && slices.ContainsFunc(keys[1:], func(k privateKey) bool { return k.kid == keys[0].kid }):
		return nil, fmt.Errorf("there are several private keys with kid %q in it", keys[0].kid)
	case len(keys) > 1:
		return nil, errors.New("there are several private keys in it; name one by its kid")
	}
	return keys[0].signer(kid)
}

// split returns the JWKs in data, which is one or a set of them.
func split(data []byte) ([]json.RawMessage, error) {
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

// privateKey is a private key for signatures, as a JWK has it.
type privateKey struct {
	kid, alg string
	key      crypto.Signer
}

func read(raw []byte) (privateKey, error) {
	var k jose.JSONWebKey
	var more struct {
		Ops []string `json:"key_ops"`
	}
	if k.UnmarshalJSON(raw) != nil || json.Unmarshal(raw, &more) != nil {
		return privateKey{}, errors.New("the JWK cannot be read: damaged or incomplete, or of an unknown kind of key")
	}
	if k.IsPublic() {
		return privateKey{}, errors.New("the JWK is a public key; the private one (member d) is needed")
	}
	if _, symmetric := k.Key.([]byte); symmetric {
		return privateKey{}, errors.New("a symmetric key cannot sign assertions; use RSA or EC")
	}
	if k.Use != "" && k.Use != "sig" || more.Ops != nil && !slices.Contains(more.Ops, "sign") {
		return privateKey{}, errors.New("the JWK is not for signatures, by its use or key_ops")
	}
	key, err := checked(k.Key)
	return privateKey{kid: k.KeyID, alg: k.Algorithm, key: key}, err
}

// checked makes the key anew from its private members: go-jose takes some whose public members are not theirs, and what they
// sign nobody could verify.
func checked(key any) (crypto.Signer, error) {
	mismatch := errors.New("the private and the public members of the JWK do not belong together")
	given, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, mismatch
	}
	made, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, mismatch
	}
	signer, _ := made.(crypto.Signer)
	if signer == nil || !samePublic(signer.Public(), given.Public()) {
		return nil, mismatch
	}
	return signer, nil
}

func samePublic(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

func (k privateKey) signer(kid string) (smartauth.PublicSigner, error) {
	if kid == "" {
		kid = k.kid
	}
	signer, err := smartauth.NewSigner(k.key, kid)
	if err != nil || k.alg == "" {
		return signer, err
	}
	if !slices.Contains(signer.Algorithms(), k.alg) {
		return nil, fmt.Errorf("its alg %q is none that the key can do", k.alg)
	}
	return limited{signer, []string{k.alg}}, nil
}

// limited is a key with an algorithm of its own.
type limited struct {
	smartauth.PublicSigner
	algs []string
}

func (l limited) Algorithms() []string { return slices.Clone(l.algs) }

func (l limited) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	if !slices.Contains(l.algs, alg) {
		return nil, fmt.Errorf("the key cannot do %q, only %s", alg, strings.Join(l.algs, ", "))
	}
	return l.PublicSigner.Sign(ctx, alg, input)
}
