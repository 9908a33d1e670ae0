package smartauth

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/origin"
)

// endpointPolicy says which URLs a secret may be sent to: https, and plain http on loopback or on hosts named for it.
type endpointPolicy struct {
	loopback bool // the FHIR base URL is on loopback
	insecure []string
}

// errNotURL is also what an address with a port and no scheme gets.
var errNotURL = errors.New("not a URL: it must begin with https://")

// parse returns an absolute URL that the policy allows. Its errors never quote the URL, which may hold a password.
func (p endpointPolicy) parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errNotURL
	}
	return u, p.check(u)
}

func (p endpointPolicy) check(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("not an absolute https URL: it must begin with https:// and name a host")
	case u.User != nil:
		return errors.New("a URL with user name or password is not allowed")
	case u.Fragment != "":
		return errors.New("a URL with a fragment is not allowed")
	case u.Scheme == "https" || p.loopback && origin.IsLoopback(u.Hostname()):
		return nil
	case slices.ContainsFunc(p.insecure, func(h string) bool { return origin.EqualFold(h, u.Hostname()) }):
		return nil
	default:
		return fmt.Errorf("plain http to %s is refused: use https, or name the host in Config.InsecureHosts", u.Hostname())
	}
}

func parseBaseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	switch {
	case raw == "":
		return nil, errors.New("empty; give the FHIR server's base URL, tenant included")
	case err != nil:
		return nil, errNotURL
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("a URL with a query is not allowed")
	}
	return u, nil
}

// displayAudience is clean.URL for an audience, which need not be a URL.
func displayAudience(audience string) string {
	if u, err := url.Parse(audience); err == nil && (u.RawQuery != "" || u.User != nil) {
		return clean.URL(u)
	}
	return audience
}
