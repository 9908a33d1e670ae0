package otelsmart

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// oauthCodes are the error codes of RFC 6749 section 5.2.
var oauthCodes = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

// errorType returns the error.type of err: empty if there is none to report, as for a caller who gave up, and otherwise
//
//   - a code of RFC 6749 section 5.2, if the server gave one,
//   - the HTTP status, such as 401, if it gave none,
//   - timeout, dns, tls, connection, if there was no response,
//   - signing, discovery, malformed_response, invalid_token_type,
//   - _OTHER.
func errorType(err error) string {
	var failed *smartauth.Error
	if err == nil || !errors.As(err, &failed) {
		switch {
		case err == nil || errors.Is(err, context.Canceled):
			return ""
		case errors.Is(err, context.DeadlineExceeded):
			return "timeout"
		}
		return "_OTHER"
	}
	switch {
	case slices.Contains(oauthCodes, failed.Code):
		return failed.Code
	case failed.StatusCode >= 300:
		return strconv.Itoa(failed.StatusCode)
	case failed.Phase == smartauth.PhaseSign:
		return "signing"
	case failed.Phase == smartauth.PhaseExchange && failed.StatusCode != 0 && failed.Kind == smartauth.Permanent:
		return "invalid_token_type"
	case failed.Phase == smartauth.PhaseExchange && (failed.StatusCode != 0 || failed.Kind == smartauth.Refused): // or it was too large
		return "malformed_response"
	}
	switch network := networkErrorType(err); {
	case network != "":
		return network
	case failed.Endpoint != "" && failed.Kind == smartauth.Temporary: // asked, and not answered
		return "connection"
	case failed.Phase == smartauth.PhaseDiscover:
		return "discovery"
	}
	return "_OTHER"
}

// networkErrorType returns "" for an error that is not of the network, or of no kind that stands out.
func networkErrorType(err error) string {
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var operation *net.OpError
	var network net.Error
	switch {
	case errors.As(err, &lookup): // a timeout, too: it is the name server that does not answer
		return "dns"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &certificate), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch),
		errors.As(err, &operation) && (operation.Op == "local error" || operation.Op == "remote error"): // crypto/tls: an alert
		return "tls"
	default:
		return ""
	}
}

// describe is the text of a span's status: what happened, without what the server wrote and whom it was sent for.
func describe(err error) string {
	var failed *smartauth.Error
	if !errors.As(err, &failed) { // of a caller's context, with a cause that is the application's
		if errors.Is(err, context.DeadlineExceeded) {
			return "the caller's time was up"
		}
		return "not finished"
	}
	text := string(failed.Phase)
	if failed.StatusCode != 0 {
		text += fmt.Sprintf(": %d %s", failed.StatusCode, http.StatusText(failed.StatusCode))
	}
	if slices.Contains(oauthCodes, failed.Code) {
		text += ": " + failed.Code
	}
	switch cause := failed.Unwrap(); {
	case cause == nil:
	case failed.StatusCode == 0 && failed.Kind != smartauth.Refused:
		text += ": " + cause.Error()
	case failed.Phase == smartauth.PhaseDiscover: // the causes that are made of an answer may quote it
		text += ": the answer is of no use"
	case failed.Kind == smartauth.Permanent:
		text += ": the token cannot be used as a bearer"
	default:
		text += ": not a token response"
	}
	return text
}
