package smarttest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// smartConfiguration has the members that TOP-KT-016 lists, and no list of signing algorithms; the SMART profile adds
// that. base is where the authorization server is said to be.
func (s *Server) smartConfiguration(base string) map[string]any {
	doc := map[string]any{
		"issuer":                                base + "/",
		"jwks_uri":                              base + "/.well-known/jwks.json",
		"authorization_endpoint":                base + "/oauth2/authorize",
		"token_endpoint":                        base + "/oauth2/token",
		"introspection_endpoint":                base + "/oauth2/introspect",
		"management_endpoint":                   "[not configured]",
		"grant_types_supported":                 []string{"authorization_code", "client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
		"scopes_supported":                      []string{"openid", "launch", "fhirUser", "system/*.cruds"},
		"response_types_supported":              []string{"code"},
		"capabilities": []string{"launch-ehr", "authorize-post", "client-confidential-asymmetric", "sso-openid-connect",
			"context-ehr-hti", "permission-v2"},
		"code_challenge_methods_supported": []string{"S256"},
	}
	if s.opts.Profile == SMART {
		for _, launch := range []string{"authorization_endpoint", "response_types_supported", "management_endpoint"} {
			delete(doc, launch)
		}
		doc["issuer"] = base
		doc["grant_types_supported"] = []string{"client_credentials"}
		doc["scopes_supported"] = []string{"system/*.cruds", "system/*.rs", "system/*.read"}
		doc["capabilities"] = []string{"client-confidential-asymmetric", "permission-v1", "permission-v2"}
		doc["token_endpoint_auth_signing_alg_values_supported"] = slices.Clone(s.opts.Algorithms)
	}
	return doc
}

// serveDiscovery is the FHIR server's: without cache headers, and JSON whatever Accept says.
func (s *Server) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	doc := s.smartConfiguration(s.AuthOrigin())
	if edit := s.discoveryEdit.Load(); edit != nil {
		(*edit)(doc)
	}
	writeJSON(w, http.StatusOK, "application/json", doc)
}

// serveAuthDiscovery goes by the Host header, as the Koppeltaal reference server does, while the aud of assertions is
// checked against what is configured.
func (s *Server) serveAuthDiscovery(w http.ResponseWriter, r *http.Request) {
	s.cacheable(w)
	writeJSON(w, http.StatusOK, "application/json", s.smartConfiguration("http://"+r.Host))
}

func (s *Server) serveAuthKeys(w http.ResponseWriter, _ *http.Request) {
	tokens := &s.auth.tokens
	key, err := encodeJWK(Key{KeyID: tokens.kid, PublicKey: &tokens.key.PublicKey, Use: "sig", Algorithm: "RS512"})
	if err != nil {
		panic(err) // RSA keys have a JWK form
	}
	s.cacheable(w)
	writeJSON(w, http.StatusOK, "application/json", jwkSet{Keys: []jwk{key}})
}

func (s *Server) cacheable(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "public,max-age=30")
	w.Header().Set("Expires", s.auth.clock.now().Add(30*time.Second).UTC().Format(http.TimeFormat))
}

// serveMetadata has the oauth-uris extension, which TOP-KT-016 calls deprecated and the reference server still serves.
func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	uri := func(name, path string) map[string]any {
		return map[string]any{"url": name, "valueUri": s.AuthOrigin() + path}
	}
	writeJSON(w, http.StatusOK, fhirJSON, map[string]any{
		"resourceType": "CapabilityStatement",
		"status":       "active",
		"date":         s.fhir.clock.now().UTC().Format(time.RFC3339),
		"kind":         "instance",
		"fhirVersion":  "4.0.1",
		"format":       []string{"application/fhir+json", "json"},
		"software":     map[string]any{"name": "smarttest"},
		"implementation": map[string]any{
			"description": "A sandbox with the profile " + s.opts.Profile.String(),
			"url":         s.BaseURL(),
		},
		"rest": []any{map[string]any{
			"mode": "server",
			"security": map[string]any{
				"extension": []any{map[string]any{
					"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
					"extension": []any{
						uri("token", "/oauth2/token"), uri("authorize", "/oauth2/authorize"), uri("introspect", "/oauth2/introspect"),
					},
				}},
				"service": []any{map[string]any{"coding": []any{map[string]any{
					"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR",
				}}}},
			},
			"resource": s.fhir.store.capabilities(),
		}},
	})
}

// tail returns the path below the base of the tenant.
func tail(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, basePath)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return rest, true
}
