package jwks

import (
	"fmt"
	"io/fs"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/internal/keyfile"
)

// ReadKeyFile is [ParseKey] for a file. If others than its owner may read it, that is no error: the [smartauth.Source] tells its
// Observer, by StateKeyExposed.
func ReadKeyFile(name, kid string) (smartauth.PublicSigner, error) {
	data, info, err := keyfile.Read(name)
	if err != nil {
		return nil, fmt.Errorf("jwks: ReadKeyFile: %w", err)
	}
	key, err := parseKey(data, kid)
	if err != nil {
		return nil, fmt.Errorf("jwks: ReadKeyFile: %s: %w", name, err)
	}
	return watched(key, name, info.Mode()), nil
}

// watched returns key, with a warning if others may read its file.
func watched(key smartauth.PublicSigner, name string, mode fs.FileMode) smartauth.PublicSigner {
	if warning := keyfile.Exposed(name, mode); warning != nil {
		return exposedKey{key, warning}
	}
	return key
}

// exposedKey is a key with something to warn of, as [smartauth.Signer] describes it.
type exposedKey struct {
	smartauth.PublicSigner
	warning error
}

func (k exposedKey) Warning() error { return k.warning }
