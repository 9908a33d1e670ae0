package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/clean"
)

// jwk is what has to be known of a key that is published, beside the key itself.
type jwk struct {
	KeyID  string   `json:"kid"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`

	raw     json.RawMessage
	private bool
}

// privateMembers are those of RFC 7518 section 6 that nobody must see.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

func (d *doctor) jwksKey(context.Context) Check {
	keys, err := published(d.jwks.body)
	if err != nil {
		return red("it is no JWKS: a JSON object with a list of keys", "go run ./examples/keys jwks key.pem prints one")
	}
	kid := d.ours.id
	var ours []jwk
	var others []string
	for _, k := range keys {
		switch {
		case k.private:
			return red(fmt.Sprintf("the key with kid %q is published with its private half", clean.Value(k.KeyID, 64)),
				"take it down now, and make another key: whoever has read it can sign for this client", "publish what go run ./examples/keys jwks key.pem prints")
		case k.KeyID == kid:
			ours = append(ours, k)
		default:
			others = append(others, fmt.Sprintf("%q", clean.Value(k.KeyID, 64)))
		}
	}
	if len(ours) == 0 {
		return red(fmt.Sprintf("kid %q is not in it, which has %s", clean.Value(kid, 64), someOf(others)),
			"publish the key that signs, or set the kid that it is published with")
	}
	return d.compare(ours, others)
}

// compare looks at the keys that have our kid, of which servers take the first.
func (d *doctor) compare(ours []jwk, others []string) Check {
	first := ours[0]
	same, known := d.same(first)
	d.published, d.jwkAlg = same && known, first.Alg
	switch {
	case known && !same && len(ours) > 1:
		return red(fmt.Sprintf("there are %d keys with our kid, and the first is another than the one that signs", len(ours)), "give each key a kid of its own")
	case known && !same:
		return red("the key that has our kid there is another than the one that signs", "publish the public half of this one: go run ./examples/keys jwks key.pem")
	case first.Use != "" && first.Use != "sig":
		return red(fmt.Sprintf("our key has use %q there, and is not taken for signatures", clean.Value(first.Use, 16)), `leave use out, or make it "sig"`)
	case len(first.KeyOps) > 0 && !slices.Contains(first.KeyOps, "verify"):
		return red("our key has key_ops there, without verify", `leave key_ops out, or make it ["verify"]`)
	case len(ours) > 1:
		return yellow(fmt.Sprintf("there are %d keys with our kid, of which servers try the first", len(ours)), "give each key a kid of its own")
	case first.Alg != "" && !slices.Contains(d.ours.algs, first.Alg):
		return red(fmt.Sprintf("our key has alg %q there, which it cannot do", clean.Value(first.Alg, 16)), "leave alg out")
	case slices.Contains(others, `""`):
		return yellow("it holds our key, and one without kid, which no server finds", "give each key a kid (TOP-KT-020)")
	case !known:
		return yellow("it holds our kid; whether the key is ours too is not known", "see the check of the key")
	}
	return green("it holds our key, its public half only")
}

// heldTo compares the alg in the JWKS with the one that signs.
func (d *doctor) heldTo(alg string) {
	if c := d.check(jwksKey); c.Status == Green && d.jwkAlg != "" && d.jwkAlg != alg {
		*c = yellow(fmt.Sprintf("our key has alg %q there, and assertions are signed with %s", clean.Value(d.jwkAlg, 16), alg), "leave alg out: some servers hold us to it")
		c.Name = jwksKey
	}
}

// same tells whether a published key is the one that signs, and whether that is known.
func (d *doctor) same(k jwk) (same, known bool) {
	if d.ours.public == nil {
		return false, false
	}
	var there jose.JSONWebKey
	if err := there.UnmarshalJSON(k.raw); err != nil {
		return false, true
	}
	a, err := smartauth.Thumbprint(there.Key)
	if err != nil {
		return false, true
	}
	b, err := smartauth.Thumbprint(d.ours.public)
	return a == b, err == nil
}

func published(body []byte) ([]jwk, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	if set.Keys == nil {
		return nil, fmt.Errorf("no member keys")
	}
	var keys []jwk
	for _, raw := range *set.Keys {
		k := jwk{raw: raw}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, err
		}
		_ = json.Unmarshal(raw, &k) // a member of another type counts as missing
		for name := range members {
			k.private = k.private || slices.Contains(privateMembers, name)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func someOf(kids []string) string {
	switch {
	case len(kids) == 0:
		return "no key at all"
	case len(kids) > 5:
		return strings.Join(kids[:5], ", ") + " and others"
	default:
		return strings.Join(kids, ", ")
	}
}
