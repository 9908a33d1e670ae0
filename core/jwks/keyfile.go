package jwks

import (
	"fmt"
	"os"
	"runtime"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// ReadKeyFile is [ParseKey] for a file. If others than its owner may read it, that is no error: the [smartauth.Source] tells its
// Observer, by StateKeyExposed.
func ReadKeyFile(name, kid string) (smartauth.PublicSigner, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("jwks: ReadKeyFile: %w", err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("jwks: ReadKeyFile: %w", err)
	}
	key, err := parseKey(data, kid)
	if err != nil {
		return nil, fmt.Errorf("jwks: ReadKeyFile: %s: %w", name, err)
	}
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o044 == 0 { // Windows keeps it elsewhere
		return key, nil
	}
	return exposedKey{key, fmt.Errorf("others than its owner may read the key file %s (%v): chmod 600 %[1]s", name, info.Mode().Perm())}, nil
}

// exposedKey is a key with something to warn of, as [smartauth.Signer] describes it.
type exposedKey struct {
	smartauth.PublicSigner
	warning error
}

func (k exposedKey) Warning() error { return k.warning }
