package smartauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/peer"
)

const (
	maxResponse = 1 << 20
	defaultLife = 300 * time.Second // of a token whose expires_in is missing: SMART's recommendation, never for ever
	longestLife = 24 * time.Hour

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// exchange posts the assertion to the token endpoint (RFC 7523 section 2.2) and returns the token.
func (s *Source) exchange(ctx context.Context, endpoint *url.URL, a *assertion, attempt int) (token *Token, err error) {
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"scope":                 {strings.Join(s.cfg.Scopes, " ")},
		"client_assertion_type": {assertionType},
		"client_assertion":      {a.jwt},
	}
	r, err := http.NewRequest(http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, asError(err, PhaseExchange)
	}
	r.GetBody = nil // a client within the transport would send the assertion to wherever a 307 points
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	start := PhaseStart{Phase: PhaseExchange, Attempt: attempt, Method: r.Method, URL: clean.URL(endpoint), Header: r.Header}
	err = s.notify.within(ctx, start, func(ctx context.Context, end *PhaseEnd) error {
		ctx, cancel := context.WithTimeout(ctx, attemptLimit)
		defer cancel()
		sent := time.Now()
		resp, err := send(ctx, s.cfg.exchange, r, PhaseExchange, maxResponse)
		if err != nil {
			e := asError(err, PhaseExchange)
			e.Hints = append(e.Hints, s.discoverer.staleHints()...)
			return e
		}
		end.StatusCode = resp.status
		if resp.status < 200 || resp.status > 299 {
			return s.refusal(resp, endpoint, a)
		}
		var oauth oauthError
		if token, oauth, err = parseToken(resp.body, sent); oauth.Code != "" {
			return s.refusal(resp, endpoint, a)
		}
		if err != nil {
			kind := Refused
			if errors.Is(err, errUnusable) {
				kind = Permanent
			}
			return &Error{Phase: PhaseExchange, Kind: kind, Endpoint: start.URL, StatusCode: resp.status, err: err}
		}
		if token.date = peer.Date(resp.header); !token.date.IsZero() {
			token.clockOffset = token.date.Sub(resp.at)
		}
		return nil
	})
	return token, err
}

var errUnusable = errors.New("the server issues tokens that cannot be used as a bearer")

type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// parseToken reads a token response (RFC 6749 section 5.1). Its errors quote nothing of it.
func parseToken(body []byte, sent time.Time) (*Token, oauthError, error) {
	var r struct {
		oauthError
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		Scope       string          `json:"scope"`
	}
	if err := decodeLenient(body, &r); err != nil {
		return nil, oauthError{}, err
	}
	if r.AccessToken == "" && r.Code != "" {
		return nil, r.oauthError, nil
	}
	switch {
	case r.AccessToken == "":
		return nil, oauthError{}, errors.New("the token response has no access_token")
	case r.AccessToken == "NOOP": // what Koppeltaal's launch answers in place of a token (TOP-KT-007)
		return nil, oauthError{}, fmt.Errorf("%w: access_token is NOOP, the placeholder of a launch", errUnusable)
	case strings.ContainsFunc(r.AccessToken, func(c rune) bool { return c <= ' ' || c > '~' }):
		return nil, oauthError{}, fmt.Errorf("%w: access_token has characters that no header may hold", errUnusable)
	case r.TokenType != "" && !strings.EqualFold(r.TokenType, "Bearer"):
		return nil, oauthError{}, fmt.Errorf("%w: token_type is %q", errUnusable, clean.Text(r.TokenType, 16))
	}
	life, err := lifetime(r.ExpiresIn)
	if err != nil {
		return nil, oauthError{}, err
	}
	t := NewToken(r.AccessToken, sent.Add(life))
	t.scope = r.Scope
	return t, oauthError{}, nil
}

// lifetime reads expires_in: a number or, as some servers send it, the same in a string.
func lifetime(raw json.RawMessage) (time.Duration, error) {
	text := strings.Trim(string(raw), `"`)
	if text == "" || text == "null" {
		return defaultLife, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(seconds) {
		return 0, errors.New("expires_in is not a number")
	}
	life := time.Duration(min(seconds, longestLife.Seconds()) * float64(time.Second))
	if life <= 0 { // also what is less than a nanosecond
		return 0, errors.New("expires_in is not positive: the token has expired already")
	}
	return life, nil
}
