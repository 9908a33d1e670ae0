package smartauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/smartauth-go/smartauth/internal/bounded"
	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/origin"
	"github.com/smartauth-go/smartauth/internal/peer"
)

const (
	assertionLife = 300 * time.Second // the most that SMART 2.2 and TOP-KT-005c allow
	backdate      = 5 * time.Second   // for servers without leeway, as Koppeltaal's
	signLimit     = 10 * time.Second
)

// assertion is a signed client assertion (RFC 7523), good for one request, and what it says.
type assertion struct {
	jwt, alg, kid, aud string
	algs               []string  // that the key can do
	at                 time.Time // when it was signed, by the local clock
	clock              time.Time // the same moment by the authorization server's clock, as far as that is known
}

// Assertion returns a client assertion for another request than core's own, such as token introspection (TOP-KT-021) or a
// code exchange. Each is good for one request, and expires 295 s after it was signed. The audience must be on the token
// endpoint's origin, or be Config.Audience or one of Config.AssertionAudiences: an assertion for a stranger's URL could be used
// elsewhere. Errors are [*Error].
func (s *Source) Assertion(ctx context.Context, audience string) (string, error) {
	endpoint, advertised, err := s.tokenEndpoint(ctx, 0)
	if err != nil {
		return "", err
	}
	if !s.mayAssert(audience, endpoint) {
		return "", &Error{Phase: PhaseSign, Kind: Permanent, err: fmt.Errorf(
			"audience %q is not on the token endpoint's origin; name it in Config.AssertionAudiences", displayAudience(audience))}
	}
	a, err := s.sign(ctx, audience, advertised, s.clock.offset(), 0)
	if err != nil {
		return "", err
	}
	return a.jwt, nil
}

func (s *Source) mayAssert(audience string, endpoint *url.URL) bool {
	u, err := url.Parse(audience)
	return audience != "" && (audience == s.cfg.Audience || slices.Contains(s.cfg.AssertionAudiences, audience)) ||
		err == nil && u.User == nil && origin.Of(endpoint).Has(u)
}

// signingKey is what a Signer says of the key it signs with now.
type signingKey struct {
	Signer
	kid     string
	algs    []string
	warning error
}

// sign makes a new assertion on the local clock plus offset.
func (s *Source) sign(ctx context.Context, audience string, advertised []string, offset time.Duration, attempt int) (a *assertion, err error) {
	start := PhaseStart{Phase: PhaseSign, Attempt: attempt}
	err = s.notify.within(ctx, start, func(ctx context.Context, end *PhaseEnd) error {
		ctx, cancel := context.WithTimeout(ctx, signLimit)
		defer cancel()
		key, err := bounded.Do(ctx, "signer", 0, func() (signingKey, error) {
			k := snapshot(s.cfg.Signer)
			if k == nil {
				return signingKey{}, errNoKey
			}
			return signingKey{k, k.KeyID(), k.Algorithms(), warningOf(k)}, nil
		})
		if err != nil {
			return signingError(err)
		}
		s.warn(ctx, key.warning)
		alg, err := chooseAlgorithm(s.cfg.Algorithm, key.algs, advertised)
		if err != nil {
			return &Error{Phase: PhaseSign, Kind: Permanent, err: err}
		}
		now := time.Now()
		a = &assertion{alg: alg, algs: key.algs, kid: key.kid, aud: audience, at: now, clock: now.Add(offset)}
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
		token.Header["typ"] = s.cfg.AssertionTyp
		token.Header["kid"] = a.kid
		input, err := token.SigningString()
		if err != nil {
			return asError(err, PhaseSign)
		}
		sig, err := bounded.Do(ctx, "signer", 0, func() ([]byte, error) { return key.Sign(ctx, alg, []byte(input)) })
		if err != nil {
			return signingError(err)
		}
		a.jwt = input + "." + token.EncodeSegment(sig)
		return nil
	})
	return a, err
}

var errNoKey = errors.New("Config.Signer has no current key")

// signingError returns the *Error for what a Signer returned. The text is cleaned: it may quote what was sent to a KMS.
func signingError(err error) *Error {
	return &Error{Phase: PhaseSign, Kind: Temporary, err: clean.Wrap(err), again: !peer.TimedOut(err)}
}
