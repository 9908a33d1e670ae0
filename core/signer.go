package smartauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// A Signer signs client assertions. Its methods may be called from several goroutines at once.
//
// A Signer over several keys implements Current() Signer as well; it is asked once for each assertion, so that key id and
// signature are of the same key. One that knows that others may read its key implements Warning() error: the [Source] tells its
// [StateObserver], once, by StateKeyExposed.
type Signer interface {
	// KeyID is the kid of the assertion's header. It names the key in the JWKS that the application publishes.
	KeyID() string

	// Algorithms are the JWS algorithms that the key can do, in order of preference.
	Algorithms() []string

	// Sign returns the JWS signature over input by one of Algorithms; ECDSA as R‖S (RFC 7518 section 3.4). It should
	// return when ctx ends; an acquisition does not wait for it longer than 10 s.
	Sign(ctx context.Context, alg string, input []byte) ([]byte, error)
}

// A PublicSigner tells its public key, too, for the JWKS that the application publishes. All Signers of this package do.
type PublicSigner interface {
	Signer
	Public() crypto.PublicKey
}

// NewSigner returns a Signer for a key held anywhere: *rsa.PrivateKey, *ecdsa.PrivateKey and ed25519.PrivateKey, or a
// crypto.Signer of an HSM with such a public key. An empty kid means the RFC 7638 thumbprint. RSA keys have at least 2048 bits;
// the curves are P-256, P-384, P-521 and Ed25519. Clients of a KMS that take a context fit [NewRemoteSigner] better.
func NewSigner(key crypto.Signer, kid string) (PublicSigner, error) {
	if isNil(key) {
		return nil, errors.New("smartauth: NewSigner: the key is nil")
	}
	return NewRemoteSigner(key.Public(), kid, func(_ context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		return key.Sign(rand.Reader, digest, opts)
	})
}

// isNil also finds the nil pointers of a failed parse whose error was overlooked. They would panic when asked for their Public.
func isNil(key crypto.Signer) bool {
	switch k := key.(type) {
	case nil:
		return true
	case *rsa.PrivateKey:
		return k == nil
	case *ecdsa.PrivateKey:
		return k == nil
	case ed25519.PrivateKey:
		return len(k) != ed25519.PrivateKeySize
	}
	return false
}

// A SignFunc signs a digest as crypto.Signer does: opts is its crypto.Hash or, for the PS algorithms, a *rsa.PSSOptions, and
// ECDSA signatures are ASN.1. For Ed25519 digest is the message itself, and opts crypto.Hash(0).
type SignFunc func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)

// NewRemoteSigner returns a Signer for a key that is never here, as in a KMS. public is asked for once, by the caller. sign
// should heed its context; an acquisition waits 10 s for it, and an error of it is a [Temporary] one. An empty kid means the RFC
// 7638 thumbprint.
func NewRemoteSigner(public crypto.PublicKey, kid string, sign SignFunc) (PublicSigner, error) {
	if sign == nil {
		return nil, errors.New("smartauth: NewRemoteSigner: sign is nil")
	}
	algs, err := algorithmsFor(public)
	if err != nil {
		return nil, fmt.Errorf("smartauth: %w", err)
	}
	if kid == "" {
		if kid, err = Thumbprint(public); err != nil {
			return nil, err
		}
	}
	return &keySigner{public: public, sign: sign, kid: kid, algs: algs}, nil
}

// keySigner holds its key as a func, which no way of printing looks into.
type keySigner struct {
	public crypto.PublicKey
	sign   SignFunc
	kid    string
	algs   []string
}

func (s *keySigner) KeyID() string            { return s.kid }
func (s *keySigner) Algorithms() []string     { return slices.Clone(s.algs) }
func (s *keySigner) Public() crypto.PublicKey { return s.public }

func (s *keySigner) String() string { return "smartauth.Signer(kid " + s.kid + ")" }

func (s *keySigner) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !slices.Contains(s.algs, alg) {
		return nil, fmt.Errorf("the key cannot do %q, only %s", alg, strings.Join(s.algs, ", "))
	}
	hash := algorithms[alg]
	if hash == 0 { // Ed25519 hashes for itself
		return s.sign(ctx, input, crypto.Hash(0))
	}
	h := hash.New()
	h.Write(input)
	digest := h.Sum(nil)

	var opts crypto.SignerOpts = hash
	if strings.HasPrefix(alg, "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	sig, err := s.sign(ctx, digest, opts)
	if err != nil {
		return nil, err
	}
	if pub, ok := s.public.(*ecdsa.PublicKey); ok {
		return rawECDSA(sig, (pub.Curve.Params().BitSize+7)/8)
	}
	return sig, nil
}

// rawECDSA turns the ASN.1 form that crypto.Signer returns into the R‖S of RFC 7518 section 3.4.
func rawECDSA(der []byte, size int) ([]byte, error) {
	var v struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &v)
	if err != nil || len(rest) > 0 {
		return nil, errors.New("the signer returned no ASN.1 ECDSA signature")
	}
	if v.R.Sign() <= 0 || v.S.Sign() <= 0 || v.R.BitLen() > size*8 || v.S.BitLen() > size*8 {
		return nil, errors.New("the signer returned an ECDSA signature that does not fit its curve")
	}
	out := make([]byte, 2*size)
	v.R.FillBytes(out[:size])
	v.S.FillBytes(out[size:])
	return out, nil
}

// algorithms are the JWS algorithms a Signer may name, with their hash. Symmetric ones and "none" are not among them.
var algorithms = map[string]crypto.Hash{
	"RS256": crypto.SHA256, "RS384": crypto.SHA384, "RS512": crypto.SHA512,
	"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512,
	"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512,
	"EdDSA": 0,
}

func algorithmsFor(pub crypto.PublicKey) ([]string, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k == nil || k.N == nil || k.E < 3 || k.E%2 == 0 {
			return nil, errors.New("the RSA key is incomplete")
		}
		if bits := k.N.BitLen(); bits < 2048 {
			return nil, fmt.Errorf("the RSA key has %d bits; at least 2048 are needed", bits)
		}
		return []string{"RS384", "RS512", "RS256", "PS384", "PS512", "PS256"}, nil
	case *ecdsa.PublicKey:
		if k == nil || k.Curve == nil {
			return nil, errors.New("the EC key is incomplete")
		}
		if _, err := k.Bytes(); err != nil {
			return nil, errors.New("the EC key is no point of a curve that is known here")
		}
		switch k.Curve {
		case elliptic.P256():
			return []string{"ES256"}, nil
		case elliptic.P384():
			return []string{"ES384"}, nil
		case elliptic.P521():
			return []string{"ES512"}, nil
		default:
			return nil, fmt.Errorf("the curve %s has no JWS algorithm; use P-384 or P-256", k.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return nil, errors.New("the Ed25519 key has the wrong length")
		}
		return []string{"EdDSA"}, nil
	default:
		return nil, fmt.Errorf("a key of type %T cannot sign assertions; use RSA, ECDSA or Ed25519", pub)
	}
}

// chooseAlgorithm picks among what the key can do. Without an advertised list it prefers RS512: at Koppeltaal, clients that
// have registered a PEM can use no other.
func chooseAlgorithm(configured string, can, advertised []string) (string, error) {
	can = slices.DeleteFunc(slices.Clone(can), func(alg string) bool { _, ok := algorithms[alg]; return !ok })
	switch {
	case configured != "":
		if !slices.Contains(can, configured) {
			return "", fmt.Errorf("the key cannot do Config.Algorithm %q, only %s", configured, strings.Join(can, ", "))
		}
		return configured, nil
	case len(can) == 0:
		return "", errors.New("the signer offers no asymmetric JWS algorithm")
	case len(advertised) > 0:
		for _, alg := range append([]string{"RS384", "ES384"}, can...) { // SMART's own two first
			if slices.Contains(can, alg) && slices.Contains(advertised, alg) {
				return alg, nil
			}
		}
		return "", fmt.Errorf("the key can do %s, and the server accepts none of them: use another key, or name an algorithm in Config.Algorithm",
			strings.Join(can, ", "))
	case slices.Contains(can, "RS512"):
		return "RS512", nil
	default:
		return can[0], nil
	}
}

// snapshot returns the key that a Signer over several would use now.
func snapshot(s Signer) Signer {
	if ring, ok := s.(interface{ Current() Signer }); ok {
		return ring.Current()
	}
	return s
}

// isNilSigner also finds a nil pointer, such as a *jwks.Ring that was declared and not made.
func isNilSigner(s Signer) bool {
	v := reflect.ValueOf(s)
	return s == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

func checkSigner(s Signer, alg string) error {
	if isNilSigner(s) {
		return errors.New("Config.Signer is nil; make one with ParseKey or NewSigner")
	}
	now := snapshot(s)
	if isNilSigner(now) {
		return errors.New("Config.Signer has no current key")
	}
	if now.KeyID() == "" {
		return errors.New("Config.Signer has an empty key id; Koppeltaal and SMART require one (TOP-KT-020)")
	}
	if _, err := chooseAlgorithm(alg, now.Algorithms(), nil); err != nil {
		return fmt.Errorf("Config.Signer: %w", err)
	}
	return nil
}
