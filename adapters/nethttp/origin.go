package smarthttp

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// origin is a scheme, host and effective port.
type origin struct{ scheme, host, port string }

func originsOf(src smartauth.TokenSource, further []string) ([]origin, error) {
	var origins []origin
	if s, ok := src.(interface{ BaseURL() string }); ok {
		o, err := parseOrigin(s.BaseURL())
		if err != nil {
			return nil, fmt.Errorf("smarthttp: Source's BaseURL: %w", err)
		}
		origins = append(origins, o)
	}
	for _, raw := range further {
		o, err := parseOrigin(raw)
		if err == nil && o.scheme == "http" && !isLoopback(o.host) && (len(origins) == 0 || origins[0].host != o.host) {
			err = errors.New("plain http would send the token in clear; use https")
		}
		if err != nil {
			return nil, fmt.Errorf("smarthttp: Transport.Origins: %w", err)
		}
		origins = append(origins, o)
	}
	if len(origins) == 0 {
		return nil, errors.New("smarthttp: no origin to send the token to: Transport.Source has no BaseURL, so name the FHIR server in Transport.Origins")
	}
	return origins, nil
}

func parseOrigin(raw string) (origin, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return origin{}, errors.New("not an absolute http or https URL")
	}
	return origin{u.Scheme, u.Hostname(), effectivePort(u)}, nil
}

// home tells whether u is on an origin that gets the token. Servers link to :443 and in capitals; a host with a trailing dot,
// or an IP address for a name, is another host.
func (t *Transport) home(u *url.URL) bool {
	host, port := u.Hostname(), effectivePort(u)
	for i := range t.origins {
		o := &t.origins[i]
		if o.port == port && equalFold(o.scheme, u.Scheme) && equalFold(o.host, host) {
			return true
		}
	}
	return false
}

func effectivePort(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case equalFold(u.Scheme, "https"):
		return "443"
	default:
		return "80"
	}
}

// equalFold is strings.EqualFold for ASCII alone: that one takes the Kelvin sign for a k.
func equalFold(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
