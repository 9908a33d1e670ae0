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
	"github.com/smartauth-go/smartauth/internal/clean"
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
	if c := d.check(algorithm); d.unlisted {
		*c = Check{Name: algorithm, Status: Yellow, Found: c.Found + "; it has taken this one all the same", Do: c.Do}
	}
}

// refused returns what is known not to be why an assertion was refused, and the causes that are left, the likeliest first. There
// are none if it was not the client that was refused, or if the server says why.
func (d *doctor) refused(e *smartauth.Error) (ruledOut string, causes []string) {
	if e.StatusCode != http.StatusUnauthorized && e.StatusCode != http.StatusForbidden && e.Code != "invalid_client" {
		return "", nil
	}
	for _, c := range d.report.Checks {
		if c.Status == Red && c.Name != https && c.Name != keyFile { // neither keeps an assertion from being good
			causes = append(causes, "mend what failed above: "+c.Name)
		}
	}
	if d.named() {
		causes = append(causes, d.audienceCause())
	}
	switch {
	case d.check(algorithm).Status == Yellow:
		causes = append(causes, "the server does not take "+e.Algorithm+": "+d.better())
	case e.Algorithm == koppeltaalPEM && !d.taken(e) && !d.unlisted:
		causes = append(causes, "the server does not take RS512, as SMART servers need only RS384 and ES384: set Config.Algorithm to RS384")
	}
	causes = append(causes, "the client has no status Approved in the domain (yet), or Config.ClientID is not its id: the one that domain admin shows for it, of its Device")
	readable := d.notFailed(jwksURL, jwksAnswer, jwksKey)
	jwks := readable && d.published
	switch {
	case readable && !jwks:
		causes = append(causes, fmt.Sprintf("the key that is published with kid %q is another than the one that signs, or another JWKS URL is registered for the client, "+
			"or the server cannot read it", clean.Value(e.KeyID, 64)))
	case jwks:
		causes = append(causes, "another JWKS URL than this one is registered for the client, or the server cannot read it, though this machine can: "+
			"a firewall, a bot filter, a name that only you can look up")
	case d.JWKSURL == "":
		causes = append(causes, fmt.Sprintf("kid %q is not in the JWKS that is registered, or with another key, or the server cannot read it: "+
			"give Options.JWKSURL and it is checked", clean.Value(e.KeyID, 64)))
	}
	switch {
	case e.Algorithm == koppeltaalPEM:
	case slices.Contains(d.ours.algs, koppeltaalPEM):
		causes = append(causes, "a PEM is registered instead of a JWKS URL, and Koppeltaal then takes RS512 only: set Config.Algorithm, or register the URL")
	default:
		causes = append(causes, "a PEM is registered instead of a JWKS URL, and Koppeltaal then takes RS512 only, which this key cannot do: register the URL, or make an RSA key")
	}
	if !d.named() {
		causes = append(causes, d.audienceCause())
	}
	switch {
	case d.behind:
		causes = append(causes, "this machine's clock is behind")
	case !d.clockFine:
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
	if d.check(algorithm).Status == Green && d.taken(e) {
		out = append(out, "the algorithm for a JWKS")
		if e.Algorithm == koppeltaalPEM {
			out[len(out)-1] = "the algorithm"
		}
	}
	return "; it is not " + strings.Join(out, ", nor ")
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
