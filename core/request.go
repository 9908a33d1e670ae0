package smartauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartauth-go/smartauth/internal/authctx"
	"github.com/smartauth-go/smartauth/internal/bounded"
	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/origin"
	"github.com/smartauth-go/smartauth/internal/peer"
)

const (
	attemptLimit    = 15 * time.Second
	refreshLimit    = 3 * time.Second // for a discovery that the acquisition can do without
	longestWait     = 2 * time.Second // the longest Retry-After that an acquisition waits for itself
	longestCoolDown = time.Minute     // any longer Retry-After counts as this
)

var (
	errForeignRedirect  = errors.New("redirected to another origin, which is not followed")
	errTooManyRedirects = errors.New("redirected more than 5 times")
	errTooLarge         = errors.New("the response is larger than allowed")
)

// notByItself are the errors of a request that do not pass by themselves.
var notByItself = []error{errForeignRedirect, errTooManyRedirects, errTooLarge, origin.ErrLeft}

// reply is an HTTP response, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	at     time.Time // when its end had come
}

// send makes one HTTP request, marked as core's own, and reads at most most bytes of the response. Its error is a *Error of
// kind Temporary, or Refused for what will not pass by itself.
func send(ctx context.Context, client *http.Client, r *http.Request, phase Phase, most int64) (*reply, error) {
	marks := authctx.From(ctx)
	marks.TokenRequest = true
	r = r.WithContext(authctx.With(ctx, marks))
	began := time.Now()
	resp, err := bounded.Do(ctx, "HTTP client", 0, func() (*reply, error) { return receive(client, r, most) })
	if err == nil {
		return resp, nil
	}
	e := &Error{Phase: phase, Kind: Temporary, Endpoint: clean.URL(r.URL), again: true}
	shown := clean.Network(err)
	e.err, e.Hints = shown, networkHints(phase, err)
	switch {
	case peer.TimedOut(err):
		e.again = false // the server may still be at work on it
		shown.Text = fmt.Sprintf("no answer within %v", time.Since(began).Round(100*time.Millisecond))
	case slices.ContainsFunc(notByItself, func(target error) bool { return errors.Is(err, target) }):
		e.Kind, e.again = Refused, false
	}
	return nil, e
}

func receive(client *http.Client, r *http.Request, most int64) (*reply, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if origin.Left(resp) {
		return nil, origin.ErrLeft
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && int64(len(body)) > most {
		if body = nil; resp.StatusCode < 300 { // of a failure the status says enough
			err = fmt.Errorf("%w: %d bytes", errTooLarge, most)
		}
	}
	if err != nil {
		return nil, err
	}
	return &reply{status: resp.StatusCode, header: resp.Header, body: body, at: time.Now()}, nil
}

// failure returns the *Error of a response that is no success, its kind by status alone.
func (r *reply) failure(phase Phase, endpoint string) *Error {
	e := &Error{Phase: phase, Kind: Refused, Endpoint: endpoint, StatusCode: r.status}
	if r.status == http.StatusRequestTimeout || r.status == http.StatusTooManyRequests || r.status >= 500 {
		e.Kind, e.again = Temporary, true
		e.after = retryAfter(r.header, r.at)
		if e.after > longestWait {
			e.again = false
		}
	}
	return e
}

// retryAfter reads Retry-After (RFC 9110 section 10.2.3): seconds or a date, and besides the epoch, in seconds or
// milliseconds, that the bulk data reference server sends. Nonsense and the past are 0; nothing is above a minute.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case n >= 1e12:
			wait = time.UnixMilli(n).Sub(now)
		case n >= 1e9:
			wait = time.Unix(n, 0).Sub(now)
		default:
			wait = time.Duration(max(n, 0)) * time.Second // far below zero it would overflow
		}
	} else if at, err := http.ParseTime(text); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date // both by the server's clock
		}
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longestCoolDown)
}

// asError returns err as the *Error it is, or else as a temporary failure of the phase: a panic, or a context that ended.
func asError(err error, phase Phase) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Phase: phase, Kind: Temporary, err: err}
}
