package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

// complain prints err for whoever set the variables: what happened, and under it the likely causes, a line each.
func complain(out io.Writer, err error) {
	text := err.Error()
	var hints []string
	if e := (*smartauth.Error)(nil); errors.As(err, &e) {
		headline := *e
		headline.Hints, headline.RetryAt = nil, time.Time{} // when to try again means nothing to a program that ends
		text = strings.Replace(text, e.Error(), headline.Error(), 1)
		hints = append(networkHints(e), e.Hints...)
	}
	_, _ = fmt.Fprintln(out, "quickstart:", smartenv.Terms(text))
	if len(hints) > 0 {
		_, _ = fmt.Fprintln(out, "likely causes:")
	}
	for _, hint := range hints {
		_, _ = fmt.Fprintln(out, "  -", smartenv.Terms(hint))
	}
}

// networkHints tell what to look at when there was no response.
func networkHints(e *smartauth.Error) []string {
	if e.Endpoint == "" || e.StatusCode != 0 || e.Kind != smartauth.Temporary {
		return nil
	}
	where := smartenv.BaseURL
	if e.Phase == smartauth.PhaseExchange {
		where = "the token endpoint, which the server names unless " + smartenv.TokenURL + " does"
	}
	var unknown *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(e, context.DeadlineExceeded):
		return []string{"no answer within 15 s: a firewall or proxy is in between, or host and port are wrong in " + where}
	case errors.As(e, &unknown):
		return []string{"the host name cannot be looked up from here: check " + where}
	case errors.Is(e, syscall.ECONNREFUSED):
		return []string{"nothing listens on that host and port: check " + where}
	case errors.As(e, &certificate):
		return []string{"the server's certificate is not one that this machine trusts for that host: check " + where}
	case errors.Is(e, http.ErrSchemeMismatch):
		return []string{"the server speaks plain http on that port: check " + where}
	default:
		return []string{"host, port or https is wrong: check " + where}
	}
}
