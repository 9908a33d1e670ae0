package doctor

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// pemColumn is how many characters of a PEM Koppeltaal's domain admin keeps.
const pemColumn = 512

func (d *doctor) key(context.Context) Check {
	if d.signing != nil {
		if errors.Is(d.signing, fs.ErrNotExist) {
			return red("there is no file "+d.KeyFile, "make a key: go run ./examples/keys gen "+d.KeyFile)
		}
		return red(strings.TrimPrefix(d.signing.Error(), "smartauth: ReadKeyFile: "))
	}
	signer := current(d.Config.Signer)
	if signer == nil {
		return red("Config.Signer has no current key")
	}
	d.report.KeyID = printable(signer.KeyID(), 128)
	public, ok := signer.(smartauth.PublicSigner)
	if !ok {
		return yellow(fmt.Sprintf("kid %q; a %T does not show its public key", d.report.KeyID, signer),
			"give it a method Public, as a smartauth.PublicSigner has, and it can be compared with the JWKS")
	}
	d.public = public.Public()
	d.report.Key = describe(d.public)
	found := fmt.Sprintf("%s, kid %q", d.report.Key, d.report.KeyID)
	if length := pemLength(d.public); length > pemColumn {
		found += fmt.Sprintf("; as a PEM it has %d characters, and domain admin keeps %d", length, pemColumn)
		if d.JWKSURL == "" {
			return yellow(found, "register a JWKS URL, or make an RSA key of 2048 bits")
		}
	}
	return green("%s", found)
}

// current returns the key that a Signer over several uses now.
func current(s smartauth.Signer) smartauth.Signer {
	if ring, ok := s.(interface{ Current() smartauth.Signer }); ok {
		return ring.Current()
	}
	return s
}

func describe(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA of %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return fmt.Sprintf("%T", public)
	}
}

func pemLength(public crypto.PublicKey) int {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return 0
	}
	return len(strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))))
}

func (d *doctor) keyFile(context.Context) Check {
	if d.KeyFile == "" {
		return skipped("not checked: there is no Options.KeyFile")
	}
	info, err := os.Stat(d.KeyFile)
	switch {
	case err != nil:
		return red("the file cannot be looked at: " + err.Error())
	case runtime.GOOS == "windows":
		return skipped("not checked: Windows keeps elsewhere who may read it")
	case info.Mode().Perm()&0o077 != 0:
		return yellow(fmt.Sprintf("%s has mode %04o: others than its owner may get at it", d.KeyFile, info.Mode().Perm()), "chmod 600 "+d.KeyFile)
	}
	return green("%s, mode %04o", d.KeyFile, info.Mode().Perm())
}
