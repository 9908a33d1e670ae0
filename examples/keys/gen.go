package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

// A keyType is a kind of key that gen makes.
type keyType struct {
	name, note string
	make       func() (crypto.Signer, error)
}

var keyTypes = []keyType{
	{"rsa-2048", "RS384, or RS512 at Koppeltaal", rsaKey(2048)},
	{"rsa-3072", "RS384, or RS512 at Koppeltaal", rsaKey(3072)},
	{"rsa-4096", "RS384, or RS512 at Koppeltaal; too long for a PEM in its domain admin", rsaKey(4096)},
	{"p256", "ES256, which neither SMART nor Koppeltaal asks servers to know", ecKey(elliptic.P256())},
	{"p384", "ES384", ecKey(elliptic.P384())},
}

func rsaKey(bits int) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, bits) }
}

func ecKey(curve elliptic.Curve) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) }
}

// gen makes a key file, and prints what its server must know.
func gen(args []string, out, errOut io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the usage
	name := flags.String("type", keyTypes[0].name, "")
	kid := flags.String("kid", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w\n%w", err, errUsage)
	case flags.NArg() != 1:
		return errUsage
	}
	i := slices.IndexFunc(keyTypes, func(t keyType) bool { return t.name == strings.ToLower(*name) })
	if i < 0 {
		return fmt.Errorf("there is no type %q\n%w", *name, errUsage)
	}
	file := flags.Arg(0)
	if _, err := os.Lstat(file); err == nil { // before the seconds that a long key takes
		return taken(file)
	}
	key, err := keyTypes[i].make()
	if err != nil {
		return err
	}
	signer, err := smartauth.NewSigner(key, *kid)
	if err != nil {
		return err
	}
	if err := writeKey(file, key); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(errOut, "%s: a new %s key, for %s\n", file, keyTypes[i].name, keyTypes[i].note)
	return describe(out, signer, *kid != "")
}

// describe prints the public half of a key in the forms that a registration may ask for.
func describe(out io.Writer, signer smartauth.PublicSigner, named bool) error {
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return err
	}
	set, err := indented(jwks.KeyOf(signer))
	if err != nil {
		return err
	}
	origin := "the key's RFC 7638 thumbprint"
	if named {
		origin = "is not in the file: keep it, for SMART_KEY_ID"
	}
	_, err = fmt.Fprintf(out, "kid: %s\n     (%s)\n\nThe JWKS to publish:\n%s\n\nFor a server that takes a PEM:\n%s",
		signer.KeyID(), origin, set, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return err
}

func taken(file string) error {
	return fmt.Errorf("%s is there already, and stays as it is: choose another name, or move it away", file)
}

// writeKey writes a key to a file that is not there yet. It is written under a name that a ring takes no notice of, so that
// nobody reads half a key.
func writeKey(file string, key crypto.Signer) (err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".key-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	err = link(f.Name(), file) // a rename would overwrite
	if errors.Is(err, fs.ErrExist) {
		return taken(file)
	}
	if err == nil {
		return nil
	}
	// Some file systems have no links. Whoever makes the name may replace what is there, and that is nothing.
	own, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return taken(file)
	}
	if err != nil {
		return err
	}
	if err = own.Close(); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(file)
	}
	return err
}

var link = os.Link // another in tests
