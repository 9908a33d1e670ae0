package smarttest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// jwk has the public members of RFC 7517 and RFC 7518 section 6.
type jwk struct {
	KeyType   string `json:"kty"`
	KeyID     string `json:"kid,omitempty"`
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	Curve     string `json:"crv,omitempty"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

func encodeJWKS(keys []Key) ([]byte, error) {
	set := jwkSet{Keys: []jwk{}}
	for _, k := range keys {
		encoded, err := encodeJWK(k)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, encoded)
	}
	return json.Marshal(set)
}

func encodeJWK(k Key) (jwk, error) {
	encode := base64.RawURLEncoding.EncodeToString
	out := jwk{KeyID: k.KeyID, Use: k.Use, Algorithm: k.Algorithm}
	switch pub := k.PublicKey.(type) {
	case *rsa.PublicKey:
		out.KeyType, out.N, out.E = "RSA", encode(pub.N.Bytes()), encode(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			return jwk{}, err
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		out.KeyType, out.Curve, out.X, out.Y = "EC", pub.Curve.Params().Name, encode(x), encode(y)
	case ed25519.PublicKey:
		out.KeyType, out.Curve, out.X = "OKP", "Ed25519", encode(pub)
	default:
		return jwk{}, fmt.Errorf("a key of type %T has no JWK form", k.PublicKey)
	}
	return out, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (k jwk) publicKey() (crypto.PublicKey, error) {
	decode := base64.RawURLEncoding.DecodeString
	switch k.KeyType {
	case "RSA":
		n, errN := decode(k.N)
		e, errE := decode(k.E)
		exponent := new(big.Int).SetBytes(e)
		if errN != nil || errE != nil || len(n) < 256 || !exponent.IsInt64() || exponent.Int64() > 1<<31-1 {
			return nil, errors.New("the RSA key in the JWKS is malformed or below 2048 bits")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
	case "EC":
		curve, known := curves[k.Curve]
		x, errX := decode(k.X)
		y, errY := decode(k.Y)
		if !known || errX != nil || errY != nil || len(x) != len(y) {
			return nil, errors.New("the EC key in the JWKS is malformed")
		}
		return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
	default:
		return nil, fmt.Errorf("the key in the JWKS is of type %q, which no accepted algorithm uses", k.KeyType)
	}
}

// signingKey returns the key that a kid names: the first, even if a later one has the same kid.
func (set jwkSet) signingKey(kid string) (crypto.PublicKey, error) {
	for _, k := range set.Keys {
		if k.KeyID == kid && (k.Use == "" || k.Use == "sig") {
			return k.publicKey()
		}
	}
	return nil, fmt.Errorf("no key for signatures in the JWKS has the kid %q", kid)
}

// fetchJWKS does what a server does to read a client's keys, which may be anywhere.
func fetchJWKS(ctx context.Context, hc *http.Client, url, userAgent string) (jwkSet, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var set jwkSet
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return set, err
	}
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set("Accept", "application/json")
	resp, err := hc.Do(r)
	if err != nil {
		return set, fmt.Errorf("the JWKS cannot be read: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return set, fmt.Errorf("the JWKS cannot be read: %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&set); err != nil {
		return set, fmt.Errorf("the JWKS cannot be read: %w", err)
	}
	return set, nil
}

// A keyHost serves the JWKS of clients on an origin of its own.
type keyHost struct {
	origin string
	clock  clock

	mu       sync.Mutex
	handlers map[string]http.Handler
}

func (h *keyHost) url(clientID string) string { return h.origin + "/keys/" + url.PathEscape(clientID) }

func (h *keyHost) put(clientID string, handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handlers == nil {
		h.handlers = make(map[string]http.Handler)
	}
	h.handlers[clientID] = handler
}

func (s *Server) routeKeys(w http.ResponseWriter, r *http.Request) {
	clientID, found := strings.CutPrefix(r.URL.Path, "/keys/")
	s.keys.mu.Lock()
	handler := s.keys.handlers[clientID]
	s.keys.mu.Unlock()
	if !found || handler == nil {
		s.handle(Other, &s.keys.clock, w, r, http.NotFound)
		return
	}
	s.handle(JWKS, &s.keys.clock, w, r, handler.ServeHTTP)
}
