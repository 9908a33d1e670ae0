package smartauth_test

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
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// Whoever verifies an assertion need not have our libraries.
func TestAssertionsOfEveryAlgorithm(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var done []string
	for _, key := range []crypto.Signer{rsa2048(), newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEC(t, elliptic.P521()), ed} {
		signer, err := smartauth.NewSigner(key, "k1")
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range signer.Algorithms() {
			done = append(done, alg)
			src, err := smartauth.New(smartauth.Config{BaseURL: "https://fhir.example.nl/fhir", ClientID: "app", Signer: signer,
				TokenURL: "https://auth.example.nl/token", Algorithm: alg})
			if err != nil {
				t.Fatal(err)
			}
			assertion, err := src.Assertion(t.Context(), "https://auth.example.nl/token")
			if err != nil {
				t.Fatal(err)
			}
			jws, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(key.Public()); err != nil {
				t.Errorf("%s: go-jose: %v", alg, err)
			}
			if jws.Signatures[0].Header.KeyID != "k1" {
				t.Errorf("%s: header %+v", alg, jws.Signatures[0].Header)
			}
			_, err = jwt.Parse(assertion, func(*jwt.Token) (any, error) { return key.Public(), nil }, jwt.WithValidMethods([]string{alg}),
				jwt.WithAudience("https://auth.example.nl/token"), jwt.WithIssuer("app"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			if err != nil {
				t.Errorf("%s: golang-jwt: %v", alg, err)
			}
		}
	}
	if len(done) != 10 {
		t.Errorf("tried %v", done)
	}
}

func TestRemoteSigner(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type trace struct{}
	ctx := context.WithValue(t.Context(), trace{}, "here")
	for _, key := range []crypto.Signer{rsa2048(), newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEC(t, elliptic.P521()), ed} {
		signer, err := smartauth.NewRemoteSigner(key.Public(), "", func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			if ctx.Value(trace{}) != "here" {
				t.Error("the context is another")
			}
			if pss, ok := opts.(*rsa.PSSOptions); ok && pss.SaltLength != rsa.PSSSaltLengthEqualsHash {
				t.Errorf("the salt is of length %d", pss.SaltLength) // RFC 7518 section 3.5
			}
			if h := opts.HashFunc(); h != 0 && len(digest) != h.Size() {
				t.Errorf("%d bytes to sign with %v", len(digest), h)
			}
			return key.Sign(rand.Reader, digest, opts)
		})
		if err != nil {
			t.Fatal(err)
		}
		if thumbprint, _ := smartauth.Thumbprint(key.Public()); signer.KeyID() != thumbprint {
			t.Errorf("kid %q", signer.KeyID())
		}
		for _, alg := range signer.Algorithms() {
			sig, err := signer.Sign(ctx, alg, []byte("input"))
			if err != nil {
				t.Fatal(err)
			}
			if err := jwt.GetSigningMethod(alg).Verify("input", sig, key.Public()); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
	}
}

// What a remote signer answers is looked at before it is sent.
func TestRemoteSignerAnswersWrongly(t *testing.T) {
	key := newEC(t, elliptic.P256())
	fixed := func(r, s int64) smartauth.SignFunc {
		return func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) {
			return asn1.Marshal(struct{ R, S *big.Int }{big.NewInt(r), big.NewInt(s)})
		}
	}
	for _, c := range []struct {
		name string
		sign smartauth.SignFunc
		want string
	}{
		{"raw in place of ASN.1", func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) { return make([]byte, 64), nil }, "no ASN.1"},
		{"nothing", func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }, "no ASN.1"},
		{"another curve's", func(_ context.Context, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
			return ecdsa.SignASN1(rand.Reader, newEC(t, elliptic.P521()), digest)
		}, "does not fit its curve"},
		{"R of zero", fixed(0, 1), "does not fit its curve"},
		{"S of zero", fixed(1, 0), "does not fit its curve"},
		{"a negative R", fixed(-1, 1), "does not fit its curve"},
		{"a negative S", fixed(1, -1), "does not fit its curve"},
		{"an error", func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) {
			return nil, errors.New("kms: throttled")
		}, "kms: throttled"},
	} {
		signer, err := smartauth.NewRemoteSigner(key.Public(), "k", c.sign)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signer.Sign(t.Context(), "ES256", []byte("x")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one about %q", c.name, err, c.want)
		}
	}
}

func TestKeysThatCannotSign(t *testing.T) {
	nobody := func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errors.ErrUnsupported }
	weak, p384 := rsa2048().PublicKey, newEC(t, elliptic.P384())
	weak.N = new(big.Int).Rsh(weak.N, 1)
	for name, key := range map[string]crypto.PublicKey{
		"nil": nil, "nil RSA": (*rsa.PublicKey)(nil), "empty RSA": &rsa.PublicKey{}, "RSA-2047": &weak,
		"RSA by value": rsa2048().PublicKey, "RSA with exponent 1": &rsa.PublicKey{N: rsa2048().N, E: 1},
		"nil EC": (*ecdsa.PublicKey)(nil), "empty EC": &ecdsa.PublicKey{}, "P-224": newEC(t, elliptic.P224()).Public(),
		"of another curve": &ecdsa.PublicKey{Curve: elliptic.P256(), X: p384.X, Y: p384.Y}, //nolint:staticcheck // made wrong on purpose
		"empty Ed25519":    ed25519.PublicKey{}, "private": rsa2048(), "symmetric": []byte("secret"), "text": "secret",
	} {
		if _, err := smartauth.NewRemoteSigner(key, "k", nobody); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range map[string]crypto.Signer{
		"nil": nil, "nil RSA": (*rsa.PrivateKey)(nil), "nil EC": (*ecdsa.PrivateKey)(nil), "empty Ed25519": ed25519.PrivateKey{},
	} {
		if _, err := smartauth.NewSigner(key, "k"); err == nil {
			t.Errorf("NewSigner: %s was accepted", name)
		}
	}
	if _, err := smartauth.NewRemoteSigner(rsa2048().Public(), "k", nil); err == nil {
		t.Error("no SignFunc was accepted")
	}
}

// A KMS that is slow or fails shows as a sign phase that does, of a limit of its own, and heals.
func TestSlowRemoteSigner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newEC(t, elliptic.P384())
		var answer atomic.Pointer[func(ctx context.Context) error]
		signer, err := smartauth.NewRemoteSigner(key.Public(), "kms", func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			if err := (*answer.Load())(ctx); err != nil {
				return nil, err
			}
			return key.Sign(rand.Reader, digest, opts)
		})
		if err != nil {
			t.Fatal(err)
		}
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Signer, c.Observer = signer, o })
		srv.RegisterPEM(src.ClientID(), key.Public())

		for _, c := range []struct {
			name   string
			answer func(context.Context) error
			within time.Duration
			cause  error
		}{
			{"heeds its context", func(ctx context.Context) error {
				if end, ok := ctx.Deadline(); !ok || time.Until(end) != 10*time.Second {
					t.Errorf("deadline %v", end)
				}
				<-ctx.Done()
				return ctx.Err()
			}, 10 * time.Second, context.DeadlineExceeded},
			{"heeds nothing", func(context.Context) error { time.Sleep(time.Minute); return nil }, 10 * time.Second, context.DeadlineExceeded},
			{"fails", func(context.Context) error { return errThrottled }, 0, errThrottled},
		} {
			answer.Store(&c.answer)
			before, begin := len(o.ends), time.Now()
			_, err := src.Assertion(t.Context(), srv.TokenURL())
			var e *smartauth.Error
			if !errors.As(err, &e) || e.Phase != smartauth.PhaseSign || e.Kind != smartauth.Temporary || !errors.Is(err, c.cause) || time.Since(begin) != c.within {
				t.Errorf("%s: %v after %v", c.name, err, time.Since(begin))
			}
			ended := slices.DeleteFunc(slices.Clone(o.ends[before:]), func(e end) bool { return e.Phase != smartauth.PhaseSign })
			if len(ended) != 1 || !errors.Is(ended[0].Err, c.cause) {
				t.Errorf("%s: observed %+v", c.name, ended)
			}
		}
		inTime := func(context.Context) error { time.Sleep(9 * time.Second); return nil }
		answer.Store(&inTime)
		if _, err := src.Assertion(t.Context(), srv.TokenURL()); err != nil {
			t.Errorf("9 s are slow, but in time: %v", err)
		}
		time.Sleep(time.Minute) // for what was abandoned
	})
}

var errThrottled = errors.New("kms: throttled")
