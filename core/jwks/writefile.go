package jwks

import (
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile writes the JWKS of keys to a file, for a web server that serves static files. Whoever reads the file meanwhile sees
// the old one or the new one, nothing in between.
func WriteFile(name string, keys ...Key) (err error) {
	body, err := Marshal(keys...)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("jwks: %w", err)
		}
	}()
	_, err = f.Write(append(body, '\n'))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}
