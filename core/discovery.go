package smartauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	metadataLife    = time.Hour
	rediscoverAfter = time.Minute
	metadataMost    = 16 << 20 // CapabilityStatements of megabytes are common
)

// Metadata is what a server says of itself in its smart-configuration (SMART 2.2, Conformance), or in the oauth-uris
// extension of its CapabilityStatement. Endpoints are absolute URLs; only TokenEndpoint was checked to be https.
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

// discoverer finds and remembers the Metadata of one FHIR server. The headers that limit a cache are ignored: the reference
// server's 30 s would mean a discovery for each token.
type discoverer struct {
	*settings
	notify notifier
	known  atomic.Pointer[discovered]
	doubt  atomic.Bool // what is known may be out of date

	turn    chan struct{} // holds one element while somebody discovers; guards what follows
	tried   time.Time
	refresh error // why the last discovery could not replace what is known
}

type discovered struct {
	Metadata
	token *url.URL
	at    time.Time
}

func newDiscoverer(s *settings, n notifier) *discoverer {
	return &discoverer{settings: s, notify: n, turn: make(chan struct{}, 1)}
}

// metadata returns what is known, for an hour, and longer if it cannot be had anew.
func (d *discoverer) metadata(ctx context.Context, attempt int) (*discovered, error) {
	if m := d.known.Load(); m != nil && d.current(m) {
		return m, nil
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, waitError(ctx)
	}
	m := d.known.Load()
	if m == nil {
		return d.discover(ctx, attempt, attemptLimit)
	}
	if d.current(m) || time.Since(d.tried) < rediscoverAfter {
		return m, nil
	}
	var newer *discovered
	if newer, d.refresh = d.discover(ctx, attempt, refreshLimit); d.refresh != nil {
		return m, nil
	}
	return newer, nil
}

func (d *discoverer) current(m *discovered) bool {
	return !d.doubt.Load() && time.Since(m.at) < metadataLife
}

// problem returns why what is known is out of date, nil if it is not.
func (d *discoverer) problem() error {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
		return d.refresh
	default:
		return nil
	}
}

func (d *discoverer) discover(ctx context.Context, attempt int, limit time.Duration) (*discovered, error) {
	d.tried = time.Now()
	m, err := d.get(ctx, ".well-known/smart-configuration", "application/json", attempt, limit, parseConfiguration)
	if e := (*Error)(nil); errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
		missing := err
		m, err = d.get(ctx, "metadata", "application/fhir+json", attempt, limit, parseCapabilityStatement)
		if errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
			err = missing
		}
	}
	if err != nil {
		return nil, err
	}
	d.known.Store(m)
	d.doubt.Store(false)
	return m, nil
}

// get makes one discovery request and reads its answer with parse.
func (d *discoverer) get(ctx context.Context, path, accept string, attempt int, limit time.Duration,
	parse func([]byte) (*Metadata, error)) (m *discovered, err error) {
	r, err := http.NewRequest(http.MethodGet, d.base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, asError(err, PhaseDiscover)
	}
	r.Header.Set("Accept", accept)
	start := PhaseStart{Phase: PhaseDiscover, Attempt: attempt, Method: r.Method, URL: withoutQuery(r.URL), Header: r.Header}
	err = d.notify.within(ctx, start, func(ctx context.Context, end *PhaseEnd) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		resp, err := send(ctx, d.discovery, r, PhaseDiscover, metadataMost)
		if err != nil {
			return err
		}
		end.StatusCode = resp.status
		if resp.status != http.StatusOK {
			return withDiscoveryHints(resp.failure(PhaseDiscover, start.URL))
		}
		meta, err := parse(resp.body)
		if err == nil {
			m, err = d.accept(meta)
		}
		if err != nil {
			return &Error{Phase: PhaseDiscover, Kind: Refused, Endpoint: start.URL, err: err}
		}
		return nil
	})
	return m, err
}

// accept resolves the endpoints against the base (SMART 2.2, Conformance) and refuses a token endpoint that a signed
// assertion must not be sent to.
func (d *discoverer) accept(m *Metadata) (*discovered, error) {
	base := d.base.JoinPath("/")
	for _, endpoint := range []*string{&m.JWKSURI, &m.AuthorizationEndpoint, &m.TokenEndpoint, &m.IntrospectionEndpoint, &m.ManagementEndpoint} {
		if u, err := base.Parse(*endpoint); err == nil && *endpoint != "" {
			*endpoint = u.String()
		}
	}
	token, err := d.policy.parse(m.TokenEndpoint)
	if err != nil {
		return nil, fmt.Errorf("token_endpoint: %w", err)
	}
	if old := d.known.Load(); old != nil && !strings.EqualFold(old.token.Hostname(), token.Hostname()) {
		return nil, fmt.Errorf("token_endpoint has moved from host %s to %s, which is not followed: "+
			"if that is right, restart, or pin it with Config.TokenURL", old.token.Hostname(), token.Hostname())
	}
	return &discovered{Metadata: *m, token: token, at: time.Now()}, nil
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
