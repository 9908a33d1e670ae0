package main

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The README's steps, with the sandbox in place of a server: a key, its registration, the variables, the quickstart. The
// programs are built and told of each other as a reader would do it.
func TestFromKeyToQuickstart(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "../keys", "../sandbox", "../quickstart").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, name), args...)
		cmd.Dir = dir
		cmd.WaitDelay = 10 * time.Second
		return cmd
	}
	if out, err := program("keys", "gen", "key.pem").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	sandbox := program("sandbox", "-key", "key.pem", "-client-id", "my-app", "-addr", "127.0.0.1:0")
	stdout, err := sandbox.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sandbox.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sandbox.Process.Kill()
		_ = sandbox.Wait()
	})
	quickstart := program("quickstart")
	quickstart.Env = []string{} // what the sandbox prints is all it needs
	for lines := bufio.NewScanner(stdout); lines.Scan() && !strings.HasPrefix(lines.Text(), "Enter"); {
		if assignment, ok := strings.CutPrefix(lines.Text(), "export "); ok {
			quickstart.Env = append(quickstart.Env, strings.ReplaceAll(assignment, "'", ""))
		}
	}
	out, err := quickstart.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "GET /fhir/DEFAULT/Patient?_count=1") {
		t.Errorf("%v\n%s", err, out)
	}
}
