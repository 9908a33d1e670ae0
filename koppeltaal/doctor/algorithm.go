package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/smartauth-go/smartauth/internal/clean"
)

// What Koppeltaal's reference server takes of a client with a JWKS, and of one with a PEM. It advertises neither.
var (
	koppeltaalJWKS = []string{"RS384", "ES384", "RS512"}
	koppeltaalPEM  = "RS512"
)

// algorithm signs an assertion, and sends it to nobody.
func (d *doctor) algorithm(ctx context.Context) Check {
	_, audience, err := d.src.TokenEndpoint(ctx)
	if err != nil {
		found, do := explain(err)
		return red(found, do...)
	}
	assertion, err := d.src.Assertion(ctx, audience)
	if err != nil {
		d.unsigned = true
		found, do := explain(err)
		return red(found, do...)
	}
	signed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384,
		jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA})
	if err != nil {
		return red("what Config.Signer returns is no signature")
	}
	alg := signed.Signatures[0].Header.Algorithm
	d.report.Algorithm = alg
	d.heldTo(alg)
	if d.ours.public != nil {
		if _, err := signed.Verify(d.ours.public); err != nil {
			return red("what Config.Signer signs with is another key than the public one that it shows",
				"a KMS needs the public half of the very key version that it signs with")
		}
	}
	return d.judge(alg)
}

// judge compares an algorithm with what the server is known to take.
func (d *doctor) judge(alg string) Check {
	if advertised := d.advertised(); len(advertised) > 0 {
		if !slices.Contains(advertised, alg) {
			d.unlisted = true
			return red(fmt.Sprintf("%s, and the server says that it takes %s", alg, clean.Value(strings.Join(advertised, ", "), 128)), d.listed(advertised))
		}
		return green("%s, which the server says it takes", alg)
	}
	const silent = "the server does not say what it takes"
	if !slices.Contains(koppeltaalJWKS, alg) {
		return yellow(fmt.Sprintf("%s; %s, and Koppeltaal's takes %s only", alg, silent, strings.Join(koppeltaalJWKS, ", ")), d.better())
	}
	if alg != koppeltaalPEM {
		return green("%s; %s, and Koppeltaal's takes it of clients with a JWKS URL", alg, silent)
	}
	return green("%s; %s, and Koppeltaal's takes it of every client", alg, silent)
}

// advertised returns what the server says it takes, nil if it says nothing.
func (d *doctor) advertised() []string {
	if d.meta == nil {
		return nil
	}
	return d.meta.TokenEndpointAuthSigningAlgs
}

// listed says how to sign by an algorithm that the server takes.
func (d *doctor) listed(advertised []string) string {
	for _, alg := range append([]string{"RS384", "ES384"}, d.ours.algs...) {
		if !slices.Contains(d.ours.algs, alg) || !slices.Contains(advertised, alg) {
			continue
		}
		if d.Config.TokenURL != "" { // the list is then not looked at
			return "set Config.Algorithm to " + alg
		}
		return "leave Config.Algorithm empty, or set it to " + alg
	}
	return "make another key, for one of these"
}

func (d *doctor) better() string {
	for _, alg := range []string{"RS512", "ES384"} {
		if slices.Contains(d.ours.algs, alg) {
			return "set Config.Algorithm to " + alg + ", or leave it empty"
		}
	}
	return "make another key, of RSA or P-384: go run ./examples/keys gen key.pem"
}
