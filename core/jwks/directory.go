package jwks

import (
	"crypto/sha256"
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
	"github.com/smartauth-go/smartauth/internal/keyfile"
)

// compromisedSuffix is that of the file that withdraws a key.
const compromisedSuffix = ".compromised"

// stampLayout is the UTC time that the name of a key file may begin with.
const stampLayout = "20060102T150405Z"

// Directory returns a [RingConfig.Load] that reads the key files of a directory: name.pem, as [smartauth.ReadKeyFile] does with
// the passphrase, and name.json, as [ReadKeyFile] does. Other files, and those that begin with a dot, do not count. The key id is
// the JWK's own or the RFC 7638 thumbprint. A file name.pem.compromised or name.compromised, empty or not, withdraws name.pem at
// once; one beside which there is no such key is told to OnError. A file that cannot be read is an error, and its key stays as it
// was when it last could; the others count.
//
// A key was published when its file's name says, if that begins with a UTC time such as 20261125T120000Z, and otherwise when
// the file was last changed. Write a file under another name, give it the time of now (touch) and rename it, and all that read
// the directory agree. Where file times are not kept, as in the mounted secrets of Kubernetes, which have the time of each
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
	sum  [sha256.Size]byte
	mode fs.FileMode
	key  RingKey
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
	stems := make(map[string]bool) // what a file that withdraws may be named for
	var errs []error
	for _, e := range entries { // by name
		name := e.Name()
		stem, ok := keyStem(name)
		if !ok {
			continue
		}
		stems[name], stems[stem] = true, true
		compromised := names[name+compromisedSuffix] || names[stem+compromisedSuffix]
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
	if len(errs) > 0 {
		return keys, errors.Join(errs...)
	}
	return keys, withdrawsNothing(entries, stems)
}

// keyStem returns the name of a key file without its extension, and false for any other file.
func keyStem(name string) (string, bool) {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext), !strings.HasPrefix(name, ".") && (ext == ".pem" || ext == ".json")
}

// withdrawsNothing returns what to tell of files that look as if they withdrew a key: with a slip in the name, it signs on.
func withdrawsNothing(entries []fs.DirEntry, stems map[string]bool) error {
	var idle []string
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), compromisedSuffix); ok && !stems[stem] && !strings.HasPrefix(stem, ".") {
			idle = append(idle, e.Name())
		}
	}
	if idle == nil {
		return nil
	}
	return notice{fmt.Errorf("jwks: Directory: no key file is of the name that these withdraw: %s", strings.Join(idle, ", "))}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// read brings d.files[name] up to date. File times are too coarse to tell whether a file has changed.
func (d *directory) read(name string) error {
	path := filepath.Join(d.path, name)
	data, info, err := keyfile.Read(path)
	if err != nil {
		return err
	}
	f := keyFile{sum: sha256.Sum256(data), mode: info.Mode()}
	if old, ok := d.files[name]; ok && old.sum == f.sum && old.mode == f.mode {
		f = old
	} else if f.key.Signer, err = d.parse(name, data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	} else {
		f.key.Signer = watched(f.key.Signer, path, f.mode)
	}
	f.key.Published = info.ModTime()
	if len(name) > len(stampLayout) {
		if t, err := time.Parse(stampLayout, name[:len(stampLayout)]); err == nil {
			f.key.Published = t
		}
	}
	d.files[name] = f
	return nil
}

func (d *directory) parse(name string, data []byte) (smartauth.PublicSigner, error) {
	switch {
	case filepath.Ext(name) == ".json":
		return parseKey(data, "")
	case len(d.passphrase) == 0:
		return smartauth.ParseKey(data, "")
	default:
		return smartauth.ParseEncryptedKey(data, d.passphrase, "")
	}
}
