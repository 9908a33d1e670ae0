package smarttest_test

import (
	"crypto/rsa"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestDiscoveryDocuments(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	fhir := get(t, s, s.BaseURL()+"/.well-known/smart-configuration", "")
	auth := get(t, s, s.AuthOrigin()+"/.well-known/smart-configuration", "")
	want := strings.Fields("authorization_endpoint capabilities code_challenge_methods_supported grant_types_supported " +
		"introspection_endpoint issuer jwks_uri management_endpoint response_types_supported scopes_supported token_endpoint " +
		"token_endpoint_auth_methods_supported")
	for _, a := range []answer{fhir, auth} {
		doc := a.json(t)
		if got := slices.Sorted(maps.Keys(doc)); !slices.Equal(got, want) {
			t.Errorf("members %v", got)
		}
		if doc["token_endpoint"] != s.TokenURL() || doc["introspection_endpoint"] != s.IntrospectionURL() ||
			doc["issuer"] != s.AuthOrigin()+"/" || doc["management_endpoint"] != "[not configured]" ||
			a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", doc)
		}
	}
	if fhir.header.Get("Cache-Control") != "" || fhir.header.Get("Expires") != "" {
		t.Errorf("the FHIR server's has cache headers: %v", fhir.header)
	}
	if auth.header.Get("Cache-Control") != "public,max-age=30" || auth.header.Get("Expires") == "" {
		t.Errorf("the authorization server's: %v", auth.header)
	}
	alias := strings.Replace(s.AuthOrigin(), "127.0.0.1", "localhost", 1)
	if doc := get(t, s, alias+"/.well-known/smart-configuration", "").json(t); doc["token_endpoint"] != alias+"/oauth2/token" {
		t.Errorf("not by the Host header: %v", doc["token_endpoint"])
	}
	if keys := get(t, s, s.AuthOrigin()+"/.well-known/jwks.json", "").json(t)["keys"].([]any); len(keys) != 1 {
		t.Errorf("%v", keys)
	}

	smart := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART})
	doc := get(t, smart, smart.BaseURL()+"/.well-known/smart-configuration", "").json(t)
	if algs := doc["token_endpoint_auth_signing_alg_values_supported"]; !slices.Equal(algs.([]any), []any{"RS384", "ES384"}) {
		t.Errorf("%v", algs)
	}
}

func TestTenantIsNeeded(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	for path, want := range map[string]int{"/fhir/DEFAULT/metadata": 200, "/fhir/metadata": 401,
		"/fhir/.well-known/smart-configuration": 401, "/.well-known/smart-configuration": 404, "/fhir/DEFAULTS/metadata": 401} {
		if a := get(t, s, s.FHIROrigin()+path, ""); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
	if a := get(t, s, s.FHIROrigin()+"/fhir/metadata", accessToken(t, s)); a.status != 200 {
		t.Errorf("with a token: %d", a.status)
	}
	if a := send(t, s, http.MethodPost, s.FHIROrigin()+"/anywhere", "", "{}"); a.status != 401 {
		t.Errorf("a POST without a token: %d", a.status)
	}
}

func TestFallbackToMetadata(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	s.Fail(smarttest.Discovery, smarttest.Fault{Status: http.StatusNotFound})
	src, err := smartauth.New(s.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := s.Counts(); c.Discovery != 1 || c.Metadata != 1 {
		t.Errorf("%+v", c)
	}
}

func TestSetDiscovery(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	get := func() any {
		return get(t, s, s.BaseURL()+"/.well-known/smart-configuration", "").json(t)["token_endpoint"]
	}
	s.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = "../token" })
	if get() != "../token" {
		t.Error(get())
	}
	s.SetDiscovery(func(doc map[string]any) { delete(doc, "token_endpoint") })
	if get() != nil {
		t.Error(get())
	}
	s.SetDiscovery(nil)
	if get() != s.TokenURL() {
		t.Error(get())
	}
}

func TestJWKSIsFetchedEachTime(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	token := func() int { return (row{alg: "ES384"}).send(t, s).status }
	if first, second := token(), token(); first != 200 || second != 200 || s.Counts().JWKS != 2 {
		t.Errorf("%+v", s.Counts())
	}

	s.Fail(smarttest.JWKS, smarttest.Fault{Times: 1, Status: 500})
	if got := token(); got != 200 {
		t.Errorf("one failure: %d", got)
	}
	agents := make(map[string]int)
	for _, r := range s.Requests(smarttest.JWKS) {
		name, _, _ := strings.Cut(r.Header.Get("User-Agent"), "/")
		agents[name]++
	}
	if agents["python-requests"] != 3 || agents["Mozilla"] != 1 {
		t.Errorf("%v", agents)
	}

	for _, fault := range []smarttest.Fault{{Status: 404}, {Status: 503}, {CloseConnection: true}, {Body: "no JSON"}} {
		before := s.Counts().JWKS
		s.Fail(smarttest.JWKS, fault)
		if got := token(); got != 401 || s.Counts().JWKS != before+2 {
			t.Errorf("%+v: %d, %d tries", fault, got, s.Counts().JWKS-before)
		}
	}
	s.Clear(smarttest.JWKS)
	if got := token(); got != 200 {
		t.Errorf("afterwards: %d", got)
	}

	s.RegisterJWKSHandler("app", http.RedirectHandler(s.JWKSURL("other"), http.StatusFound))
	s.RegisterJWKS("other", smarttest.Key{KeyID: "ec", PublicKey: ecKey().Public()})
	if got := token(); got != 200 {
		t.Errorf("own handler: %d", got)
	}
}

// A key that was replaced stops at once and the new one works at once, however long the JWKS says that it may be kept.
func TestRotationWhateverTheCachingHeaders(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	publish := func(key *rsa.PrivateKey) {
		s.RegisterJWKS("keys", smarttest.Key{KeyID: "rsa", PublicKey: key.Public()})
		document := get(t, s, s.JWKSURL("keys"), "").body
		s.RegisterJWKSHandler("app", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			_, _ = io.WriteString(w, document)
		}))
	}
	status := func(key *rsa.PrivateKey) int { return row{edit: func(d *draft) { d.key = key }}.send(t, s).status }
	publish(rsaKey())
	if got := status(rsaKey()); got != 200 {
		t.Fatalf("before: %d", got)
	}
	publish(otherRSA())
	if old, new := status(rsaKey()), status(otherRSA()); old != 401 || new != 200 {
		t.Errorf("the old key: %d, the new one: %d", old, new)
	}
}
