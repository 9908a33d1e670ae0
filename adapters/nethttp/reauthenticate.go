package smarthttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/authctx"
)

const (
	longestLag = 3 * time.Second // how far behind a FHIR server's clock is waited for
	drainMost  = 64 << 10
	drainLimit = time.Second
)

// reauthenticate answers the 401 in resp to a request that carried token. Each token is waited for at most once, and there is
// one new token at most, so a request is sent four times at the worst.
func (t *Transport) reauthenticate(r *http.Request, copied *bodyCopy, token *smartauth.Token, resp *http.Response) (_ *http.Response, err error) {
	ctx := r.Context()
	report := smartauth.Rejection{Outcome: smartauth.OutcomeFailed}
	defer func() {
		if o, ok := t.Source.(smartauth.RejectionObserver); ok {
			o.Rejected(ctx, report)
		}
	}()

	var waitedFor *smartauth.Token
	renewed := false
	for {
		if lag := clockLag(resp, token); lag > 0 && waitedFor != token {
			body, ok := bodyAgain(r, copied)
			if !ok {
				return resp, nil
			}
			drain(resp)
			if err := sleep(ctx, lag); err != nil {
				closeReader(body)
				return nil, err
			}
			waitedFor = token
			report.Waited += lag
			resp, err = t.send(r, body, token)
		} else if renewed {
			return resp, nil
		} else {
			t.Source.Invalidate(token)
			body, ok := bodyAgain(r, copied)
			if !ok {
				return resp, nil
			}
			next, failure := t.Source.Token(withRefused(ctx, token))
			if failure != nil {
				closeReader(body)
				drain(resp)
				return nil, fmt.Errorf("smarthttp: the FHIR server answered 401, and no new token was to be had: %w", failure)
			}
			if next.AccessToken() == token.AccessToken() {
				closeReader(body)
				report.Outcome = smartauth.OutcomeSuppressed
				return resp, nil
			}
			drain(resp)
			token, renewed = next, true
			resp, err = t.send(r, body, token)
		}
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusUnauthorized {
			report.Outcome = smartauth.OutcomeRecovered
			return resp, nil
		}
	}
}

// withRefused tells core that this caller's request was refused with token: it then gets another one, or the reason why not.
func withRefused(ctx context.Context, token *smartauth.Token) context.Context {
	marks := authctx.From(ctx)
	marks.Refused = token
	return authctx.With(ctx, marks)
}

// clockLag returns how long ago, by the server that sent resp, the moment is in the future at which the token was issued. A
// server without leeway on nbf, such as Koppeltaal's, refuses a token until then, and another one would only be newer.
func clockLag(resp *http.Response, token *smartauth.Token) time.Duration {
	issued := token.IssuedDate()
	if issued.IsZero() || resp.Header.Get("Age") != "" {
		return 0
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0
	}
	lag := issued.Sub(date)
	if lag > longestLag {
		return 0
	}
	return lag
}

// drain reads what is left of a small response, so that its connection serves the request that follows, and closes it. A
// response that is long or slow costs its connection instead.
func drain(resp *http.Response) {
	stop := time.AfterFunc(drainLimit, func() { _ = resp.Body.Close() })
	defer stop.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, drainMost)
	_ = resp.Body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
