//go:build unix

package keyfile

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Nobody writes to it, and an ordinary open would wait for ever.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no FIFO:", err)
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := Read(path)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
}
