package interop

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// crafted is an assertion in the making: as the library makes them, but for what a fault changes.
type crafted struct {
	alg            jose.SignatureAlgorithm
	header         map[jose.HeaderKey]any
	claims         map[string]any
	damaged, twice bool // its signature; sent before
	jwt            string
}

// serverFaults are what can be wrong with an assertion, and which of the servers refuse it then.
var serverFaults = []struct {
	name  string
	apply func(c *crafted)
	by    []string
}{
	{"another signature", func(c *crafted) { c.damaged = true }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"RS512 where RS256 is registered", func(c *crafted) { c.alg = jose.RS512 }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"a kid that is not in the JWKS", func(c *crafted) { c.header["kid"] = "unknown" }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"another typ", func(c *crafted) { c.header["typ"] = "at+jwt" }, []string{"jose"}},
	{"another iss", func(c *crafted) { c.claims["iss"] = "other" }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"another sub", func(c *crafted) { c.claims["sub"] = "other" }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"another aud", func(c *crafted) { c.claims["aud"] = "https://other.example.nl/token" }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"aud in an array", func(c *crafted) { c.claims["aud"] = []any{c.claims["aud"]} }, nil},
	{"no exp", func(c *crafted) { delete(c.claims, "exp") }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"exp in the past", func(c *crafted) { c.claims["exp"] = time.Now().Add(-time.Hour).Unix() }, []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}},
	{"exp an hour ahead", func(c *crafted) { c.claims["exp"] = time.Now().Add(time.Hour).Unix() }, nil},
	{"iat in the future", func(c *crafted) { c.claims["iat"] = time.Now().Add(time.Minute).Unix() }, []string{"fosite", "zitadel-oidc", "jose"}},
	{"nbf in the future", func(c *crafted) { c.claims["nbf"] = time.Now().Add(time.Minute).Unix() }, []string{"oidc-provider", "fosite", "jose"}},
	{"no jti", func(c *crafted) { delete(c.claims, "jti") }, []string{"oidc-provider", "fosite", "jose"}},
	{"a jti that was used before", func(c *crafted) { c.twice = true }, []string{"oidc-provider", "fosite"}},
}

var servers = []string{"oidc-provider", "fosite", "zitadel-oidc", "jose"}

// TestWhatServersCheck breaks an assertion in one point after the other. What a server takes it does not look at, so that a
// token from it shows nothing of that.
func TestWhatServersCheck(t *testing.T) {
	key := generateKey(t, "RS256")
	registration := client{ID: "app", Alg: "RS256", Format: "opaque", JWKS: jwksOf(t, key, "RS256")}
	check := func(server, clientID, audience string, takes func(t *testing.T, all []*crafted) []bool) {
		t.Run(server, func(t *testing.T) {
			all := []*crafted{craft(t, key, registration, clientID, audience, func(*crafted) {})}
			for _, fault := range serverFaults {
				all = append(all, craft(t, key, registration, clientID, audience, fault.apply))
			}
			taken := takes(t, all)
			if !taken[0] {
				t.Fatal("refuses what is as it should be")
			}
			for i, fault := range serverFaults {
				if want := !slices.Contains(fault.by, server); taken[i+1] != want {
					t.Errorf("%s: taken: %v, want %v", fault.name, !want, want)
				}
			}
		})
	}
	posted := func(tokenURL string) func(*testing.T, []*crafted) []bool {
		return func(t *testing.T, all []*crafted) (taken []bool) {
			for _, c := range all {
				status, _ := replay(t, tokenURL, c.jwt)
				if c.twice {
					status, _ = replay(t, tokenURL, c.jwt)
				}
				taken = append(taken, status == http.StatusOK)
			}
			return taken
		}
	}

	oidc := startOIDC(t, registration)
	check("oidc-provider", registration.ID, oidc.Token, posted(oidc.Token))
	for _, peer := range goPeers {
		srv := startGo(t, peer, registration)
		audience := srv.TokenURL
		if peer.byIssuer {
			audience = srv.base
		}
		check(peer.name, registration.ID, audience, posted(srv.TokenURL))
	}
	check("jose", joseClient, joseTokenURL, func(t *testing.T, all []*crafted) (taken []bool) {
		var assertions []joseAssertion
		for _, c := range all {
			assertions = append(assertions, joseAssertion{"RS256", c.jwt})
		}
		for _, refusal := range joseVerify(t, registration.JWKS, "JWT", assertions) {
			taken = append(taken, !strings.HasPrefix(refusal, "ERR_")) // the others are of verify.mjs, and not of jose
		}
		return taken
	})
}

func craft(t *testing.T, key crypto.Signer, registration client, clientID, audience string, apply func(*crafted)) *crafted {
	t.Helper()
	now := time.Now()
	c := &crafted{
		alg:    jose.RS256,
		header: map[jose.HeaderKey]any{"typ": "JWT", "kid": kidOf(t, registration.JWKS)},
		claims: map[string]any{"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(),
			"iat": now.Add(-5 * time.Second).Unix(), "exp": now.Add(295 * time.Second).Unix()},
	}
	apply(c)
	c.sign(t, key)
	return c
}

func (c *crafted) sign(t *testing.T, key crypto.Signer) {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: c.alg, Key: key}, &jose.SignerOptions{ExtraHeaders: c.header})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(c.claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	if c.jwt, err = jws.CompactSerialize(); err != nil {
		t.Fatal(err)
	}
	if c.damaged {
		c.jwt = damage(c.jwt)
	}
}

// damage changes one byte of the signature.
func damage(jwt string) string {
	changed := []byte(jwt)
	at := bytes.LastIndexByte(changed, '.') + 9
	changed[at] = map[bool]byte{true: 'B', false: 'A'}[changed[at] == 'A']
	return string(changed)
}

func kidOf(t *testing.T, set []byte) string {
	t.Helper()
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(set, &keys); err != nil || len(keys.Keys) != 1 {
		t.Fatalf("%v: %s", err, set)
	}
	return keys.Keys[0].KeyID
}

// serverTable is TestWhatServersCheck's part of docs/conformance.md.
func serverTable(t *testing.T) string {
	t.Helper()
	versions := versionsOf(t)
	var b strings.Builder
	b.WriteString("| An assertion with |")
	for _, server := range servers {
		fmt.Fprintf(&b, " %s %s |", server, versions[server])
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(servers)) + "\n")
	for _, fault := range serverFaults {
		fmt.Fprintf(&b, "| %s |", fault.name)
		for _, server := range servers {
			b.WriteString(map[bool]string{true: " refused |", false: " taken |"}[slices.Contains(fault.by, server)])
		}
		b.WriteString("\n")
	}
	return b.String()
}
