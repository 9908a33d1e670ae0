package smarthttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/authctx"
	"github.com/smartauth-go/smartauth/internal/peer"
)

const (
	maxLag     = 3 * time.Second // how far behind a FHIR server's clock may be to be waited for
	maxDiscard = 64 << 10
	patience   = time.Second // with bodies that stall
)

// reauthenticate answers the 401 in resp to a request that carried token. Each token is waited for at most once, and there is
// one new token at most, so a request is sent four times at the worst.
func (t *Transport) reauthenticate(r *http.Request, body *requestBody, token *smartauth.Token, resp *http.Response,
	base http.RoundTripper) (_ *http.Response, err error) {
	ctx := r.Context()
	done := t.callOf(ctx)
	report := smartauth.Rejection{Outcome: smartauth.OutcomeFailed}
	defer func() {
		if o, ok := t.Source.(smartauth.RejectionObserver); ok {
			o.Rejected(ctx, report)
		}
	}()

	for {
		lag := clockLag(resp, token)
		wait := lag > 0 && done.waitedFor.Load() != token
		if !wait && done.renewed.Load() {
			return resp, nil
		}
		bodyAgain := body.again(ctx, keep(resp))
		next := token
		switch {
		case bodyAgain == nil:
			if lag == 0 {
				t.Source.Invalidate(token) // for the next request
			}
			return resp, nil
		case wait:
			done.waitedFor.Store(token)
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= lag {
				return resp, nil
			}
			if err := sleep(ctx, lag); err != nil {
				discard(resp)
				return nil, err
			}
			report.Waited += lag
		default:
			t.Source.Invalidate(token)
			if next, err = t.Source.Token(withRefused(ctx, token)); err != nil {
				discard(resp)
				return nil, fmt.Errorf("smarthttp: the FHIR server answered 401, and no new token could be obtained: %w", err)
			}
			if next.AccessToken() == token.AccessToken() {
				report.Outcome = smartauth.OutcomeSuppressed
				return resp, nil
			}
			done.renewed.Store(true)
		}
		nextBody, err := bodyAgain()
		if err != nil {
			return resp, nil
		}
		discard(resp)
		body, token = nextBody, next
		if resp, err = send(r, body, token, base); err != nil {
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

// clockLag returns how far the Date of resp is before the moment that the token was issued: by the clock of that server the
// token is not valid yet. One without leeway on nbf, such as Koppeltaal's, refuses it until then, and another token would only
// be newer. It returns 0 if the server is not behind, or so far that it is not worth waiting.
func clockLag(resp *http.Response, token *smartauth.Token) time.Duration {
	issued, date := token.IssuedDate(), peer.Date(resp.Header)
	if lag := issued.Sub(date); !issued.IsZero() && !date.IsZero() && lag > 0 && lag <= maxLag {
		return lag
	}
	return 0
}

// discard reads what is left of a small response, so that its connection serves the request that follows, and closes it. A
// response that is long or slow costs its connection instead.
func discard(resp *http.Response) {
	stop := time.AfterFunc(patience, func() { _ = resp.Body.Close() })
	defer stop.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscard)
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
