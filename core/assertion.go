package smartauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/smartauth-go/smartauth/internal/origin"
)

const (
	assertionLife = 300 * time.Second // the most that SMART 2.2 and TOP-KT-005c allow
	backdate      = 5 * time.Second   // for servers without leeway, as Koppeltaal's
	signLimit     = 10 * time.Second
)

// assertion is a signed client assertion (RFC 7523), good for one request, and what it says.
type assertion struct {
	jwt, alg, kid, aud string
	clock              time.Time // when it was signed, on the clock it was signed on
}

// Assertion returns a client assertion for another request than core's own, such as token introspection (TOP-KT-021) or a
// code exchange. Each is good for one request. The audience must be on the token endpoint's origin, or be Config.Audience
// or one of Config.AssertionAudiences: an assertion for a stranger's URL could be used elsewhere.
func (s *Source) Assertion(ctx context.Context, audience string) (string, error) {
	if err := s.mayAssert(ctx, audience); err != nil {
		return "", err
	}
	a, err := s.sign(ctx, audience, s.advertised(), s.clock.offset(), 0)
	if err != nil {
		return "", err
	}
	return a.jwt, nil
}

func (s *Source) mayAssert(ctx context.Context, audience string) error {
	if audience != "" && (audience == s.cfg.Audience || slices.Contains(s.cfg.AssertionAudiences, audience)) {
		return nil
	}
	endpoint, err := s.tokenEndpoint(ctx, 0)
	if err != nil {
		return err
	}
	if u, err := url.Parse(audience); err != nil || u.User != nil || !origin.Of(endpoint).Has(u) {
		return &Error{Phase: PhaseSign, Kind: Permanent, err: fmt.Errorf(
			"audience %q is not on the token endpoint's origin; name it in Config.AssertionAudiences", displayAudience(audience))}
	}
	return nil
}

// advertised returns the algorithms that the server says it accepts, nil if it says nothing or was not asked.
func (s *Source) advertised() []string {
	if m := s.discoverer.known.Load(); m != nil && s.cfg.token == nil {
		return m.TokenEndpointAuthSigningAlgs
	}
	return nil
}

// sign makes a new assertion on the local clock plus offset.
func (s *Source) sign(ctx context.Context, audience string, advertised []string, offset time.Duration, attempt int) (a *assertion, err error) {
	start := PhaseStart{Phase: PhaseSign, Attempt: attempt}
	err = s.notify.within(ctx, start, func(ctx context.Context, end *PhaseEnd) error {
		key := snapshot(s.cfg.Signer)
		if key == nil {
			return &Error{Phase: PhaseSign, Kind: Temporary, err: errors.New("Config.Signer has no current key")}
		}
		alg, err := chooseAlgorithm(s.cfg.Algorithm, key.Algorithms(), advertised)
		if err != nil {
			return &Error{Phase: PhaseSign, Kind: Permanent, err: err}
		}
		a = &assertion{alg: alg, kid: key.KeyID(), aud: audience, clock: time.Now().Add(offset)}
		end.Algorithm, end.KeyID = a.alg, a.kid

		// RFC 7523 section 3 and SMART 2.2, client-confidential-asymmetric. aud is one plain string: golang-jwt's own claims
		// would make it an array, which several servers refuse.
		iat := a.clock.Add(-backdate)
		token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{
			"iss": s.cfg.ClientID,
			"sub": s.cfg.ClientID,
			"aud": audience,
			"jti": uuid.NewString(),
			"iat": iat.Unix(),
			"exp": iat.Add(assertionLife).Unix(),
		})
		token.Header["kid"] = a.kid
		input, err := token.SigningString()
		if err != nil {
			return asError(err, PhaseSign)
		}
		sig, err := signWithin(ctx, key, alg, []byte(input))
		if err != nil {
			return &Error{Phase: PhaseSign, Kind: Temporary, err: err, again: !timedOut(err)}
		}
		a.jwt = input + "." + token.EncodeSegment(sig)
		return nil
	})
	return a, err
}

// signWithin returns when the signer does, or after signLimit: a KMS client that ignores its context must not hold up the
// acquisition for ever.
func signWithin(ctx context.Context, key Signer, alg string, input []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	type result struct {
		sig []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: errors.New("the signer ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				r = result{err: panicError("signer", p)}
			}
			done <- r
		}()
		r.sig, r.err = key.Sign(ctx, alg, input)
	}()
	select {
	case r := <-done:
		return r.sig, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the signer did not answer in time: %w", ctx.Err())
	}
}

// panicError tells where a panic came from and, as its value might hold a secret, no more than its type.
func panicError(who string, p any) error {
	if err, ok := p.(runtime.Error); ok {
		return fmt.Errorf("panic in the %s: %w", who, err)
	}
	return fmt.Errorf("panic in the %s (%T)", who, p)
}
