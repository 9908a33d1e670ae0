// Package keyfile reads the files that private keys are in.
package keyfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// most is far more than a key needs, and keeps a wrong name from filling the memory.
const most = 1 << 20

// Read returns what is in a regular file, with what the file was when it was read. A FIFO or a device is an error, and is not
// waited for: a directory of keys may be anybody's to put one in.
func Read(name string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("%s is a directory", name)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("%s has more than %d bytes, which no key has", name, most)
	}
	if err != nil {
		return nil, nil, err
	}
	return data, info, nil
}

// Exposed returns what to warn of if others than its owner may read the file, nil otherwise. Windows keeps that elsewhere.
func Exposed(name string, mode fs.FileMode) error {
	if runtime.GOOS == "windows" || mode.Perm()&0o044 == 0 {
		return nil
	}
	return fmt.Errorf("others than its owner may read the key file %s (%v): chmod 600 %[1]s", name, mode.Perm())
}
