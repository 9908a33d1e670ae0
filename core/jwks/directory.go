package jwks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// compromisedSuffix is that of the file that withdraws a key.
const compromisedSuffix = ".compromised"

// stampLayout is the UTC time that the name of a key file may begin with.
const stampLayout = "20060102T150405Z"

// Directory returns a [RingConfig.Load] that reads the key files of a directory: name.pem, as [smartauth.ReadKeyFile] does with
// the passphrase, and name.json, as [ReadKeyFile] does. Other files, and those that begin with a dot, do not count. The key id is
// the JWK's own or the RFC 7638 thumbprint. A file name.pem.compromised, empty or not, withdraws name.pem at once. A file that
// cannot be read is an error, and its key stays as it was when it last could; the others count.
//
// A key was published when its file's name says, if that begins with a UTC time such as 20261125T120000Z, and otherwise when
// the file was last changed. Write a file under another name, give it the time of now (touch) and rename it, and all that read
// the directory agree. One with a time from before the key that signs is not used. Where file times are not kept, as in the mounted secrets of Kubernetes, which have the time of each
// container's start, the names have to tell.
func Directory(dir string, passphrase []byte) func() ([]RingKey, error) {
	d := &directory{path: dir, passphrase: slices.Clone(passphrase), files: make(map[string]keyFile)}
	return d.load
}

type directory struct {
	path       string
	passphrase []byte

	mu    sync.Mutex
	files map[string]keyFile // those that could be read, by name: unlocking a key may take a second
}

type keyFile struct {
	size    int64
	mode    fs.FileMode
	changed time.Time
	key     RingKey
}

func (d *directory) load() ([]RingKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("jwks: Directory: %w", err)
	}
	names := make(map[string]bool)
	for _, e := range entries {
		names[e.Name()] = true
	}
	keys := []RingKey{}
	var errs []error
	for _, e := range entries { // by name
		name := e.Name()
		if ext := filepath.Ext(name); strings.HasPrefix(name, ".") || ext != ".pem" && ext != ".json" {
			continue
		}
		compromised := names[name+compromisedSuffix]
		err := d.read(name)
		if errors.Is(err, fs.ErrNotExist) && !exists(filepath.Join(d.path, name)) {
			continue // removed since
		}
		if err != nil && !compromised {
			errs = append(errs, fmt.Errorf("jwks: Directory: %w", err))
		}
		if f, ok := d.files[name]; ok {
			f.key.Compromised = compromised
			keys = append(keys, f.key)
		}
	}
	for name := range d.files {
		if !names[name] {
			delete(d.files, name)
		}
	}
	return keys, errors.Join(errs...)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// read brings d.files[name] up to date.
func (d *directory) read(name string) error {
	path := filepath.Join(d.path, name)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f := keyFile{size: info.Size(), mode: info.Mode(), changed: info.ModTime()}
	if old := d.files[name]; old.size == f.size && old.mode == f.mode && old.changed.Equal(f.changed) {
		return nil
	}
	var signer smartauth.PublicSigner
	if filepath.Ext(name) == ".json" {
		signer, err = ReadKeyFile(path, "")
	} else {
		signer, err = smartauth.ReadKeyFile(path, d.passphrase, "")
	}
	if err != nil {
		return err
	}
	f.key = RingKey{Signer: signer, Published: f.changed}
	if len(name) > len(stampLayout) {
		if t, err := time.Parse(stampLayout, name[:len(stampLayout)]); err == nil {
			f.key.Published = t
		}
	}
	d.files[name] = f
	return nil
}
