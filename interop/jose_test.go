package interop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

const (
	joseTokenURL = "https://auth.example.nl/oauth2/token"
	joseClient   = "jose-client"

	rfc7523bisTyp = "client-authentication+jwt"
)

type joseAssertion struct {
	Alg string `json:"alg"`
	JWT string `json:"jwt"`
}

// joseVerify returns why jose, which wants this typ, refuses each of the assertions, with an empty text for those that it does not.
func joseVerify(t *testing.T, set []byte, typ string, assertions []joseAssertion) []string {
	t.Helper()
	input, err := json.Marshal(map[string]any{
		"jwks": json.RawMessage(set), "audience": joseTokenURL, "clientID": joseClient, "typ": typ, "assertions": assertions,
	})
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), node(t, "jose", "jose"), "verify.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = "jose", bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var refusals []string
	if err := json.Unmarshal(out, &refusals); err != nil || len(refusals) != len(assertions) {
		t.Fatalf("%v in %s", err, out)
	}
	return refusals
}

// Every algorithm's assertion verifies with jose, by the key that jwks publishes.
func TestJose(t *testing.T) {
	ec := func(curve elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var published []jwks.Key
	var assertions []joseAssertion
	for _, key := range []crypto.Signer{generateKey(t, "RS384"), ec(elliptic.P256()), ec(elliptic.P384()), ec(elliptic.P521()), ed} {
		signer, err := smartauth.NewSigner(key, "")
		if err != nil {
			t.Fatal(err)
		}
		published = append(published, jwks.KeyOf(signer))
		for _, alg := range signer.Algorithms() {
			assertions = append(assertions, joseAssertion{alg, assertionBy(t, signer, alg, "")})
		}
	}
	if len(assertions) != 10 {
		t.Errorf("%d algorithms, want RS, PS and ES of three sizes each, and EdDSA", len(assertions))
	}
	set, err := jwks.Marshal(published...)
	if err != nil {
		t.Fatal(err)
	}
	for i, refusal := range joseVerify(t, set, "JWT", assertions) {
		if refusal != "" {
			t.Errorf("%s: %s", assertions[i].Alg, refusal)
		}
	}

	// And jose looks: with one byte changed, none is good.
	for i := range assertions {
		assertions[i].JWT = damage(assertions[i].JWT)
	}
	for i, refusal := range joseVerify(t, set, "JWT", assertions) {
		if !strings.HasPrefix(refusal, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") {
			t.Errorf("%s with a changed signature: %q", assertions[i].Alg, refusal)
		}
	}
}

// jose takes the typ that it wants, and no other.
func TestJoseTyp(t *testing.T) {
	signer, err := smartauth.NewSigner(generateKey(t, "ES384"), "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwks.Marshal(jwks.KeyOf(signer))
	if err != nil {
		t.Fatal(err)
	}
	types := []string{"JWT", rfc7523bisTyp}
	for _, wanted := range types {
		t.Run(wanted, func(t *testing.T) {
			var assertions []joseAssertion
			for _, typ := range types {
				assertions = append(assertions, joseAssertion{"ES384", assertionBy(t, signer, "ES384", typ)})
			}
			for i, refusal := range joseVerify(t, set, wanted, assertions) {
				if types[i] == wanted && refusal != "" || types[i] != wanted && !strings.Contains(refusal, `unexpected "typ"`) {
					t.Errorf("an assertion of typ %s: %q", types[i], refusal)
				}
			}
		})
	}
}

func assertionBy(t *testing.T, signer smartauth.Signer, alg, typ string) string {
	t.Helper()
	src, err := smartauth.New(smartauth.Config{
		BaseURL: "https://fhir.example.nl", TokenURL: joseTokenURL, ClientID: joseClient, Signer: signer, Algorithm: alg, AssertionTyp: typ,
	})
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := src.Assertion(t.Context(), joseTokenURL)
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}
