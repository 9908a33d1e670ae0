// Package origin compares the origins of URLs (RFC 6454): scheme, host and effective port.
package origin

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
)

// An Origin is a scheme, a host and the port that applies.
type Origin struct{ Scheme, Host, Port string }

// Parse returns the origin of an absolute http or https URL. Its errors do not quote the URL, which may hold a password.
func Parse(raw string) (Origin, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return Origin{}, errors.New("not an absolute http or https URL")
	}
	return Of(u), nil
}

// Of returns the origin of u.
func Of(u *url.URL) Origin { return Origin{u.Scheme, u.Hostname(), port(u)} }

// Has tells whether u is of the origin o. Servers link to :443 and in capitals; a host with a trailing dot, or an IP address
// for a name, is another host.
func (o Origin) Has(u *url.URL) bool {
	return o.Port == port(u) && EqualFold(o.Scheme, u.Scheme) && EqualFold(o.Host, u.Hostname())
}

// ErrLeft is what an answer is refused with that [Left] is true of.
var ErrLeft = errors.New("the HTTPClient follows redirects by itself and was led to another origin, whose answer is not used: " +
	"its transport must not follow redirects")

// Left tells whether a redirect on the way to resp has led to another origin. A client that sits in the transport of another
// follows redirects without asking; net/http's leaves a trace of it.
func Left(resp *http.Response) bool {
	for to := resp.Request; to != nil && to.Response != nil && to.Response.Request != nil; {
		from := to.Response.Request
		if !Of(from.URL).Has(to.URL) {
			return true
		}
		to = from
	}
	return false
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case EqualFold(u.Scheme, "https"):
		return "443"
	default:
		return "80"
	}
}

// EqualFold is strings.EqualFold for ASCII alone: that one takes the Kelvin sign for a k.
func EqualFold(a, b string) bool {
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

// IsLoopback tells whether a host, without port, is localhost or a loopback address.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}
