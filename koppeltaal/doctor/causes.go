package doctor

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/clean"
)

// A line is what to say of a refusal, if it holds.
type line struct {
	holds bool
	text  string
}

func holding(lines []line) (texts []string) {
	for _, l := range lines {
		if l.holds {
			texts = append(texts, l.text)
		}
	}
	return texts
}

// refused returns what is known not to be why an assertion was refused, and the causes that are left, the likeliest first. There
// are none if it was not the client that was refused, or if the server says why.
func (d *doctor) refused(e *smartauth.Error) (ruledOut string, causes []string) {
	if e.StatusCode != http.StatusUnauthorized && e.StatusCode != http.StatusForbidden && e.Code != "invalid_client" {
		return "", nil
	}
	for _, c := range d.report.Checks {
		if c.Status == Red && c.Name != keyFile { // others may read it, and the key is good all the same
			causes = append(causes, "mend what failed above: "+c.Name)
		}
	}
	var (
		named     = d.named()
		taken     = d.taken(e)
		doubted   = d.check(algorithm).Status == Yellow
		fits      = d.check(algorithm).Status == Green && taken
		pemsOwn   = e.Algorithm == koppeltaalPEM
		couldPEM  = slices.Contains(d.ours.algs, koppeltaalPEM)
		readable  = d.notFailed(jwksURL, jwksAnswer, jwksKey)
		published = readable && d.published
		kid       = clean.Value(e.KeyID, 64)
	)
	causes = append(causes, holding([]line{
		{named, d.audienceCause()},
		{doubted, "the server does not take " + e.Algorithm + ": " + d.better()},
		{!doubted && pemsOwn && !taken && !d.unlisted, "the server does not take RS512, as SMART servers need only RS384 and ES384: set Config.Algorithm to RS384"},
		{true, "the client has no status Approved in the domain (yet), or Config.ClientID is not its id: the one that domain admin shows for it, of its Device"},
		{readable && !published, fmt.Sprintf("the key that is published with kid %q is another than the one that signs, or another JWKS URL is registered for the client, "+
			"or the server cannot read it", kid)},
		{published, "another JWKS URL than this one is registered for the client, or the server cannot read it, though this machine can: " +
			"a firewall, a bot filter, a name that only you can look up"},
		{d.JWKSURL == "", fmt.Sprintf("kid %q is not in the JWKS that is registered, or with another key, or the server cannot read it: "+
			"give Options.JWKSURL and it is checked", kid)},
		{!pemsOwn && couldPEM, "a PEM is registered instead of a JWKS URL, and Koppeltaal then takes RS512 only: set Config.Algorithm, or register the URL"},
		{!pemsOwn && !couldPEM, "a PEM is registered instead of a JWKS URL, and Koppeltaal then takes RS512 only, which this key cannot do: register the URL, or make an RSA key"},
		{!named, d.audienceCause()},
		{d.behind, "this machine's clock is behind"},
		{!d.behind && !d.clockFine, "this machine's clock is ahead"},
	})...)
	return "; it is not " + strings.Join(holding([]line{
		{true, "a used jti"},
		{d.clockFine, "the clock"},
		{published, "the published key"},
		{fits && !pemsOwn, "the algorithm for a JWKS"},
		{fits && pemsOwn, "the algorithm"},
	}), ", nor "), causes
}

// taken tells whether an algorithm that passes here is one that the server takes: it says so, or it is Koppeltaal's, which names no
// OAuth error.
func (d *doctor) taken(e *smartauth.Error) bool {
	return e.Code == "" || slices.Contains(d.advertised(), e.Algorithm)
}

// named tells whether the server seems to know itself by another name than the one we reach it by.
func (d *doctor) named() bool {
	if d.check(tokenEndpoint).Status == Yellow {
		return true
	}
	if d.meta == nil || d.endpoint == nil {
		return false
	}
	issuer, err := url.Parse(d.meta.Issuer)
	return err == nil && issuer.Host != "" && issuer.Hostname() != d.endpoint.Hostname()
}

func (d *doctor) audienceCause() string {
	if d.Config.Audience != "" {
		return "Config.Audience is not the URL by which the server knows its token endpoint"
	}
	return "the server knows its token endpoint by another URL than the one posted to: ask for it, and set Config.TokenURL and Config.Audience"
}
