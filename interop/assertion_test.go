package interop

import (
	"regexp"
	"testing"
	"time"
)

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// Where servers differ in what they take, the assertion is what none of them refuses: a subtest for each part of it.
func TestAssertionForEveryServer(t *testing.T) {
	checkRuns(t, []clientCheck{
		every("alg", func(r *clientRun, a sentAssertion) bool { return a.header["alg"] == r.alg }),
		every("typ", func(_ *clientRun, a sentAssertion) bool { return a.header["typ"] == "JWT" }),
		every("kid", func(r *clientRun, a sentAssertion) bool { return a.kid != "" && a.kid == r.set.Keys[0].KeyID }),
		every("jku", func(_ *clientRun, a sentAssertion) bool { return len(a.header) == 3 }), // alg, typ, kid
		every("iss_and_sub", func(_ *clientRun, a sentAssertion) bool { return a.claims["iss"] == "app" && a.claims["sub"] == "app" }),
		every("aud", func(r *clientRun, a sentAssertion) bool { return a.claims["aud"] == r.TokenURL }),
		every("iat", func(r *clientRun, a sentAssertion) bool {
			return a.iat == float64(int64(a.iat)) && a.iat <= float64(time.Now().Unix()-5) && a.iat >= float64(r.began.Unix()-10)
		}),
		every("nbf", func(_ *clientRun, a sentAssertion) bool {
			_, present := a.claims["nbf"]
			return !present
		}),
		every("exp", func(_ *clientRun, a sentAssertion) bool {
			return a.exp == float64(int64(a.exp)) && a.exp-a.iat <= 300 && a.exp-float64(time.Now().Unix()) >= 240
		}),
		every("jti", func(_ *clientRun, a sentAssertion) bool { return uuid4.MatchString(a.jti) }),
		{"reuse", newJTIs},
		every("signature", func(r *clientRun, a sentAssertion) bool {
			size := map[string]int{"RS384": 256, "ES384": 2 * 48}[r.alg] // R and S as they are: in ASN.1 they are longer
			return len(a.signature) == size
		}),
	})
}
