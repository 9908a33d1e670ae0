package smartauth

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// ReadKeyFile returns a Signer for the private key in a file: [ParseKey], or [ParseEncryptedKey] if passphrase is not empty. If
// others than its owner may read the file, that is no error: the [Source] tells its Observer, by StateKeyExposed.
func ReadKeyFile(name string, passphrase []byte, kid string) (PublicSigner, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("smartauth: ReadKeyFile: %w", err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("smartauth: ReadKeyFile: %w", err)
	}
	if len(passphrase) == 0 {
		passphrase = nil
	}
	key, err := parseKey("ReadKeyFile: "+name, data, passphrase, kid)
	if err != nil || !exposed(info.Mode()) {
		return key, err
	}
	return exposedKey{key, fmt.Errorf("others than its owner may read the key file %s (%v): chmod 600 %[1]s", name, info.Mode().Perm())}, nil
}

// exposed tells whether others may read; Windows keeps that elsewhere.
func exposed(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode.Perm()&0o044 != 0 }

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
