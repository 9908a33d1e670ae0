package doctor

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/origin"
)

const (
	urlColumn   = 255 // how much of a JWKS URL Koppeltaal's domain admin keeps
	longMaxAge  = 24 * time.Hour
	slow        = 2 * time.Second        // for something that is on the way of every token
	pythonAgent = "python-requests/2.32" // what Koppeltaal's server reads a JWKS as, first
	otherAgent  = "Mozilla/5.0"          // and second, for firewalls that refuse the first
)

func (d *doctor) jwksURL(context.Context) Check {
	if d.JWKSURL == "" {
		return skipped("not checked: there is no Options.JWKSURL")
	}
	u, err := url.Parse(d.JWKSURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return red("it is not an absolute https URL")
	}
	at := shownURL(d.JWKSURL)
	base, err := url.Parse(d.Config.BaseURL)
	local := err == nil && origin.IsLoopback(base.Hostname())
	named := slices.ContainsFunc(d.Config.InsecureHosts, func(h string) bool { return origin.EqualFold(h, u.Hostname()) })
	switch {
	case u.User != nil:
		return red("it holds a user or password", "the server reads the keys without authentication: publish them at a URL that needs none")
	case len(d.JWKSURL) > urlColumn:
		return red(fmt.Sprintf("it has %d characters, and domain admin keeps %d", len(d.JWKSURL), urlColumn), "choose a shorter one")
	case origin.IsLoopback(u.Hostname()) && !local:
		return red(at+" is this machine, for the server another one", "publish the keys where the server can read them")
	case u.Scheme != "https" && !local && named:
		return yellow(at+" is not https, which Config.InsecureHosts allows", "right between containers on one machine, and nowhere else")
	case u.Scheme != "https" && !local:
		return red(at+" is not https: anybody on the way could put another key there", "publish the keys over https")
	case strings.HasPrefix(u.EscapedPath(), "/.well-known/"):
		return yellow(at+" has a path that anybody can guess",
			"choose one that is yours alone: if the domain lapses, its next owner could publish keys for this application (TOP-KT-020)")
	}
	return green("%s", at)
}

func (d *doctor) jwksAnswer(ctx context.Context) Check {
	a, err := d.getJWKS(ctx, pythonAgent)
	filtered, shaky := err != nil || a.status != http.StatusOK, false
	if filtered { // the server tries again, too
		if b, err2 := d.getJWKS(ctx, otherAgent); err2 == nil {
			a, err = b, nil
			if a.status == http.StatusOK { // is it the one client that is refused, or everybody at times?
				c, err3 := d.getJWKS(ctx, pythonAgent)
				shaky = err3 == nil && c.status == http.StatusOK
			}
		}
	}
	if err != nil {
		return red("the JWKS cannot be read", trouble(err), "check Options.JWKSURL; without the JWKS each token is refused")
	}
	if a.status != http.StatusOK {
		return red(fmt.Sprintf("the JWKS cannot be read: %d %s", a.status, http.StatusText(a.status)), "check Options.JWKSURL; without the JWKS each token is refused")
	}
	d.jwks = a
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case a.redirect != nil && a.redirect.Scheme != "https" && strings.HasPrefix(d.JWKSURL, "https:"):
		return red("it redirects to plain http on "+clean.Value(a.redirect.Hostname(), 64), "register the https URL that has the keys itself")
	case a.redirect != nil:
		return yellow("it redirects, in the end to "+clean.Value(a.redirect.Hostname(), 64),
			"register the URL that has the keys itself: not every server follows, and whoever gets hold of the first host can lead it elsewhere")
	case shaky:
		return yellow("it could not be read at first, and then it could", "Koppeltaal's server reads it for each token: look at what serves it")
	case filtered:
		return yellow("it is refused to one client and given to another: "+pythonAgent+" and "+otherAgent+" were tried",
			"let the bot filter or firewall in front of it pass everybody: Koppeltaal's server reads it for each token")
	case media != "application/json" && media != "application/jwk-set+json":
		return yellow(fmt.Sprintf("its Content-Type is %q", clean.Value(a.header.Get("Content-Type"), 64)), "serve it as application/json (TOP-KT-020)")
	case a.took > slow:
		return yellow(fmt.Sprintf("it took %.1f s", a.took.Seconds()), "Koppeltaal's server reads it for each token, and others wait meanwhile: make it faster")
	}
	return green("read in %d ms, %s", a.took.Milliseconds(), media)
}

func (d *doctor) getJWKS(ctx context.Context, agent string) (*answer, error) {
	return d.get(ctx, d.JWKSURL, http.Header{"User-Agent": {agent}, "Accept": {"application/json"}}, 5)
}

func (d *doctor) jwksCaching(context.Context) Check {
	caching := strings.ToLower(strings.Join(d.jwks.header.Values("Cache-Control"), ","))
	var age string
	for directive := range strings.SplitSeq(caching, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return green("it is not to be cached: a new key works at once")
		case "max-age":
			age = strings.Trim(value, `"`)
		}
	}
	seconds, err := strconv.Atoi(age)
	kept := time.Duration(seconds) * time.Second
	switch {
	case err != nil || seconds < 0:
		return yellow("there is no Cache-Control that tells how long it may be kept", "send Cache-Control: max-age=300, so that a rotation knows how long to wait")
	case kept > longMaxAge:
		return yellow(fmt.Sprintf("it may be kept for %v", kept), "that is how long a stolen key stays good, and a new one unknown: some minutes will do")
	}
	return green("it may be kept for %v, which is how long a new key has to wait", kept)
}
