package clean

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
)

const maxErrorText = 256 // bytes of an error's text

// An Error is an error whose text may be shown.
type Error struct {
	Text string
	err  error // the cleaned one if Text is all that it says; otherwise the cause of it that may be told, nil if none
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.err }

// causes are errors that callers ask for, and that say nothing of a server's answer.
var causes = []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF}

// Wrap cleans the text of err. If that changes it, what err wraps is told no more, except for the ends of contexts and bodies, and
// certificates that were not good.
func Wrap(err error) *Error {
	return wrap(err, Text(err.Error(), maxErrorText))
}

// Network is [Wrap] for the error of an HTTP client: the URL goes, whose query may be secret, and so do the secrets, and the
// quotations of what the server sent that net/http puts into some of its messages.
func Network(err error, secrets ...string) *Error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		err = ue.Err
	}
	return wrap(err, Text(quoted.ReplaceAllString(err.Error(), "..."), maxErrorText, secrets...))
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*("|$)`)

func wrap(err error, text string) *Error {
	if text == err.Error() {
		return &Error{text, err}
	}
	var certificate *tls.CertificateVerificationError // as public as the certificate; its text may quote the names there
	if errors.As(err, &certificate) {
		return &Error{text, certificate}
	}
	if i := slices.IndexFunc(causes, func(c error) bool { return errors.Is(err, c) }); i >= 0 {
		return &Error{text, causes[i]}
	}
	return &Error{text, nil}
}
