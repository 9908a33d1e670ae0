package interop

// A requirement is a row of docs/conformance.md. Tests are "folder TestName" or "folder TestName/subtest", the latter with the
// name that go test gives it.
type requirement struct {
	name, text string
	tests      []string
	note       string // what no test of ours can show
}

// shared are tests that show much at once.
const (
	assertionTest = "core TestEveryAttemptHasItsOwnAssertion"
	formTest      = "core TestRequestsOfAnAcquisition"
	inferno       = "interop TestInfernoClientChecks/"
	everyServer   = "interop TestAssertionForEveryServer/"
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
		{"8", "RS384 and ES384 are both supported.", []string{"core TestAdvertisedAlgorithms/SMART's_two,_RSA",
			"core TestAdvertisedAlgorithms/SMART's_two,_EC", joseTest, inferno + "signature",
			goServers + "/fosite/RS384/jwks", goServers + "/fosite/ES384/jwks"}, ""},
		{"9", "The signature should be one of the two.", []string{"core TestAdvertisedAlgorithms", inferno + "alg_and_kid", "core TestKoppeltaalAlgorithms"},
			"Where a server advertises no list, as Koppeltaal, an RSA key signs by RS512."},
		{"10", "The header has alg, kid and typ `JWT`.", []string{assertionTest, inferno + "alg_and_kid", inferno + "typ"}, ""},
		{"11", "jku is optional; if sent, it is the registered URL.", []string{everyServer + "jku"}, "It is never sent."},
		{"12", "iss and sub are the client_id.", []string{assertionTest, inferno + "iss_and_sub"}, ""},
		{"13", "aud is the token URL that is posted to.", []string{assertionTest, inferno + "aud", goServers + "/fosite"},
			"`Config.Audience` is for servers that want another, as Zitadel's does."},
		{"14", "exp is an integer, at most five minutes ahead.", []string{assertionTest, everyServer + "exp"}, ""},
		{"15", "jti is unique, and an assertion is used once.", []string{assertionTest, retries}, ""},
		{"16", "The client_id is the assigned one.", []string{"core TestConfig/no_ClientID", assertionTest}, ""},
		{"17", "TLS 1.2 or later, and the server is authenticated.", []string{tlsTest, "core TestConfig/http", "core TestConfig/token_endpoint_on_http"},
			"Plain http is for loopback and for hosts that `Config.InsecureHosts` names."},
		{"18", "The client is a confidential one.", []string{"core TestConfig/no_Signer", assertionTest}, "It cannot be made without a key."},
		{"19", "The form has scope, grant_type, client_assertion_type and client_assertion.", []string{formTest, inferno + "grant_type",
			inferno + "client_assertion_type", inferno + "scope"}, ""},
		{"20", "The scopes are `system/` ones.", []string{formTest, "core/smarttest TestSMARTTokenEndpoint"}, "They are sent as configured; servers refuse others."},
		{"21", "The granted scope may be another than the requested one.", []string{"core TestScopesThatAreMissing", "core TestScopeMissingIsTold"}, ""},
		{"22", "New tokens are asked for as needed, without refresh tokens.", []string{"core TestEachTokenIsRenewedOnce", "core TestParseToken", inferno + "no_refresh"}, ""},
		{"23", "FHIR calls have `Authorization: Bearer`.", append([]string{inferno + "use"}, suites...), ""},
		{"24", "A token should not follow references to other servers.", append([]string{"adapters/nethttp TestOrigins",
			"adapters/nethttp TestRedirectTrails"}, suites...), ""},
		{"25", "The smart-configuration is read by GET, and JSON accepted.", []string{formTest}, ""},
		{"26", "Relative endpoints resolve against the FHIR base.", []string{"core TestRelativeTokenEndpoint"}, ""},
		{"27", "scopes_supported is not all there is.", []string{inferno + "scope"}, ""},
		{"28", "Secrets and tokens go to authenticated TLS servers only.", []string{tlsTest, "core TestDiscoveryRefusesEndpoints",
			"core TestDiscoveryRedirectMustNotLeaveHTTPS", "adapters/nethttp TestPlainHTTPOrigins", "core TestSecretsStaySecret"}, ""},
	}},
	{"Inferno's client suite", "What the SMART App Launch test kit checks of a backend client. These are the same checks, made by go-jose and by the " +
		"servers named in the tests, and not a run of Inferno.", []requirement{
		{"keys", "A valid key in the JWKS.", []string{inferno + "keys", "core/jwks TestVectors"}, ""},
		{"grant", "grant_type is client_credentials.", []string{inferno + "grant_type", formTest}, ""},
		{"type", "client_assertion_type is exactly the jwt-bearer URN.", []string{inferno + "client_assertion_type", formTest}, ""},
		{"scope", "scope is not blank.", []string{inferno + "scope", "core TestRefusalHints/no_scopes"}, "Empty `Config.Scopes` send an empty one; the refusal then says so."},
		{"parses", "The assertion is a JWT.", []string{inferno + "parses", joseTest}, ""},
		{"typ", "typ is `JWT`.", []string{inferno + "typ", assertionTest}, ""},
		{"alg, kid", "Both are there, and the kid is in the JWKS.", []string{inferno + "alg_and_kid", "core/jwks TestAssertionsHaveTheirKid"}, ""},
		{"signature", "The signature verifies.", []string{inferno + "signature", joseTest, goServers, oidcProvider}, ""},
		{"iss, sub", "Both are the client_id.", []string{inferno + "iss_and_sub"}, ""},
		{"aud", "aud equals the token URL, as a string.", []string{inferno + "aud"}, ""},
		{"exp", "exp is there.", []string{inferno + "exp"}, ""},
		{"jti", "jti is there, and unique over the whole run.", []string{inferno + "jti", retries}, ""},
		{"no refresh", "No refresh_token grant.", []string{inferno + "no_refresh"}, ""},
		{"expired", "An expired token is not used.", []string{"core TestFailingRefreshKeepsTheTokenToItsEnd", "core TestExpiryCountsFromTheRequest",
			"core TestSuspectExpiresWhileItsSuccessorIsAwaited"}, ""},
		{"use", "An issued token is used in a FHIR call, after `Bearer ` in just these letters.", append([]string{inferno + "use"}, suites...), ""},
	}},
	{"An assertion that every server takes", "Where servers differ, this is what none of those seen refuses.", []requirement{
		{"alg", "By the key: RS384 and ES384, and RS512 where Koppeltaal has a PEM.", []string{everyServer + "alg", "core TestAdvertisedAlgorithms", "core TestKoppeltaalAlgorithms"}, ""},
		{"typ", "`JWT`.", []string{everyServer + "typ", assertionTest, "core TestAssertionTyp", "interop TestJoseTyp", "interop TestOIDCProviderOfRFC7523bis"},
			"`Config.AssertionTyp` is for servers that want another, as those of draft-ietf-oauth-rfc7523bis do."},
		{"kid", "Always.", []string{everyServer + "kid", "core TestConfig/no_key_id"}, ""},
		{"jku", "Not sent.", []string{everyServer + "jku"}, ""},
		{"iss, sub", "The client_id.", []string{everyServer + "iss_and_sub", assertionTest}, ""},
		{"aud", "One string.", []string{everyServer + "aud", "core/smarttest TestKoppeltaalTokenEndpoint"}, "The sandbox refuses an array, as real servers do."},
		{"iat", "Five to ten seconds ago.", []string{everyServer + "iat", assertionTest}, ""},
		{"nbf", "Absent.", []string{everyServer + "nbf", assertionTest}, ""},
		{"exp", "At most 300 s after iat, and four minutes or more ahead.", []string{everyServer + "exp", assertionTest}, ""},
		{"jti", "A UUID of version 4, a string of at most 151 characters.", []string{everyServer + "jti", assertionTest}, ""},
		{"reuse", "Never, nor for a retry.", []string{everyServer + "reuse", retries, assertionTest}, ""},
		{"signature", "R and S as they are, for the ES algorithms.", []string{everyServer + "signature", joseTest, "core TestSignatures/ES384"}, ""},
	}},
}
