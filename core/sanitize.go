package smartauth

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// A JWT is known by its beginning, that of a JSON object in base64url. Host names have parts as long.
	jwtShaped = regexp.MustCompile(`ey[AJ][A-Za-z0-9_-]{7,}\.[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*)?`)
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*("|$)`)
)

// sanitize makes server text fit to be shown: printable ASCII, without anything shaped like a JWT or equal to one of the
// secrets, cut to at most most bytes.
func sanitize(text string, most int, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[removed]")
		}
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text)
	text = jwtShaped.ReplaceAllString(text, "[removed]")
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), most)]
}

// cleanError is an error whose text may be shown.
type cleanError struct {
	text string
	err  error // the cleaned one if text is all that it says; otherwise the one of causes that it wraps, nil if none
}

// causes are errors that callers ask for, and that say nothing of a server's answer.
var causes = []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF, errForeignRedirect, errTooManyRedirects}

func cleaned(err error, text string) *cleanError {
	e := &cleanError{text: text, err: err}
	if e.text != err.Error() {
		e.err = nil
		var certificate *tls.CertificateVerificationError // as public as the certificate; its text may quote the names there
		if errors.As(err, &certificate) {
			e.err = certificate
		} else if i := slices.IndexFunc(causes, func(c error) bool { return errors.Is(err, c) }); i >= 0 {
			e.err = causes[i]
		}
	}
	return e
}

// networkError cleans the error of an HTTP client of the URL, whose query may be secret, and of the quotations of what the
// server sent that net/http puts into some of its messages.
func networkError(err error) *cleanError {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		err = ue.Err
	}
	return cleaned(err, sanitize(quoted.ReplaceAllString(err.Error(), "..."), 256))
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }
