package doctor_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// frozenSigner is a KMS that does not answer.
type frozenSigner struct{ smartauth.PublicSigner }

func (frozenSigner) Sign(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// liar signs what is not what it is given.
type liar struct{ smartauth.PublicSigner }

func (l liar) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	return l.PublicSigner.Sign(ctx, alg, append(input, 'x'))
}

// secretive does not show its public key.
type secretive struct{ smartauth.Signer }

// long returns a signer that has the public half of an RSA key of 4096 bits only, as making one takes seconds.
func long(t *testing.T) smartauth.Signer {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), 4095)
	signer, err := smartauth.NewRemoteSigner(&rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}, "2026-a",
		func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) {
			return nil, errors.New("there is no private half")
		})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestKey(t *testing.T) {
	fromFile := func(data []byte) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) { p.Config.Signer, p.KeyFile = nil, writeFile(t, data) }
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"read from the file", func(_ *testing.T, p *patient) { p.Config.Signer = nil }, []string{"ok key|EC P-384", "ok read"}},
		{"no file", func(t *testing.T, p *patient) {
			p.Config.Signer, p.KeyFile = nil, filepath.Join(t.TempDir(), "key.pem")
		},
			[]string{"ok discovery", "fail key|there is no file|go run ./examples/keys gen", "fail key file", "ok JWKS answer", "skip JWKS key|key failed", "skip token|key failed"}},
		{"none at all", func(_ *testing.T, p *patient) { p.Config.Signer, p.KeyFile = nil, "" }, []string{"fail key|there is none", "skip key file"}},
		{"not PEM", fromFile([]byte("marker")), []string{"fail key|no PEM block found"}},
		{"too short", fromFile(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(weak)})),
			[]string{"fail key|1024 bits"}},
		{"RSA-4096, and no JWKS URL", func(t *testing.T, p *patient) {
			p.Config.Signer, p.KeyFile, p.Options.JWKSURL = long(t), "", ""
		}, []string{"warn key|RSA of 4096 bits|799 characters, and domain admin keeps 512|register a JWKS URL", "fail algorithm|no private half", "skip token|algorithm failed"}},
		{"RSA-4096, with a JWKS URL", func(t *testing.T, p *patient) { p.Config.Signer, p.KeyFile = long(t), "" },
			[]string{"ok key|domain admin keeps 512", `fail JWKS key|kid "2026-a" is not in it`, "fail algorithm", "skip token"}},
		{"that does not show itself", func(_ *testing.T, p *patient) { p.Config.Signer = secretive{p.Config.Signer} },
			[]string{"warn key|does not show its public key", "warn JWKS key|it holds our kid", "ok token"}},
		{"a KMS that signs with another", func(_ *testing.T, p *patient) { p.Config.Signer = liar{p.Config.Signer.(smartauth.PublicSigner)} },
			[]string{"fail algorithm|another key than the public one that it shows", "fail token|- mend what failed above: algorithm"}},
		{"a key file for all", func(t *testing.T, p *patient) {
			if runtime.GOOS == "windows" {
				t.Skip("Windows keeps it elsewhere")
			}
			if err := os.Chmod(p.KeyFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"warn key file|mode 0644|chmod 600"}},
		{"a key file for a group", func(t *testing.T, p *patient) {
			if runtime.GOOS == "windows" {
				t.Skip("Windows keeps it elsewhere")
			}
			if err := os.Chmod(p.KeyFile, 0o640); err != nil {
				t.Fatal(err)
			}
		}, []string{"warn key file|mode 0640|chmod 600"}},
		{"a folder for a key file", func(_ *testing.T, p *patient) { p.KeyFile = filepath.Dir(p.KeyFile) },
			[]string{"warn key file|is a folder|Options.KeyFile", "ok token"}},
		{"a key file that is gone", func(_ *testing.T, p *patient) { p.KeyFile += ".old" }, []string{"fail key file|no such file", "ok token"}},
		{"a key file that is gone, and not approved", func(_ *testing.T, p *patient) { p.KeyFile += ".old"; p.SetApproved(clientID, false) },
			[]string{"fail key file", "fail token|nor the algorithm for a JWKS\n      - the client has no status Approved"}},
		{"encrypted", fromFile([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAwAA==\n-----END ENCRYPTED PRIVATE KEY-----\n")),
			[]string{"fail key|is encrypted with a passphrase|- decrypt it: openssl pkey -in |- or, in code|smartauth.ReadKeyFile"}},
		{"encrypted in the old way", fromFile([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAAwAA==\n-----END RSA PRIVATE KEY-----\n")),
			[]string{"fail key|is encrypted with a passphrase"}},
		{"that does not show itself, and another is published", func(t *testing.T, p *patient) {
			set, err := jwks.Marshal(jwks.KeyOf(signerOf(t, newKey(t, elliptic.P384()), p.key.KeyID)))
			if err != nil {
				t.Fatal(err)
			}
			p.serveText(string(set))
			p.Config.Signer = secretive{p.Config.Signer}
		}, []string{"warn key", "warn JWKS key", "fail token|not a used jti, nor the clock, nor the algorithm|- the key that is published with kid"}},
	})
}

// A ring is looked at by the key that signs now.
func TestRing(t *testing.T) {
	p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
	ring, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(filepath.Dir(p.KeyFile), nil)})
	if err != nil {
		t.Fatal(err)
	}
	p.Config.Signer = ring
	p.serve(jwks.Handler(ring, ring.MaxAge()))
	must(t, diagnose(t, p), "ok key", "ok JWKS key", "ok read")
}

// What the server takes, and what not.
func TestAlgorithm(t *testing.T) {
	force := func(alg string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.Config.Algorithm = alg }
	}
	refused := func(alg string) trial {
		return trial{alg, force(alg), []string{"warn algorithm|" + alg + "|takes RS384, ES384, RS512 only|set Config.Algorithm to RS512",
			"fail token|401|nor the published key|- the server does not take " + alg + "|!nor the algorithm"}}
	}
	run(t, smarttest.Options{}, smarttest.ClientOptions{RSA: true}, []trial{
		{"RS384", force("RS384"), []string{"ok algorithm|clients with a JWKS URL", "ok read"}},
		{"RS512", force("RS512"), []string{"ok algorithm|of every client", "ok read"}},
		{"RS512, and not approved", func(_ *testing.T, p *patient) { p.Config.Algorithm = "RS512"; p.SetApproved(clientID, false) },
			[]string{"fail token|nor the algorithm\n|- the client has no status|!the server does not take|!a PEM is registered"}},
		refused("RS256"), refused("PS256"), refused("PS384"), refused("PS512"),
	})
	run(t, smarttest.Options{}, smarttest.ClientOptions{Key: newKey(t, elliptic.P256())}, []trial{
		{"ES256", force(""), []string{"warn algorithm|ES256|make another key", "fail token|- the server does not take ES256"}},
	})
	run(t, smarttest.Options{}, smarttest.ClientOptions{PEM: true}, []trial{
		{"PEM, RS512", force("RS512"), []string{"ok token"}},
		{"PEM, RS384", force("RS384"), []string{"ok algorithm", "fail token|- a PEM is registered"}},
		{"PEM, RS256", force("RS256"), []string{"warn algorithm", "fail token|- a PEM is registered"}},
		{"PEM, PS512", force("PS512"), []string{"warn algorithm", "fail token|- a PEM is registered"}},
	})
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"PEM, ES384", func(_ *testing.T, p *patient) { p.RegisterPEM(clientID, p.key.PublicKey) },
			[]string{"ok algorithm|ES384", "fail token|- a PEM is registered|which this key cannot do|!or register the URL"}},
	})
	run(t, smarttest.Options{Profile: smarttest.SMART}, smarttest.ClientOptions{RSA: true}, []trial{
		{"advertised", force(""), []string{"ok algorithm|RS384, which the server says it takes"}},
		{"not advertised", force("RS512"), []string{"fail algorithm|RS512, and the server says that it takes RS384, ES384|leave Config.Algorithm empty",
			"fail token|invalid_client|- mend what failed above: algorithm|!the server does not take"}},
		{"not advertised, and pinned", func(_ *testing.T, p *patient) { p.Config.TokenURL = p.TokenURL() },
			[]string{"fail algorithm|RS512, and the server says that it takes RS384, ES384|- set Config.Algorithm to RS384", "fail token|invalid_client"}},
		{"nothing advertised", func(_ *testing.T, p *patient) { advertise(p) },
			[]string{"fail token|not a used jti, nor the clock, nor the published key\n|- the server does not take RS512|set Config.Algorithm to RS384|- the client has no"}},
	})
	run(t, smarttest.Options{}, smarttest.ClientOptions{RSA: true}, []trial{
		{"not advertised, and taken", func(_ *testing.T, p *patient) { p.Config.Algorithm = "RS512"; advertise(p, "RS384", "ES384") },
			[]string{"warn algorithm|it has taken this one all the same", "ok token"}},
		{"none that the key can do", func(_ *testing.T, p *patient) { p.Config.Algorithm = "RS512"; advertise(p, "ES384") },
			[]string{"warn algorithm|RS512|- make another key", "ok token"}},
	})
}

// advertise has the server list algorithms, or say nothing of them.
func advertise(p *patient, algs ...string) {
	p.SetDiscovery(func(doc map[string]any) {
		if doc["token_endpoint_auth_signing_alg_values_supported"] = algs; len(algs) == 0 {
			delete(doc, "token_endpoint_auth_signing_alg_values_supported")
		}
	})
}
