package keyfile

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ path, want string }{
		{write("empty", 0), ""},
		{write("most", 1<<20), ""},
		{write("more", 1<<20+1), "more than 1048576 bytes"},
		{dir, "is a directory"},
		{filepath.Join(dir, "none"), "no such file"},
	} {
		data, info, err := Read(c.path)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) || data != nil {
				t.Errorf("%s: %d bytes, %v", c.path, len(data), err)
			}
		} else if err != nil || int64(len(data)) != info.Size() {
			t.Errorf("%s: %d bytes, %v", c.path, len(data), err)
		}
	}
}

func TestExposed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("keeps it elsewhere")
	}
	for mode, want := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o622: false, 0o640: true, 0o604: true, 0o644: true} {
		if err := Exposed("x", mode); (err != nil) != want {
			t.Errorf("%v: %v", mode, err)
		}
	}
}
