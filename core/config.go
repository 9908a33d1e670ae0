package smartauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/smartauth-go/smartauth/internal/origin"
)

const defaultTyp = "JWT"

// mediaSubtype is what may follow the slash of a media type (RFC 6838 section 4.2).
var mediaSubtype = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)

// Config says for whom tokens are acquired and where. BaseURL, ClientID and Signer are required; the zero values of the
// others are the defaults they name.
type Config struct {
	// BaseURL is the base of the FHIR server, tenant included: https://fhir.example.nl/fhir/DEFAULT. Discovery starts
	// here, and adapters send the bearer to this URL's origin only. It has no userinfo, query or fragment.
	BaseURL string

	// ClientID is the iss and sub of the assertions: at Koppeltaal the logical id of the application's Device.
	ClientID string

	// Signer signs the assertions: see [ParseKey] and [NewSigner].
	Signer Signer

	// Scopes are asked for. Empty sends an empty scope parameter, which Koppeltaal expects, as it goes by the client's
	// role; other SMART servers want at least one, such as "system/*.rs" (SMART 2.2, Backend Services).
	Scopes []string

	// TokenURL pins the token endpoint. Discovery is then skipped, and with it the server's list of algorithms.
	TokenURL string

	// Audience is the aud of the assertions where it is not the URL they are posted to. It requires TokenURL: with a
	// discovered endpoint it would let a false FHIR server collect assertions for another server.
	Audience string

	// AssertionAudiences are further exact audiences that [Source.Assertion] may sign for.
	AssertionAudiences []string

	// AssertionTyp is the typ in the header of the assertions (RFC 7519 section 5.1): a media type of application/, written
	// without that (RFC 7515 section 4.1.9). Empty means "JWT", which SMART 2.2 and Koppeltaal go by. Servers of
	// draft-ietf-oauth-rfc7523bis may want "client-authentication+jwt", and their issuer as Audience.
	AssertionTyp string

	// Algorithm names the JWS algorithm, such as "RS512". Empty: the first that key and server share, RS384 or ES384
	// preferred; where the server advertises none, as Koppeltaal, or was not asked because of TokenURL, RS512 for RSA keys
	// and the only one there is for others. SMART servers need to know no other than RS384 and ES384 (SMART 2.2).
	Algorithm string

	// HTTPClient makes the discovery and token requests; nil means a plain one on http.DefaultTransport. It is copied, and
	// the copy has its own rule for redirects: discovery follows them within the origin, a token request never. Each
	// request is limited to 15 s (3 s to renew a discovery document), or to HTTPClient.Timeout if that is shorter. Its
	// Transport must not repeat requests or follow redirects by itself, as retryablehttp's StandardClient does: an assertion
	// works once, so that a repeated one gets a 401, and the Source repeats with new ones. What such a client was
	// answered at another origin is not used: that is an [Error] of kind [Refused].
	HTTPClient *http.Client

	// InsecureHosts are whole host names, without port, that may be spoken to over plain http, such as those of a container
	// network. Loopback needs no mention if BaseURL is on loopback too.
	InsecureHosts []string

	// Observer sees every acquisition; nil costs nothing.
	Observer Observer
}

// settings are a Config that was found good.
type settings struct {
	Config
	base      *url.URL // without trailing slash
	token     *url.URL // nil if it is to be discovered
	policy    endpointPolicy
	discovery *http.Client
	exchange  *http.Client
}

// check returns the settings, or everything that is wrong with the Config at once.
func (c Config) check() (*settings, error) {
	s := &settings{Config: c}
	s.Scopes, s.AssertionAudiences = slices.Clone(c.Scopes), slices.Clone(c.AssertionAudiences)
	var faults []string
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	s.policy = endpointPolicy{insecure: slices.Clone(c.InsecureHosts)}
	for i, h := range c.InsecureHosts {
		if h == "" || strings.ContainsAny(h, "/:@*") {
			wrong("Config.InsecureHosts[%d] is not a plain host name", i) // unquoted: a URL in its place may hold a password
		}
	}

	base, err := parseBaseURL(c.BaseURL)
	if err == nil {
		s.policy.loopback = origin.IsLoopback(base.Hostname())
		err = s.policy.check(base)
	}
	if err != nil {
		wrong("Config.BaseURL: %v", err)
	}
	s.base = base

	if c.ClientID == "" {
		wrong("Config.ClientID is empty; at Koppeltaal it is the id that domain admin shows for the application")
	}
	if strings.TrimSpace(c.ClientID) != c.ClientID || strings.ContainsFunc(c.ClientID, unicode.IsControl) {
		wrong("Config.ClientID %q holds a line end or the like, perhaps that of the file it came from", shorten(c.ClientID, 64))
	}

	if c.TokenURL != "" {
		if s.token, err = s.policy.parse(c.TokenURL); err != nil {
			wrong("Config.TokenURL: %v", err)
		}
	}
	if c.Audience != "" && c.TokenURL == "" {
		wrong("Config.Audience needs Config.TokenURL: with a discovered endpoint it would allow mix-up")
	}

	for _, scope := range c.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \t\r\n") {
			wrong("Config.Scopes: %q is not one scope; give each its own element", scope)
		}
	}

	if s.AssertionTyp == "" {
		s.AssertionTyp = defaultTyp
	}
	if !mediaSubtype.MatchString(s.AssertionTyp) {
		wrong("Config.AssertionTyp %q is not a media type without its application/: leave it empty for JWT, or name the one that "+
			"the server wants, such as client-authentication+jwt", shorten(c.AssertionTyp, 64))
	}

	if err := checkSigner(c.Signer, c.Algorithm); err != nil {
		wrong("%v", err)
	}

	if len(faults) > 0 {
		return nil, &Error{Phase: PhaseConfig, Kind: Permanent, err: errors.New(strings.Join(faults, "; "))}
	}
	s.discovery, s.exchange = s.httpClients()
	return s, nil
}

func (s *settings) httpClients() (discovery, exchange *http.Client) {
	own := http.Client{}
	if s.HTTPClient != nil {
		own = *s.HTTPClient
	}
	d, e := own, own
	d.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if !origin.Of(via[0].URL).Has(r.URL) {
			return errForeignRedirect
		}
		if len(via) > 5 {
			return errTooManyRedirects
		}
		return nil
	}
	e.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &d, &e
}
