package smarttest

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// fhirAudience is the aud of access tokens at the Koppeltaal reference server.
const fhirAudience = "fhir-server"

// A tokenIssuer makes access tokens and remembers which of them are good.
type tokenIssuer struct {
	issuer   string
	key      *rsa.PrivateKey
	kid      string
	lifetime atomic.Int64 // a time.Duration
	profile  Profile

	mu   sync.Mutex
	live map[string]struct{} // jti
}

// issue returns a token in the form of the Koppeltaal reference server: RS512, and no sub.
func (i *tokenIssuer) issue(clientID, scope string, now time.Time) (token string, expiresIn int64) {
	expiresIn = max(1, int64(time.Duration(i.lifetime.Load())/time.Second))
	jti := uuid.NewString()
	signed := i.sign(jwt.MapClaims{
		"iss": i.issuer, "azp": clientID, "aud": fhirAudience, "type": "access", "scope": scope,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Unix() + expiresIn, "jti": jti, "nonce": uuid.NewString(),
	})
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.live == nil {
		i.live = make(map[string]struct{})
	}
	i.live[jti] = struct{}{}
	return signed, expiresIn
}

func (i *tokenIssuer) sign(claims jwt.MapClaims) string {
	t := jwt.NewWithClaims(jwt.SigningMethodRS512, claims)
	t.Header["kid"] = i.kid
	signed, err := t.SignedString(i.key)
	if err != nil {
		panic(err) // the key is our own
	}
	return signed
}

func (i *tokenIssuer) revokeAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.live = nil
}

// expired has the 60 s leeway of the Koppeltaal reference server, the last moment included; RFC 7519 section 4.1.4 has none.
func (i *tokenIssuer) expired(exp, now time.Time) bool {
	if i.profile == SMART {
		return !exp.After(now)
	}
	return exp.Add(60 * time.Second).Before(now)
}

var errUnknownAlgorithm = errors.New("the token is signed by an algorithm that the FHIR server does not know")

// check returns the claims of a token that is good at now: signed by us, for the FHIR server, not revoked and in its time,
// without leeway on nbf and iat.
func (i *tokenIssuer) check(raw string, now time.Time) (jwt.MapClaims, error) {
	u, err := decodeJWT(raw)
	if err != nil {
		if errors.Is(err, jwt.ErrTokenUnverifiable) {
			return nil, errUnknownAlgorithm
		}
		return nil, err
	}
	if alg, _ := u.header["alg"].(string); len(alg) < 2 || alg[:2] != "RS" {
		return nil, errUnknownAlgorithm
	}
	if err := u.verify(&i.key.PublicKey, []string{"RS512"}); err != nil {
		return nil, err
	}
	if err := checkAudience(u.claims, []string{fhirAudience}); err != nil {
		return nil, err
	}
	if iss, _ := u.claims["iss"].(string); iss != i.issuer {
		return nil, fmt.Errorf("iss is %q", iss)
	}
	if exp, present, err := instant(u.claims, "exp", false); err != nil || !present || i.expired(exp, now) {
		return nil, errors.New("the token has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		if t, _, err := instant(u.claims, name, false); err != nil || t.After(now) {
			return nil, fmt.Errorf("%s is ahead of the FHIR server's clock", name)
		}
	}
	jti, _ := u.claims["jti"].(string)
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, live := i.live[jti]; !live {
		return nil, errors.New("the token was revoked")
	}
	return u.claims, nil
}
