package interop

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/conformance.md")

// A requirement is a row of docs/conformance.md. Tests are "folder TestName".
type requirement struct {
	name, text string
	tests      []string
	note       string // what no test of ours can show
}

// shared are tests that show much at once.
const (
	assertionTest = "core TestEveryAttemptHasItsOwnAssertion"
	formTest      = "core TestRequestsOfAnAcquisition"
	inferno       = "interop TestInfernoClientChecks"
	retries       = "interop TestGoServersThroughRetries"
	goServers     = "interop TestGoServers"
	oidcProvider  = "interop TestOIDCProvider"
	joseTest      = "interop TestJose"
	tlsTest       = "interop TestTLS"
)

var suites = []string{"adapters/nethttp TestAdapterSuite", "adapters/resty TestAdapterSuite", "adapters/retryablehttp TestAdapterSuite"}

var conformance = []struct {
	title, intro string
	rows         []requirement
}{
	{"SMART App Launch 2.2, Backend Services", "What the specification asks of a client, in short.", []requirement{
		{"1", "The client is registered before use.", []string{"interop TestGoServersRefuseAnotherKey", "core TestRefusalTellsWhatWasSent"},
			"Registration is done by people; the tests show what is said without it."},
		{"2", "It has an asymmetric key pair, and protects the private key.", []string{"core TestExposedKeyFile", "core TestSignersShowNoKey",
			"core/jwks TestNoPrivateMemberIsPublished", "core/jwks TestKeysAreNotPrinted", "interop TestPKCS11"}, ""},
		{"3", "The public keys are conveyed as a JWKS.", []string{goServers, oidcProvider, joseTest}, ""},
		{"4", "A JWKS URL is served over TLS, without authentication.", []string{"core/jwks TestHandler", oidcProvider, "koppeltaal/doctor TestJWKSURL"},
			"TLS is up to the server that the handler is put into; doctor looks at the URL from outside."},
		{"5", "The JWKS should come with Cache-Control.", []string{"core/jwks TestHandler", "interop TestRotationWithCachedJWKS"}, ""},
		{"6", "Each JWK has kty and kid; an RSA key n and e, an EC key crv, x and y.", []string{"core/jwks TestMarshal", "core/jwks TestVectors"}, ""},
		{"7", "A kid is unique in the set.", []string{"core/jwks TestMarshalRefuses", "core/jwks TestSameKidForAnotherKey"}, ""},
		{"8", "RS384 and ES384 are both supported.", []string{"core TestAdvertisedAlgorithms", joseTest, inferno}, ""},
		{"9", "The signature should be one of the two.", []string{"core TestAdvertisedAlgorithms", inferno, "core TestKoppeltaalAlgorithms"},
			"Where a server advertises no list, as Koppeltaal, an RSA key signs by RS512."},
		{"10", "The header has alg, kid and typ `JWT`.", []string{assertionTest, inferno}, ""},
		{"11", "jku is optional; if sent, it is the registered URL.", []string{inferno}, "It is never sent."},
		{"12", "iss and sub are the client_id.", []string{assertionTest, inferno}, ""},
		{"13", "aud is the token URL that is posted to.", []string{assertionTest, inferno, goServers},
			"`Config.Audience` is for servers that want another, as Zitadel's does."},
		{"14", "exp is an integer, at most five minutes ahead.", []string{assertionTest, inferno}, ""},
		{"15", "jti is unique, and an assertion is used once.", []string{assertionTest, retries}, ""},
		{"16", "The client_id is the assigned one.", []string{"core TestConfig", assertionTest}, ""},
		{"17", "TLS 1.2 or later, and the server is authenticated.", []string{tlsTest, "core TestConfig"},
			"Plain http is for loopback and for hosts that `Config.InsecureHosts` names."},
		{"18", "The client is a confidential one.", []string{assertionTest}, "It cannot be made without a key."},
		{"19", "The form has scope, grant_type, client_assertion_type and client_assertion.", []string{formTest, inferno}, ""},
		{"20", "The scopes are `system/` ones.", []string{formTest, "core/smarttest TestSMARTTokenEndpoint"}, "They are sent as configured; servers refuse others."},
		{"21", "The granted scope may be another than the requested one.", []string{"core TestScopesThatAreMissing", "core TestScopeMissingIsTold"}, ""},
		{"22", "New tokens are asked for as needed, without refresh tokens.", []string{"core TestEachTokenIsRenewedOnce", "core TestParseToken", inferno}, ""},
		{"23", "FHIR calls have `Authorization: Bearer`.", append([]string{inferno}, suites...), ""},
		{"24", "A token should not follow references to other servers.", append([]string{"adapters/nethttp TestOrigins",
			"adapters/nethttp TestRedirectTrails"}, suites...), ""},
		{"25", "The smart-configuration is read by GET, and JSON accepted.", []string{formTest}, ""},
		{"26", "Relative endpoints resolve against the FHIR base.", []string{"core TestRelativeTokenEndpoint"}, ""},
		{"27", "scopes_supported is not all there is.", []string{inferno}, ""},
		{"28", "Secrets and tokens go to authenticated TLS servers only.", []string{tlsTest, "core TestDiscoveryRefusesEndpoints",
			"core TestDiscoveryRedirectMustNotLeaveHTTPS", "adapters/nethttp TestPlainHTTPOrigins", "core TestSecretsStaySecret"}, ""},
	}},
	{"Inferno's client suite", "What the SMART App Launch test kit checks of a backend client. These are the same checks, made by go-jose and by the " +
		"servers named in the tests, and not a run of Inferno.", []requirement{
		{"keys", "A valid key in the JWKS.", []string{inferno, "core/jwks TestVectors"}, ""},
		{"grant", "grant_type is client_credentials.", []string{inferno, formTest}, ""},
		{"type", "client_assertion_type is exactly the jwt-bearer URN.", []string{inferno, formTest}, ""},
		{"scope", "scope is not blank.", []string{inferno, "core TestRefusalHints"}, "Empty `Config.Scopes` send an empty one; the refusal then says so."},
		{"parses", "The assertion is a JWT.", []string{inferno, joseTest}, ""},
		{"typ", "typ is `JWT`.", []string{inferno, assertionTest}, ""},
		{"alg, kid", "Both are there, and the kid is in the JWKS.", []string{inferno, "core/jwks TestAssertionsHaveTheirKid"}, ""},
		{"signature", "The signature verifies.", []string{inferno, joseTest, goServers, oidcProvider}, ""},
		{"iss, sub", "Both are the client_id.", []string{inferno}, ""},
		{"aud", "aud equals the token URL, as a string.", []string{inferno}, ""},
		{"exp", "exp is there.", []string{inferno}, ""},
		{"jti", "jti is there, and unique over the whole run.", []string{inferno, retries}, ""},
		{"no refresh", "No refresh_token grant.", []string{inferno}, ""},
		{"use", "An issued token is used in a FHIR call, after `Bearer ` in just these letters.", append([]string{inferno}, suites...), ""},
	}},
	{"An assertion that every server takes", "Where servers differ, this is what none of those seen refuses.", []requirement{
		{"alg", "By the key: RS384 and ES384, and RS512 where Koppeltaal has a PEM.", []string{"core TestAdvertisedAlgorithms", "core TestKoppeltaalAlgorithms"}, ""},
		{"typ", "`JWT`.", []string{inferno, assertionTest, "core TestAssertionTyp", "interop TestJoseTyp", "interop TestOIDCProviderOfRFC7523bis"},
			"`Config.AssertionTyp` is for servers that want another, as those of draft-ietf-oauth-rfc7523bis do."},
		{"kid", "Always.", []string{inferno, "core TestConfig"}, ""},
		{"jku", "Not sent.", []string{inferno}, ""},
		{"iss, sub", "The client_id.", []string{inferno, assertionTest}, ""},
		{"aud", "One string.", []string{inferno, "core/smarttest TestKoppeltaalTokenEndpoint"}, "The sandbox refuses an array, as real servers do."},
		{"iat", "Five to ten seconds ago.", []string{inferno, assertionTest}, ""},
		{"nbf", "Absent.", []string{inferno, assertionTest}, ""},
		{"exp", "At most 300 s after iat, and four minutes or more ahead.", []string{inferno, assertionTest}, ""},
		{"jti", "A UUID of version 4, a string of at most 151 characters.", []string{inferno, assertionTest}, ""},
		{"reuse", "Never, nor for a retry.", []string{retries, assertionTest}, ""},
		{"signature", "R and S as they are, for the ES algorithms.", []string{inferno, joseTest, "core TestSignatures"}, ""},
	}},
}

// TestConformance: every test that docs/conformance.md names is there, and it says what the table above does.
func TestConformance(t *testing.T) {
	var doc strings.Builder
	doc.WriteString("# Conformance\n\n<!-- Made by `go test -run TestConformance -update .` in interop/; edit the table in conformance_test.go. -->\n\n" +
		"Each requirement with the tests that show it. They pass before a change is merged: `make ci`. What is tried against the\n" +
		"servers of others is in [interop/](../interop): oidc-provider, Ory's fosite and Zitadel's OpenID provider.\n")
	for _, part := range conformance {
		fmt.Fprintf(&doc, "\n## %s\n\n%s\n\n| | Requirement | Shown by |\n|---|---|---|\n", part.title, part.intro)
		for _, row := range part.rows {
			if len(row.tests) == 0 {
				t.Errorf("%s %s: no test", part.title, row.name)
			}
			var links []string
			for _, test := range row.tests {
				folder, name, _ := strings.Cut(test, " ")
				file := testsOf(t, folder)[name]
				if file == "" {
					t.Errorf("%s %s: there is no %s in %s", part.title, row.name, name, folder)
				}
				links = append(links, fmt.Sprintf("%s [%s](../%s/%s)", folder, name, folder, file))
			}
			text := row.text
			if row.note != "" {
				text += " *" + row.note + "*"
			}
			fmt.Fprintf(&doc, "| %s | %s | %s |\n", row.name, text, strings.Join(links, "<br>"))
		}
	}

	path := filepath.FromSlash("../docs/conformance.md")
	if *update && !t.Failed() {
		if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != doc.String() {
		t.Errorf("docs/conformance.md is not what the table gives (%v): run go test -run TestConformance -update .", err)
	}
}

// testsOf returns the tests and fuzz targets of a folder of the repository, and the file each is in.
func testsOf(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				tests[f.Name.Name] = filepath.Base(file)
			}
		}
	}
	return tests
}
