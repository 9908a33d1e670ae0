package jwks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// compromisedSuffix is that of the file that withdraws a key.
const compromisedSuffix = ".compromised"

// Directory returns a [RingConfig.Load] that reads the key files of a directory: name.pem, as [smartauth.ReadKeyFile] does with
// the passphrase, and name.json, as [ParseKey] does. Other files, and those that begin with a dot, do not count. The key id is the
// JWK's own or the RFC 7638 thumbprint, and a key counts as published since its file was last changed: move a finished file into
// the directory, and all that read it agree. A file name.pem.compromised, empty or not, withdraws name.pem at once. The directory's
// other users should be none: a key file that others may read is told of as by ReadKeyFile.
func Directory(dir string, passphrase []byte) func() ([]RingKey, error) {
	return func() ([]RingKey, error) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("jwks: %w", err)
		}
		var keys []RingKey
		var errs []error
		for _, e := range entries {
			name := e.Name()
			if strings.HasPrefix(name, ".") || filepath.Ext(name) != ".pem" && filepath.Ext(name) != ".json" {
				continue
			}
			key, err := readKey(filepath.Join(dir, name), passphrase)
			if err != nil {
				errs = append(errs, fmt.Errorf("jwks: %s: %w", name, err))
				continue
			}
			keys = append(keys, key)
		}
		if len(errs) > 0 {
			return nil, errors.Join(errs...)
		}
		return keys, nil
	}
}

func readKey(path string, passphrase []byte) (RingKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return RingKey{}, err
	}
	var signer smartauth.PublicSigner
	if filepath.Ext(path) == ".json" {
		var data []byte
		if data, err = os.ReadFile(path); err == nil {
			signer, err = ParseKey(data, "")
		}
	} else {
		signer, err = smartauth.ReadKeyFile(path, passphrase, "")
	}
	if err != nil {
		return RingKey{}, err
	}
	_, err = os.Stat(path + compromisedSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return RingKey{}, err
	}
	return RingKey{Signer: signer, Published: info.ModTime(), Compromised: err == nil}, nil
}
