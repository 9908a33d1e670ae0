package jwks_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/smartauth-go/smartauth/core/jwks"
)

type members map[string]any

// jwk returns the private JWK of a key, with further members; a nil one is left out.
func jwk(key crypto.PrivateKey, more members) members {
	m := members{}
	if err := json.Unmarshal(must(jose.JSONWebKey{Key: key}.MarshalJSON()), &m); err != nil {
		panic(err)
	}
	maps.Copy(m, more)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

func encode(v any) []byte { return must(json.Marshal(v)) }

func set(keys ...any) []byte { return encode(map[string]any{"keys": append([]any{}, keys...)}) }

func TestParseKey(t *testing.T) {
	ec, other, p384, ed := newEC(elliptic.P256()), newEC(elliptic.P256()), newEC(elliptic.P384()), newEd()
	public := jwk(ec.Public(), nil)
	enc := jwk(rsa2048(), members{"kid": "e", "use": "enc"})
	for _, c := range []struct {
		name string
		data []byte
		kid  string
		want string // the kid
		algs []string
	}{
		{"EC", encode(jwk(ec, members{"kid": "k"})), "", "k", []string{"ES256"}},
		{"RSA", encode(jwk(rsa2048(), members{"kid": "k"})), "", "k", []string{"RS384", "RS512", "RS256", "PS384", "PS512", "PS256"}},
		{"Ed25519", encode(jwk(ed, members{"kid": "k"})), "", "k", []string{"EdDSA"}},
		{"alg", encode(jwk(rsa2048(), members{"kid": "k", "alg": "RS384", "use": "sig", "key_ops": []string{"sign"}})), "", "k", []string{"RS384"}},
		{"kid given", encode(jwk(ec, members{"kid": "k"})), "mine", "mine", []string{"ES256"}},
		{"byte order mark and CRLF", append([]byte("\ufeff\r\n"), encode(jwk(ec, members{"kid": "k"}))...), "", "k", []string{"ES256"}},
		{"set of one", set(jwk(ec, members{"kid": "k"})), "", "k", []string{"ES256"}},
		{"set with the public half", set(public, jwk(ec, members{"kid": "k"})), "", "k", []string{"ES256"}},
		{"set with keys of other kinds", set(jwk([]byte("0123456789abcdef"), members{"kid": "s"}), enc, members{"kty": "new"}, jwk(ec, members{"kid": "k"})),
			"", "k", []string{"ES256"}},
		{"one of several", set(jwk(ec, members{"kid": "a"}), jwk(p384, members{"kid": "b"})), "b", "b", []string{"ES384"}},
		{"no kid", encode(jwk(ec, nil)), "", thumbprint(ec), []string{"ES256"}},
		{"no kid in a set, named", set(jwk(ec, nil)), "mine", "mine", []string{"ES256"}},
		{"not RSA's use", set(jwk(other, members{"kid": "k", "use": "sig"}), enc), "", "k", []string{"ES256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			signer, err := jwks.ParseKey(c.data, c.kid)
			if err != nil {
				t.Fatal(err)
			}
			if signer.KeyID() != c.want || !slices.Equal(signer.Algorithms(), c.algs) {
				t.Errorf("kid %q and %v, want %q and %v", signer.KeyID(), signer.Algorithms(), c.want, c.algs)
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	ec, other, ed := newEC(elliptic.P256()), newEC(elliptic.P256()), newEd()
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	secret := []byte("marker-0123456789")
	for _, c := range []struct {
		name string
		data []byte
		kid  string
		want string
	}{
		{"empty", nil, "", "no JSON object"},
		{"PEM", pemOf(ec), "", "smartauth.ParseKey"},
		{"half written", encode(jwk(ec, nil))[:60], "", "no JSON object"},
		{"neither", []byte(`{"a":1}`), "", "neither a JWK"},
		{"array", []byte(`[]`), "", "no JSON object"},
		{"empty set", set(), "", "no private key"},
		{"EC without d", encode(jwk(ec, members{"d": nil})), "", "public key; the private one (member d) is needed"},
		{"RSA without d", encode(jwk(rsa2048(), members{"d": nil})), "", "public key"},
		{"Ed25519 without d", encode(jwk(ed, members{"d": nil})), "", "public key"},
		{"public set", set(jwk(ec.Public(), nil), jwk(other.Public(), nil)), "", "no private key"},
		{"RSA without primes", encode(jwk(rsa2048(), members{"p": nil})), "", "incomplete"},
		{"enc", encode(jwk(ec, members{"use": "enc"})), "", "not for signatures"},
		{"key_ops", encode(jwk(ec, members{"key_ops": []string{"deriveKey"}})), "", "not for signatures"},
		{"symmetric", encode(jwk(secret, nil)), "", "symmetric"},
		{"RSA-1024", encode(jwk(weak, nil)), "", "1024 bits"},
		{"P-224", encode(jwk(ec, members{"crv": "P-224"})), "", "unknown kind of key"},
		{"X25519", encode(jwk(ed, members{"crv": "X25519"})), "", "unknown kind of key"},
		{"unknown kty", []byte(`{"kty":"new","d":"AA"}`), "", "unknown kind of key"},
		{"alg of another kind", encode(jwk(ec, members{"alg": "RS384"})), "", `alg "RS384" is none that the key can do`},
		{"alg of another curve", encode(jwk(ec, members{"alg": "ES384"})), "", "ES384"},
		{"symmetric alg", encode(jwk(rsa2048(), members{"alg": "HS256"})), "", "HS256"},
		{"several", set(jwk(ec, members{"kid": "a"}), jwk(other, members{"kid": "b"})), "", "name one by its kid"},
		{"several, another named", set(jwk(ec, members{"kid": "a"}), jwk(other, members{"kid": "b"})), "c", "name one by its kid"},
		{"duplicate kid", set(jwk(ec, members{"kid": "a"}), jwk(other, members{"kid": "a"})), "a", `several private keys with kid "a"`},
		{"duplicate member", []byte(strings.Replace(string(encode(jwk(ec, nil))), `"d":`, `"d":"AA","d":`, 1)), "", "cannot be read"},
		{"EC with another's point", encode(jwk(ec, members{"x": jwk(other, nil)["x"], "y": jwk(other, nil)["y"]})), "", "do not belong together"},
		{"Ed25519 with another's x", encode(jwk(ed, members{"x": jwk(newEd(), nil)["x"]})), "", "cannot be read"},
		{"EC d of zero", encode(jwk(ec, members{"d": strings.Repeat("A", 43)})), "", "do not belong together"},
	} {
		t.Run(c.name, func(t *testing.T) {
			signer, err := jwks.ParseKey(c.data, c.kid)
			if err == nil {
				t.Fatalf("accepted as %v", signer.Algorithms())
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
			for _, d := range []string{string(secret), jwk(ec, nil)["d"].(string), jwk(secret, nil)["k"].(string)} {
				if strings.Contains(err.Error(), d) {
					t.Errorf("the key is in %q", err)
				}
			}
		})
	}
}

// A JWK's alg limits what is signed, and not only what is said of the key.
func TestAlgLimitsSignatures(t *testing.T) {
	signer := must(jwks.ParseKey(encode(jwk(rsa2048(), members{"kid": "k", "alg": "RS384"})), ""))
	for alg, want := range map[string]bool{"RS384": true, "RS512": false, "PS384": false, "ES384": false} {
		if sig, err := signer.Sign(t.Context(), alg, []byte("x")); (err == nil) != want || (sig != nil) != want {
			t.Errorf("%s: %v", alg, err)
		}
	}
}
