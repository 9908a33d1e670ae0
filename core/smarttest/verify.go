package smarttest

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// An unverified token is decoded and nothing more.
type unverified struct {
	raw    string
	header map[string]any
	claims jwt.MapClaims // numbers as json.Number
}

func decodeJWT(raw string) (unverified, error) {
	parser := jwt.NewParser(jwt.WithJSONNumber(), jwt.WithStrictDecoding())
	claims := jwt.MapClaims{}
	token, _, err := parser.ParseUnverified(raw, claims)
	if err != nil {
		return unverified{}, fmt.Errorf("not a JWT: %w", err)
	}
	if _, critical := token.Header["crit"]; critical { // RFC 7515 section 4.1.11
		return unverified{}, errors.New("the header has a crit member, and no extension is understood")
	}
	return unverified{raw: raw, header: token.Header, claims: claims}, nil
}

// text returns a claim or header member that must be a string.
func text(members map[string]any, name string) (string, error) {
	switch v := members[name].(type) {
	case nil:
		return "", fmt.Errorf("%s is missing", name)
	case string:
		if v == "" {
			return "", fmt.Errorf("%s is empty", name)
		}
		return v, nil
	default:
		return "", fmt.Errorf("%s is no string", name)
	}
}

// verify checks the signature; the claims are judged elsewhere.
func (u unverified) verify(key crypto.PublicKey, algorithms []string) error {
	alg, _ := u.header["alg"].(string)
	if !slices.Contains(algorithms, alg) {
		return fmt.Errorf("alg %q is not accepted here, only %v", alg, algorithms)
	}
	if ec, ok := key.(*ecdsa.PublicKey); ok && !fits(alg, ec) { // RFC 7518 section 3.4; golang-jwt does not check it
		return fmt.Errorf("alg %s does not go with the curve %s", alg, ec.Curve.Params().Name)
	}
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithoutClaimsValidation(), jwt.WithJSONNumber(), jwt.WithStrictDecoding())
	_, err := parser.Parse(u.raw, func(*jwt.Token) (any, error) { return key, nil })
	if err != nil {
		return fmt.Errorf("the signature is not by the key registered: %w", err)
	}
	return nil
}

func fits(alg string, key *ecdsa.PublicKey) bool {
	curve := map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg]
	return curve == key.Curve.Params().Name
}

// instant returns a time claim. Lenient also takes digits in a string, as int() of Python does.
func instant(claims jwt.MapClaims, name string, lenient bool) (t time.Time, present bool, err error) {
	v, present := claims[name]
	if !present {
		return time.Time{}, false, nil
	}
	digits := ""
	switch v := v.(type) {
	case json.Number:
		digits = v.String()
	case string:
		if lenient {
			digits = v
		}
	}
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(digits, 64)
		if _, number := v.(json.Number); !number || ferr != nil || math.Abs(f) > 1<<53 {
			return time.Time{}, true, fmt.Errorf("%s is no number of seconds", name)
		}
		seconds = int64(f)
	}
	return time.Unix(seconds, 0), true, nil
}

// checkTimes judges exp, iat and nbf, each if present, without leeway.
func checkTimes(claims jwt.MapClaims, now time.Time, lenient bool) error {
	exp, hasExp, err := instant(claims, "exp", lenient)
	if err != nil {
		return err
	}
	if hasExp && !exp.After(now) {
		return fmt.Errorf("expired: exp is %v behind the server's clock", now.Sub(exp))
	}
	for _, name := range []string{"iat", "nbf"} {
		t, present, err := instant(claims, name, lenient)
		if err != nil {
			return err
		}
		if present && t.After(now) {
			return fmt.Errorf("%s is %v ahead of the server's clock, which allows no leeway", name, t.Sub(now))
		}
	}
	return nil
}

// checkAudience wants one string, equal to the byte.
func checkAudience(claims jwt.MapClaims, accepted []string) error {
	aud, err := text(claims, "aud")
	if err != nil {
		return err
	}
	if !slices.Contains(accepted, aud) {
		return fmt.Errorf("aud is %q; expected %q", aud, accepted[0])
	}
	return nil
}

// jtiSet holds the jti seen. It is never pruned, as that of the Koppeltaal reference server.
type jtiSet struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

func (s *jtiSet) burn(jti string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, replayed := s.seen[jti]; replayed {
		return errors.New("jti was used before")
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{})
	}
	s.seen[jti] = struct{}{}
	return nil
}
