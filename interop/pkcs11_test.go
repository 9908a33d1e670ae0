package interop

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/ThalesGroup/crypto11"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// hsmSigner returns a Signer for a key that is in the token already, as an application would find it. docs/keys.md shows its body.
func hsmSigner(token *crypto11.Context, label string) (smartauth.PublicSigner, error) {
	key, err := token.FindKeyPair(nil, []byte(label)) // a crypto.Signer
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, fmt.Errorf("the token has no key %q", label)
	}
	return smartauth.NewSigner(key, "")
}

// A key of an HSM gets tokens like any other: it is made inside a PKCS#11 token, and all that leaves it is signatures.
func TestPKCS11(t *testing.T) {
	token := softHSM(t)
	signers := map[string]smartauth.PublicSigner{}
	var clients []client
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"} {
		neverOutside(t, token, makeInside(t, token, "smart-"+alg, alg))
		signer, err := hsmSigner(token, "smart-"+alg)
		if err != nil {
			t.Fatal(err)
		}
		published := jwks.KeyOf(signer)
		published.Algorithm = alg
		set, err := jwks.Marshal(published)
		if err != nil {
			t.Fatal(err)
		}
		signers[alg] = signer
		clients = append(clients, client{ID: alg, Alg: alg, Format: "jwt", JWKS: json.RawMessage(set)})
	}

	oidc := startOIDC(t, clients...)
	for _, c := range clients {
		t.Run("oidc-provider/"+c.Alg, func(t *testing.T) {
			src, err := smartauth.New(smartauth.Config{
				BaseURL: oidc.FHIR, ClientID: c.ID, Signer: signers[c.Alg], Algorithm: c.Alg, Scopes: []string{scope},
			})
			if err != nil {
				t.Fatal(err)
			}
			searchPatients(t, smarthttp.NewClient(src, nil), oidc.FHIR)
		})
	}

	// The algorithms that the Koppeltaal reference server takes from a client with a JWKS.
	koppeltaal := smarttest.New(t, smarttest.Options{})
	for _, alg := range []string{"RS384", "RS512", "ES384"} {
		t.Run("Koppeltaal/"+alg, func(t *testing.T) {
			signer := signers[alg]
			koppeltaal.RegisterJWKSHandler(alg, jwks.Handler(jwks.Keys{jwks.KeyOf(signer)}, 0))
			// As many at once as there are sources: sessions of a token are few, and shared.
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					src, err := smartauth.New(smartauth.Config{BaseURL: koppeltaal.BaseURL(), ClientID: alg, Signer: signer, Algorithm: alg})
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := src.Token(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
	if counts := koppeltaal.Counts(); counts.TokensIssued != 60 || counts.TokensRefused != 0 {
		t.Errorf("%d tokens issued and %d refused, want 60 and none", counts.TokensIssued, counts.TokensRefused)
	}
}
