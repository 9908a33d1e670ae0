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
)

func (d *doctor) token(ctx context.Context) Check {
	if d.unsigned { // which says why
		return skipped("not checked, as algorithm failed")
	}
	t, err := d.src.Token(ctx)
	if err != nil {
		found, do := explain(err)
		if e := (*smartauth.Error)(nil); errors.As(err, &e) {
			if more, causes := d.refused(e); causes != nil {
				found, do = found+more, causes
			} else if e.Kind == smartauth.Temporary {
				do = append(do, "the server is in trouble, or the way to it: try again later")
			}
		}
		return red(found, do...)
	}
	d.issued = t
	d.proven()
	life := time.Until(t.Expiry()).Round(time.Second)
	if life < 30*time.Second {
		return yellow(fmt.Sprintf("granted, for %v only", life), "so short a life costs a token request for almost each call: ask those who run the server")
	}
	return green("granted, for %v", life)
}

// proven takes back doubts that a token has settled.
func (d *doctor) proven() {
	for _, name := range []string{tokenEndpoint, algorithm} {
		if c := d.check(name); c.Status == Yellow {
			*c = Check{Name: name, Found: c.Found + "; the server has taken it"}
		}
	}
}

// refused returns what is known not to be why an assertion was refused, and the causes that are left, the likeliest first. There
// are none if it was not the client that was refused, or if the server says why.
func (d *doctor) refused(e *smartauth.Error) (ruledOut string, causes []string) {
	if e.StatusCode != http.StatusUnauthorized && e.StatusCode != http.StatusForbidden && e.Code != "invalid_client" {
		return "", nil
	}
	for _, c := range d.report.Checks {
		if c.Status == Red && c.Name != https {
			causes = append(causes, "mend what failed above: "+c.Name)
		}
	}
	if d.named() {
		causes = append(causes, d.audienceCause())
	}
	if d.check(algorithm).Status == Yellow {
		causes = append(causes, "the server does not take "+e.Algorithm+": "+d.better())
	}
	causes = append(causes, "the client has no status Approved in the domain (yet), or Config.ClientID is not its id: the one that domain admin shows for it, of its Device")
	jwks := d.fine(jwksURL, jwksAnswer, jwksKey)
	switch {
	case jwks:
		causes = append(causes, "another JWKS URL than this one is registered for the client, or the server cannot read it, though this machine can: "+
			"a firewall, a bot filter, a name that only you can look up")
	case d.JWKSURL == "":
		causes = append(causes, fmt.Sprintf("kid %q is not in the JWKS that is registered, or with another key, or the server cannot read it: "+
			"give Options.JWKSURL and it is checked", printable(e.KeyID, 64)))
	}
	if e.Algorithm != koppeltaalPEM {
		causes = append(causes, "a PEM is registered instead of a JWKS URL, and Koppeltaal then takes RS512 only: set Config.Algorithm, or register the URL")
	}
	if !d.named() {
		causes = append(causes, d.audienceCause())
	}
	if !d.clockFine {
		causes = append(causes, "this machine's clock is ahead")
	}
	return d.ruledOut(jwks, e), causes
}

func (d *doctor) ruledOut(jwks bool, e *smartauth.Error) string {
	out := []string{"a used jti"}
	if d.clockFine {
		out = append(out, "the clock")
	}
	if jwks {
		out = append(out, "the published key")
	}
	if d.check(algorithm).Status == Green {
		out = append(out, "the algorithm for a JWKS")
		if e.Algorithm == koppeltaalPEM {
			out[len(out)-1] = "the algorithm"
		}
	}
	return "; it is not " + strings.Join(out, ", nor ")
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

func (d *doctor) scope(context.Context) Check {
	granted := strings.ReplaceAll(d.issued.Scope(), d.issued.AccessToken(), "[removed]") // an odd server might repeat it
	if granted == "" {
		if len(d.Config.Scopes) == 0 {
			return red("the token has none: it is good for nothing", "ask those who administer the domain to give the application a role; tokens have it from the next one on")
		}
		return yellow("the server does not say which it granted", "by RFC 6749 those that were asked for; at Koppeltaal it means that the client has no role")
	}
	have := strings.Fields(granted)
	var missing []string
	for _, wanted := range d.Config.Scopes {
		if !strings.Contains(wanted, "*") && !slices.Contains(have, wanted) {
			missing = append(missing, wanted)
		}
	}
	if len(missing) > 0 {
		return yellow("not granted: "+strings.Join(missing, " "), "granted were "+printable(granted, 512), "Koppeltaal goes by the role; other servers by what is registered")
	}
	return green("%s", printable(granted, 512))
}
