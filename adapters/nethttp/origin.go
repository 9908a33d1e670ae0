package smarthttp

import (
	"errors"
	"fmt"
	"net/url"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/origin"
)

// originsOf returns the origins that get the bearer: that of the source's BaseURL and the further ones.
func originsOf(src smartauth.TokenSource, further []string) ([]origin.Origin, error) {
	if s, ok := src.(*smartauth.Source); ok && s == nil {
		return nil, errors.New("smarthttp: the Source is a nil *smartauth.Source: did smartauth.New return an error?")
	}
	var origins []origin.Origin
	var plain string // the host that the source itself speaks plain http to
	if s, ok := src.(interface{ BaseURL() string }); ok {
		o, err := origin.Parse(s.BaseURL())
		if err != nil {
			return nil, fmt.Errorf("smarthttp: Source's BaseURL: %w", err)
		}
		origins = append(origins, o)
		if o.Scheme == "http" {
			plain = o.Host
		}
	}
	for _, raw := range further {
		o, err := origin.Parse(raw)
		if err == nil && o.Scheme == "http" && !origin.IsLoopback(o.Host) && !origin.EqualFold(o.Host, plain) {
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

// home tells whether u is on an origin that gets the token.
func (t *Transport) home(u *url.URL) bool {
	for i := range t.origins {
		if t.origins[i].Has(u) {
			return true
		}
	}
	return false
}
