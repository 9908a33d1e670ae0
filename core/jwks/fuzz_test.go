package jwks_test

import (
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

// publishEverywhere asks all that write a JWKS for one of keys, and returns whether they do. None may write anything private.
func publishEverywhere(tb testing.TB, keys ...jwks.Key) bool {
	tb.Helper()
	document, err := jwks.Marshal(keys...)
	if err == nil {
		noPrivateMember(tb, document)
	}
	w := httptest.NewRecorder()
	jwks.Handler(jwks.Keys(keys), 0).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	name := filepath.Join(tb.TempDir(), "jwks.json")
	writeErr := jwks.WriteFile(name, keys...)
	if err != nil {
		if w.Code != 500 || writeErr == nil {
			tb.Fatalf("Marshal refuses by %v, the handler answers %d, WriteFile says %v", err, w.Code, writeErr)
		}
		if w.Body.String() != "the keys are not available\n" {
			tb.Fatalf("the handler tells %s", w.Body)
		}
		return false
	}
	noPrivateMember(tb, w.Body.Bytes())
	noPrivateMember(tb, must(os.ReadFile(name)))
	return true
}

// Whatever is read as a private key signs, and its public half can be published; no private one can.
func FuzzParseKey(f *testing.F) {
	for _, key := range []crypto.Signer{rsa2048(), newEC(elliptic.P256()), newEC(elliptic.P384()), newEC(elliptic.P521()), newEd()} {
		f.Add(encode(jwk(key, members{"kid": "k"})))
		f.Add(set(jwk(key, members{"kid": "a", "use": "sig"}), jwk(key.Public(), members{"kid": "b"})))
	}
	f.Add([]byte(`{"kty":"oct","k":"c2VjcmV0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		quiet(t)
		var k jose.JSONWebKey // as somebody might who does not use ParseKey
		if err := json.Unmarshal(data, &k); err == nil {
			if published := publishEverywhere(t, jwks.Key{KeyID: "k", PublicKey: k.Key}); published && !k.IsPublic() {
				t.Error("a private key was published")
			}
		}
		signer, err := jwks.ParseKey(data, "")
		if err != nil {
			return
		}
		if !publishEverywhere(t, jwks.KeyOf(signer)) {
			t.Error("the public half cannot be published")
		}
		if _, err := signer.Sign(t.Context(), signer.Algorithms()[0], []byte("x")); err != nil {
			t.Error(err)
		}
	})
}

// Random keys of all kinds, in all the forms they come in.
func TestNoPrivateMemberIsPublished(t *testing.T) {
	quiet(t)
	for i := range 60 {
		key := []crypto.Signer{rsa2048(), newEC(elliptic.P256()), newEC(elliptic.P384()), newEC(elliptic.P521()), newEd()}[i%5]
		signer := must(smartauth.NewSigner(key, "signer"))
		parsed := must(jwks.ParseKey(encode(jwk(key, members{"kid": "parsed"})), ""))
		good := []jwks.Key{jwks.KeyOf(signer), jwks.KeyOf(parsed), {KeyID: "public", PublicKey: key.Public(), Algorithm: signer.Algorithms()[0]}}
		if !publishEverywhere(t, good...) {
			t.Fatalf("%T was refused", key)
		}
		for _, bad := range []crypto.PublicKey{key, jose.JSONWebKey{Key: key}, &jose.JSONWebKey{Key: key}, signer, parsed, pemOf(key), []byte("secret"), nil} {
			if publishEverywhere(t, append(good, jwks.Key{KeyID: "bad", PublicKey: bad})...) {
				t.Errorf("%T was published", bad)
			}
		}
	}
}
