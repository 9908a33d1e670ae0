package smartauth

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"
)

// networkHints tell what to look at when a request brought no response.
func networkHints(phase Phase, err error) []string {
	where := "Config.BaseURL"
	if phase == PhaseExchange {
		where = "the token endpoint, which the server names unless Config.TokenURL does"
	}
	var unknown *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case timedOut(err):
		return []string{"a firewall or proxy is in between, or host and port are wrong: check " + where}
	case errors.As(err, &unknown):
		return []string{"the host name cannot be looked up from here: check " + where}
	case errors.Is(err, syscall.ECONNREFUSED):
		return []string{"nothing listens on that host and port: check " + where}
	case errors.As(err, &certificate):
		return []string{"the server's certificate is not one that this machine trusts for that host: check " + where}
	case errors.Is(err, http.ErrSchemeMismatch):
		return []string{"the server speaks plain http on that port: check " + where}
	default:
		return nil
	}
}
