package smartauth

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// keyFileMost is far more than a key needs, and keeps a wrong name from filling the memory.
const keyFileMost = 1 << 20

// ReadKeyFile returns a Signer for the private key in a file: [ParseKey], or [ParseEncryptedKey] if passphrase is not empty. If
// others than its owner may read the file, that is no error: the [Source] tells its Observer, by StateKeyExposed.
func ReadKeyFile(name string, passphrase []byte, kid string) (PublicSigner, error) {
	data, mode, err := readFile(name)
	if err != nil {
		return nil, fmt.Errorf("smartauth: ReadKeyFile: %w", err)
	}
	if len(passphrase) == 0 {
		passphrase = nil
	}
	key, err := parseKey("ReadKeyFile: "+name, data, passphrase, kid)
	if err != nil || !exposed(mode) {
		return key, err
	}
	return exposedKey{key, fmt.Errorf("others than its owner may read the key file %s (%v): chmod 600 %[1]s", name, mode.Perm())}, nil
}

func readFile(name string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, keyFileMost))
	return data, info.Mode(), err
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
