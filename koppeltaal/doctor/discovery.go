package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/bounded"
	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/origin"
)

func (d *doctor) settings(ctx context.Context) Check {
	config := d.Config // which may go on being used by what is left to itself
	var src *smartauth.Source
	var err error
	if d.signing == nil { // New asks the Signer for its key
		if src, err = bounded.Do(ctx, "Signer", 0, func() (*smartauth.Source, error) { return smartauth.New(config) }); err != nil && ctx.Err() != nil {
			d.signing = errFrozen
		}
	}
	if d.signing != nil { // its own check says more
		d.Config.Signer, d.Config.Algorithm = standIn(), ""
		src, err = smartauth.New(d.Config)
	}
	if err != nil {
		text := err.Error()
		if inner := errors.Unwrap(err); inner != nil { // without "smartauth: config"
			text = inner.Error()
		}
		return red(text)
	}
	d.src, d.report.BaseURL = src, src.BaseURL()
	return green("client %q at %s", clean.Value(src.ClientID(), 64), src.BaseURL())
}

func (d *doctor) discovery(ctx context.Context) Check {
	meta, err := d.src.Metadata(ctx)
	if err != nil {
		found, do := explain(err)
		if d.Config.TokenURL == "" {
			return red(found, do...)
		}
		return yellow(found, append(do, "Config.TokenURL is pinned, so that tokens do not need it")...)
	}
	d.meta = meta
	if base, err := url.Parse(d.src.BaseURL()); err == nil {
		if e := d.log.last(base); e != nil && strings.HasSuffix(e.URL, "/metadata") {
			return yellow("there is no smart-configuration; the token endpoint is that of the CapabilityStatement",
				"it works, but TOP-KT-016 calls that deprecated: tell those who run the server")
		}
	}
	if methods := meta.TokenEndpointAuthMethods; len(methods) > 0 && !slices.Contains(methods, "private_key_jwt") {
		return yellow("the smart-configuration does not list private_key_jwt, which is what we do",
			"ask those who run the server whether it is for Backend Services at all")
	}
	return green("smart-configuration read, issuer %s", orNone(shownURL(meta.Issuer)))
}

func orNone(s string) string {
	if s == "" {
		return "not named"
	}
	return s
}

// explain returns what an error of the source says, and its causes.
func explain(err error) (found string, do []string) {
	var e *smartauth.Error
	if !errors.As(err, &e) {
		return trouble(err), nil // a context that ended
	}
	headline := *e
	headline.Hints, headline.RetryAt = nil, time.Time{}
	found = strings.TrimPrefix(headline.Error(), "smartauth: ")
	waited := e.Phase != smartauth.PhaseSign && errors.Is(err, context.DeadlineExceeded) // for a transport that does not come back
	if e.StatusCode == 0 && e.Kind == smartauth.Temporary && len(e.Hints) == 0 && (e.Endpoint != "" || waited) {
		do = append(do, trouble(err))
	}
	return found, append(do, e.Hints...)
}

func (d *doctor) https(ctx context.Context) Check {
	base, err := url.Parse(d.Config.BaseURL)
	if err != nil || base.Hostname() == "" {
		return skipped("not checked, as there is no base URL to look at")
	}
	urls := []*url.URL{base}
	if d.src != nil && d.notFailed(discovery) {
		if endpoint, _, err := d.src.TokenEndpoint(ctx); err == nil {
			urls = append(urls, endpoint)
		}
	}
	found := "FHIR server and token endpoint are spoken to over https"
	var named []string
	for _, u := range urls {
		switch {
		case u.Scheme == "https":
		case origin.IsLoopback(u.Hostname()):
			found = "plain http, but only within this machine"
		case slices.ContainsFunc(d.Config.InsecureHosts, func(h string) bool { return origin.EqualFold(h, u.Hostname()) }):
			named = append(named, u.Hostname())
		default:
			return red(fmt.Sprintf("%s is not https: anybody on the way could read the tokens", clean.Value(u.Hostname(), 64)),
				"use https; or for a network of containers, name the host in Config.InsecureHosts")
		}
	}
	if len(named) > 0 {
		return yellow("plain http to "+strings.Join(slices.Compact(named), " and ")+", which Config.InsecureHosts allows",
			"right between containers on one machine, and nowhere else")
	}
	return green("%s", found)
}

func (d *doctor) tokenEndpoint(ctx context.Context) Check {
	endpoint, audience, err := d.src.TokenEndpoint(ctx)
	if err != nil {
		found, do := explain(err)
		return red(found, do...)
	}
	d.endpoint = endpoint
	at := clean.URL(endpoint)
	d.report.TokenURL, d.report.Audience = at, audience
	if u, err := url.Parse(audience); err == nil {
		d.report.Audience = clean.URL(u)
	}
	a, err := d.get(ctx, endpoint.String(), http.Header{}, 0) // without parameters: it does nothing, and tells whether anybody is there
	switch {
	case err != nil:
		return red("nobody answers at "+at, trouble(err), "check Config.TokenURL, or what the smart-configuration says")
	case a.status >= 300 && a.status < 400:
		return yellow(fmt.Sprintf("%s redirects (%d), and an assertion is not sent on", at, a.status), "pin the right URL with Config.TokenURL")
	case a.status == http.StatusNotFound:
		return yellow("404 at "+at+", asked without parameters", "some servers say so to a GET; others have no token endpoint there: check Config.TokenURL")
	case a.status >= 500:
		return yellow(fmt.Sprintf("%d at %s, asked without parameters", a.status, at), "the server is in trouble, or what is in front of it")
	case audience != endpoint.String():
		return yellow(fmt.Sprintf("posted to %s, but aud is %q", at, d.report.Audience),
			"right only if the server is set up with that aud, as the official local stack is: see Config.Audience")
	case d.meta != nil && d.meta.TokenEndpoint != "" && d.meta.TokenEndpoint != endpoint.String():
		return yellow(fmt.Sprintf("posted to %s, but the server names %s", at, shownURL(d.meta.TokenEndpoint)),
			"right only if the server knows itself by the pinned one: leave Config.TokenURL empty, or set Config.Audience")
	}
	return green("%s, which is the aud of the assertions too", at)
}
