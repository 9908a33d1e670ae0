package jwks_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

func thumbprint(key interface{ Public() crypto.PublicKey }) string {
	return must(smartauth.Thumbprint(key.Public()))
}

// The same key comes out of go-jose, and of the members read by hand.
func TestMarshal(t *testing.T) {
	ec, ed := newEC(elliptic.P521()), newEd()
	document, err := jwks.Marshal(jwks.Key{KeyID: "r", PublicKey: rsa2048().Public(), Algorithm: "RS384"},
		jwks.Key{KeyID: "e", PublicKey: ec.Public()}, jwks.Key{KeyID: "o", PublicKey: ed.Public()})
	if err != nil {
		t.Fatal(err)
	}
	var parsed jose.JSONWebKeySet
	if err := json.Unmarshal(document, &parsed); err != nil {
		t.Fatal(err)
	}
	for kid, want := range map[string]interface{ Equal(crypto.PublicKey) bool }{"r": &rsa2048().PublicKey, "e": &ec.PublicKey, "o": ed.Public().(interface{ Equal(crypto.PublicKey) bool })} {
		if found := parsed.Key(kid); len(found) != 1 || !want.Equal(found[0].Key) || found[0].Use != "sig" {
			t.Errorf("%s: go-jose reads %+v", kid, found)
		}
	}
	keys := decode(t, document)
	number := func(v any) *big.Int {
		return new(big.Int).SetBytes(must(base64.RawURLEncoding.DecodeString(v.(string))))
	}
	if r := keys[0]; r["kty"] != "RSA" || r["alg"] != "RS384" || number(r["n"]).Cmp(rsa2048().N) != 0 || number(r["e"]).Int64() != int64(rsa2048().E) {
		t.Errorf("RSA: %v", r)
	}
	point := must(ec.PublicKey.Bytes())
	if e := keys[1]; e["crv"] != "P-521" || e["alg"] != nil || len(e["x"].(string)) != 88 || number(e["x"]).Cmp(new(big.Int).SetBytes(point[1:67])) != 0 {
		t.Errorf("EC: %v", e)
	}
	if o := keys[2]; o["kty"] != "OKP" || o["crv"] != "Ed25519" {
		t.Errorf("Ed25519: %v", o)
	}
	if empty, err := jwks.Marshal(); err != nil || string(empty) != `{"keys":[]}` {
		t.Errorf("no keys: %s, %v", empty, err)
	}
}

func TestMarshalRefuses(t *testing.T) {
	ec := newEC(elliptic.P256())
	for _, c := range []struct {
		name string
		keys []jwks.Key
		want string
	}{
		{"no kid", []jwks.Key{{PublicKey: ec.Public()}}, "without kid"},
		{"duplicate kid", []jwks.Key{{KeyID: "a", PublicKey: ec.Public()}, {KeyID: "a", PublicKey: rsa2048().Public()}}, `two keys with kid "a"`},
		{"private", []jwks.Key{{KeyID: "a", PublicKey: ec}}, "*ecdsa.PrivateKey"},
		{"RSA by value", []jwks.Key{{KeyID: "a", PublicKey: rsa2048().PublicKey}}, "rsa.PublicKey"},
		{"RSA-1024", []jwks.Key{{KeyID: "a", PublicKey: must(rsa.GenerateKey(rand.Reader, 1024)).Public()}}, "1024 bits"},
		{"P-224", []jwks.Key{{KeyID: "a", PublicKey: newEC(elliptic.P224()).Public()}}, "P-224"},
		{"nil", []jwks.Key{{KeyID: "a"}}, "<nil>"},
		{"alg of another kind", []jwks.Key{{KeyID: "a", PublicKey: ec.Public(), Algorithm: "RS384"}}, "RS384"},
	} {
		if _, err := jwks.Marshal(c.keys...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one about %q", c.name, err, c.want)
		}
	}
}

// Keys of this package are printed without what is private.
func TestKeysAreNotPrinted(t *testing.T) {
	key := newEC(elliptic.P256())
	d := must(key.Bytes())
	signer := must(jwks.ParseKey(encode(jwk(key, members{"kid": "k", "alg": "ES256"})), ""))
	ring := must(jwks.NewRing(jwks.RingConfig{Load: func() ([]jwks.RingKey, error) { return []jwks.RingKey{{Signer: signer}}, nil }}))
	for _, v := range []any{signer, jwks.RingKey{Signer: signer}, jwks.KeyOf(signer), ring} {
		out := fmt.Sprintf("%v %+v %#v %s %d %x", v, v, v, v, v, v)
		if j, err := json.Marshal(v); err == nil {
			out += string(j)
		}
		for _, secret := range []string{fmt.Sprintf("%x", d), fmt.Sprintf("%d", d), new(big.Int).SetBytes(d).String(), base64.RawURLEncoding.EncodeToString(d)} {
			if strings.Contains(out, strings.Trim(secret, "[]")) {
				t.Errorf("%T: the key is in %s", v, out)
			}
		}
	}
}
