// Package peer tells of a server what a request to it has shown: its clock, or why it was not reached.
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Date returns the server's clock when it answered (RFC 9110 section 6.6.1), zero if it does not tell or a cache answered in its
// place.
func Date(h http.Header) time.Time {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" {
		return time.Time{}
	}
	return date
}

// TimedOut tells whether err is that of a time limit, of a context or of the network.
func TimedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// Trouble says why there was no response, empty if err is none of the usual causes. It quotes nothing: the texts of net/http may
// hold what a server sent, and URLs.
func Trouble(err error) string {
	var unknown *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case TimedOut(err):
		return "a firewall or proxy is in between, or host and port are wrong"
	case errors.As(err, &unknown):
		return "the host name cannot be looked up from here"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on that host and port"
	case errors.As(err, &certificate):
		return "the server's certificate is not one that this machine trusts for that host"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server speaks plain http on that port"
	default:
		return ""
	}
}
