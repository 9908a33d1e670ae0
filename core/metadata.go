package smartauth

import (
	"encoding/json"
	"errors"
	"slices"
)

// Metadata is what a server says of itself in its smart-configuration (SMART 2.2, Conformance), or in the oauth-uris
// extension of its CapabilityStatement. Relative endpoints were made absolute; only TokenEndpoint was checked to be one that
// an assertion may be sent to.
type Metadata struct {
	Issuer                        string   `json:"issuer"`
	JWKSURI                       string   `json:"jwks_uri"`
	AuthorizationEndpoint         string   `json:"authorization_endpoint"`
	TokenEndpoint                 string   `json:"token_endpoint"`
	IntrospectionEndpoint         string   `json:"introspection_endpoint"`
	ManagementEndpoint            string   `json:"management_endpoint"`
	GrantTypes                    []string `json:"grant_types_supported"`
	TokenEndpointAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAuthSigningAlgs  []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Scopes                        []string `json:"scopes_supported"`
	ResponseTypes                 []string `json:"response_types_supported"`
	Capabilities                  []string `json:"capabilities"`
	CodeChallengeMethodsSupported []string `json:"code_challenge_methods_supported"`
}

// clone returns a copy that shares nothing with m.
func (m Metadata) clone() *Metadata {
	for _, list := range []*[]string{&m.GrantTypes, &m.TokenEndpointAuthMethods, &m.TokenEndpointAuthSigningAlgs, &m.Scopes,
		&m.ResponseTypes, &m.Capabilities, &m.CodeChallengeMethodsSupported} {
		*list = slices.Clone(*list)
	}
	return &m
}

func parseConfiguration(body []byte) (*Metadata, error) {
	var m Metadata
	if err := decodeLenient(body, &m); err != nil {
		return nil, err
	}
	if m.TokenEndpoint == "" {
		return nil, errors.New("the smart-configuration names no token_endpoint")
	}
	return &m, nil
}

const oauthURIs = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

func parseCapabilityStatement(body []byte) (*Metadata, error) {
	type extension struct {
		URL      string `json:"url"`
		ValueURI string `json:"valueUri"`
	}
	var statement struct {
		Rest []struct {
			Security struct {
				Extension []struct {
					URL       string      `json:"url"`
					Extension []extension `json:"extension"`
				} `json:"extension"`
			} `json:"security"`
		} `json:"rest"`
	}
	if err := decodeLenient(body, &statement); err != nil {
		return nil, err
	}
	var m Metadata
	fields := map[string]*string{"token": &m.TokenEndpoint, "authorize": &m.AuthorizationEndpoint,
		"introspect": &m.IntrospectionEndpoint, "manage": &m.ManagementEndpoint}
	for _, rest := range statement.Rest {
		for _, outer := range rest.Security.Extension {
			for _, inner := range outer.Extension {
				if field := fields[inner.URL]; outer.URL == oauthURIs && field != nil && *field == "" {
					*field = inner.ValueURI
				}
			}
		}
	}
	if m.TokenEndpoint == "" {
		return nil, errors.New("there is no smart-configuration, and the CapabilityStatement has no oauth-uris extension with a token endpoint")
	}
	return &m, nil
}

// decodeLenient reads a JSON object and forgives members of another type than expected: only a few are needed.
func decodeLenient(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if wrongType := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrongType) && wrongType.Field != "" {
		return nil
	}
	if err != nil {
		return errors.New("the response is not a JSON object of the expected form")
	}
	return nil
}
