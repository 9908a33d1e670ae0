package smarttest

import "time"

// A Profile is a way for servers to behave.
type Profile int

const (
	// Koppeltaal is the behaviour of the Koppeltaal reference servers, where that differs from the topics too: every
	// refused client gets the same 401 as text, times are checked without leeway, and the scope parameter is ignored. No more
	// than four assertions are judged at once: four JWKS that come slowly hold up every client, those with a PEM too.
	Koppeltaal Profile = iota

	// SMART is the behaviour of a strict server for SMART App Launch 2.2 (Backend Services), with the errors of RFC 6749
	// and RFC 6750.
	SMART
)

// String returns the name of the profile.
func (p Profile) String() string {
	if p == SMART {
		return "SMART"
	}
	return "Koppeltaal"
}

// Options say what sandbox to start. The zero value is a Koppeltaal sandbox on free loopback ports.
type Options struct {
	Profile Profile

	// InMemory uses in-memory connections instead of sockets: the servers can be reached only by [Server.Client] and
	// [Server.Transport]. It is meant for testing/synctest; start and use the sandbox inside the bubble.
	InMemory bool

	// TokenLifetime is how long access tokens last, in whole seconds, at least one. 0 means 300 s. The FHIR server of the
	// Koppeltaal profile takes them for another 60 s, as the reference server does; that of the SMART profile does not.
	TokenLifetime time.Duration

	// Addr is the loopback address that the FHIR server listens on, such as "127.0.0.1:8080"; empty means a free port of
	// 127.0.0.1. The other servers always take a free port. It is not used in memory.
	Addr string

	// Audience is the aud that the authorization server accepts in assertions; empty means its own token URL. Some
	// deployments are configured with another URL than the one their clients can reach.
	Audience string

	// IntrospectionAudience tells what aud the introspection endpoint wants in assertions.
	IntrospectionAudience IntrospectionAudience

	// Algorithms are the JWS algorithms that the SMART profile advertises and accepts; nil means RS384 and ES384. The
	// Koppeltaal profile advertises none and accepts a fixed list. [Server.NewClient] makes keys that go with
	// them.
	Algorithms []string
}

// An IntrospectionAudience is a reading of what the aud of an assertion for the introspection endpoint is.
type IntrospectionAudience int

const (
	// TokenAudience is the token endpoint here too: what the Koppeltaal reference server demands.
	TokenAudience IntrospectionAudience = iota

	// EndpointAudience is the URL of the introspection endpoint: what TOP-KT-021 says. The sandbox then follows that topic
	// for access tokens as well and introspects its own; the reference server always calls them inactive.
	EndpointAudience
)

func (o Options) withDefaults() Options {
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = 300 * time.Second
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Algorithms == nil {
		o.Algorithms = []string{"RS384", "ES384"}
	}
	return o
}
