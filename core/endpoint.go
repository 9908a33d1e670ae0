package smartauth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// endpointPolicy says which URLs a secret may be sent to: https, and plain http on loopback or on hosts named for it.
type endpointPolicy struct {
	loopback bool // the FHIR base URL is on loopback
	insecure []string
}

// parse returns an absolute URL that the policy allows. Its errors never quote the URL, which may hold a password.
func (p endpointPolicy) parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	return u, p.check(u)
}

func (p endpointPolicy) check(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "":
		return errors.New("not an absolute https URL")
	case u.User != nil:
		return errors.New("a URL with user name or password is not allowed")
	case u.Fragment != "":
		return errors.New("a URL with a fragment is not allowed")
	case u.Scheme == "https" || p.loopback && isLoopback(u.Hostname()):
		return nil
	case slices.ContainsFunc(p.insecure, func(h string) bool { return strings.EqualFold(h, u.Hostname()) }):
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
		return nil, errors.New("not a URL")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("a URL with a query is not allowed")
	}
	return u, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// withoutQuery is the form of a URL that errors and observers see.
func withoutQuery(u *url.URL) string {
	c := *u
	c.RawQuery, c.ForceQuery, c.Fragment, c.User = "", false, "", nil
	return c.String()
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "http":
		return "80"
	default:
		return "443"
	}
}
