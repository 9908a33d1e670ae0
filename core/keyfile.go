package smartauth

import (
	"fmt"

	"github.com/smartauth-go/smartauth/internal/keyfile"
)

// ReadKeyFile returns a Signer for the private key in a file: [ParseKey], or [ParseEncryptedKey] if passphrase is not empty. If
// others than its owner may read the file, that is no error: the [Source] tells its Observer, by StateKeyExposed. One that is no
// regular file, or has more than 1 MiB, is an error.
func ReadKeyFile(name string, passphrase []byte, kid string) (PublicSigner, error) {
	data, info, err := keyfile.Read(name)
	if err != nil {
		return nil, fmt.Errorf("smartauth: ReadKeyFile: %w", err)
	}
	if len(passphrase) == 0 {
		passphrase = nil
	}
	key, err := parseKey("ReadKeyFile: "+name, data, passphrase, kid)
	if err != nil {
		return nil, err
	}
	if warning := keyfile.Exposed(name, info.Mode()); warning != nil {
		return exposedKey{key, warning}, nil
	}
	return key, nil
}

// exposedKey is a key with something to warn of.
type exposedKey struct {
	PublicSigner
	warning error
}

func (k exposedKey) Warning() error { return k.warning }

// warningOf returns what a Signer has to warn of, nil if nothing.
func warningOf(s Signer) error {
	if w, ok := s.(interface{ Warning() error }); ok {
		return w.Warning()
	}
	return nil
}
