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
	"github.com/smartauth-go/smartauth/internal/bounded"
	"github.com/smartauth-go/smartauth/internal/clean"
)

// pemColumn is how many characters of a PEM Koppeltaal's domain admin keeps.
const pemColumn = 512

// ourKey is what is known of the key that signs.
type ourKey struct {
	kind   string // of its Signer
	id     string
	algs   []string
	public crypto.PublicKey // nil if the Signer does not tell
}

// look asks a Signer about its key, which may be in a KMS that does not answer.
func look(ctx context.Context, s smartauth.Signer) (ourKey, error) {
	return bounded.Do(ctx, "Signer", 0, func() (ourKey, error) {
		now := current(s)
		if now == nil {
			return ourKey{}, errors.New("Config.Signer has no current key")
		}
		k := ourKey{kind: fmt.Sprintf("%T", now), id: now.KeyID(), algs: now.Algorithms()}
		if p, ok := now.(smartauth.PublicSigner); ok {
			k.public = p.Public()
		}
		return k, nil
	})
}

func (d *doctor) key(ctx context.Context) Check {
	if d.signing != nil {
		if d.encrypted() {
			return red(d.KeyFile+" is encrypted with a passphrase, which this check does not have",
				"decrypt it: openssl pkey -in "+d.KeyFile+" -out plain.pem, and chmod 600 plain.pem",
				"or, in code, make a Signer of it: smartauth.ReadKeyFile takes the passphrase")
		}
		if errors.Is(d.signing, fs.ErrNotExist) {
			return red("there is no file "+d.KeyFile, "make a key: go run ./examples/keys gen "+d.KeyFile)
		}
		return red(strings.TrimPrefix(d.signing.Error(), "smartauth: ReadKeyFile: "))
	}
	ours, err := look(ctx, d.Config.Signer)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return red(errFrozen.Error())
	case err != nil:
		return red(err.Error())
	}
	d.ours = ours
	d.report.KeyID = clean.Value(ours.id, 128)
	if ours.public == nil {
		return yellow(fmt.Sprintf("kid %q; a %s does not show its public key", d.report.KeyID, ours.kind),
			"give it a method Public, as a smartauth.PublicSigner has, and it can be compared with the JWKS")
	}
	d.report.Key = describe(ours.public)
	found := fmt.Sprintf("%s, kid %q", d.report.Key, d.report.KeyID)
	if length := pemLength(ours.public); length > pemColumn {
		found += fmt.Sprintf("; as a PEM it has %d characters, and domain admin keeps %d", length, pemColumn)
		if d.JWKSURL == "" {
			return yellow(found, "register a JWKS URL, or make an RSA key of 2048 bits")
		}
	}
	return green("%s", found)
}

var errFrozen = errors.New("Config.Signer did not answer in time")

// encrypted tells whether the key file has a key that is.
func (d *doctor) encrypted() bool {
	data, err := os.ReadFile(d.KeyFile)
	if err != nil {
		return false
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return true
		}
	}
	return false
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
	case info.IsDir():
		return yellow(d.KeyFile+" is a folder: who may read the keys in it was not looked at", "name the file of the key itself in Options.KeyFile")
	case runtime.GOOS == "windows":
		return skipped("not checked: Windows keeps elsewhere who may read it")
	case info.Mode().Perm()&0o077 != 0:
		return yellow(fmt.Sprintf("%s has mode %04o: others than its owner may get at it", d.KeyFile, info.Mode().Perm()), "chmod 600 "+d.KeyFile)
	}
	return green("%s, mode %04o", d.KeyFile, info.Mode().Perm())
}
