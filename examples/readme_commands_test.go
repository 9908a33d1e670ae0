package examples_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/examples/internal/publickey"
	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

// The README and what runs before every change name the same command.
func TestReadmeTestCommand(t *testing.T) {
	ci, err := os.ReadFile(filepath.Join("..", ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^readme_test\(\) \{ (go test [^|&>]*?) 2>&1`).FindSubmatch(ci)
	if command == nil {
		t.Fatal("readme_test of .ci/run is not found")
	}
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(string(command[1])) + `( +#|$)`).MatchString(readme(t)) {
		t.Errorf("the README does not name %q", command[1])
	}
}

// The variables that the README names are those there are, and those it has the reader set can be used.
func TestReadmeVariables(t *testing.T) {
	text := readme(t)
	named := regexp.MustCompile(`\bSMART_[A-Z_]+\b`).FindAllString(text, -1)
	for _, name := range named {
		if !slices.Contains(smartenv.Names(), name) {
			t.Errorf("the README names %s, which is no variable", name)
		}
	}
	for _, name := range smartenv.Names() {
		if !slices.Contains(named, name) {
			t.Errorf("the README does not name %s", name)
		}
	}

	file := filepath.Join(t.TempDir(), "key.pem")
	writeKey(t, file)
	var environ []string
	for _, m := range regexp.MustCompile(`(?m)\bexport (SMART_\w+)=("[^"]*"|\S+)`).FindAllStringSubmatch(text, -1) {
		value := strings.Trim(m[2], `"`)
		if m[1] == smartenv.KeyFile && value == "key.pem" {
			value = file
		}
		environ = append(environ, m[1]+"="+value)
	}
	if len(environ) < 3 {
		t.Errorf("the README has the reader set only %v", environ)
	}
	if _, _, err := smartenv.Parse(environ); err != nil {
		t.Error(err)
	}
}

// The README's commands, each as it stands there and in its order, in a folder of their own.
func TestReadmeCommands(t *testing.T) {
	r := runner{dir: t.TempDir(), bin: t.TempDir()}
	lines := regexp.MustCompile("(?m)(?:^ *|`)((?:openssl|go run) [^`#\n]+)").FindAllStringSubmatch(readme(t), -1)
	if len(lines) < 5 {
		t.Errorf("only %d commands found in the README", len(lines))
	}
	for _, line := range lines {
		for command := range strings.SplitSeq(line[1], "&&") {
			command, file, redirected := strings.Cut(command, ">")
			out := r.run(t, strings.Fields(command))
			if redirected {
				if err := os.WriteFile(filepath.Join(r.dir, strings.TrimSpace(file)), out, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	private, err := publickey.Read(filepath.Join(r.dir, "key.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := os.ReadFile(filepath.Join(r.dir, "jwks.json"))
	if err != nil || !bytes.Contains(jwks, []byte(`"kid": "`+private.ID+`"`)) {
		t.Errorf("no JWKS of the key: %v, %s", err, jwks)
	}
}

// A runner runs commands of a shell, without a shell: not every machine with Go has one.
type runner struct{ dir, bin string }

func (r runner) run(t *testing.T, words []string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	switch {
	case words[0] == "chmod" && len(words) == 3:
		mode, err := strconv.ParseUint(words[1], 8, 32)
		if err == nil {
			err = os.Chmod(filepath.Join(r.dir, words[2]), os.FileMode(mode))
		}
		if err != nil {
			t.Errorf("%v: %v", words, err)
		}
		return nil
	case words[0] == "openssl" && cmd.Err != nil:
		return r.withoutOpenSSL(t, words)
	case words[0] == "go":
		build := exec.CommandContext(t.Context(), "go", "build", "-o", r.bin+string(filepath.Separator), words[2])
		build.Dir, build.Env = "..", append(os.Environ(), "GOWORK=") // as the reader is: in the workspace
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", words, err, out)
		}
		cmd = exec.CommandContext(t.Context(), filepath.Join(r.bin, filepath.Base(words[2])), words[3:]...)
		if words[2] == "./examples/sandbox" {
			cmd.Args = append(cmd.Args, "-addr", "127.0.0.1:0") // the usual port may be taken
			return r.rehearse(t, cmd)
		}
	}
	return r.output(t, cmd)
}

func (r runner) output(t *testing.T, cmd *exec.Cmd, environ ...string) []byte {
	t.Helper()
	cmd.Dir = r.dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "SMART_") })
	cmd.Env = append(cmd.Env, environ...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v: %v\n%s%s", cmd.Args, err, out, &errOut)
	}
	return out
}

// rehearse runs the quickstart with the variables that the sandbox prints.
func (r runner) rehearse(t *testing.T, sandbox *exec.Cmd) []byte {
	t.Helper()
	sandbox.Dir, sandbox.Stderr = r.dir, os.Stderr
	out, err := sandbox.StdoutPipe()
	if err == nil {
		err = sandbox.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = sandbox.Process.Kill()
		_ = sandbox.Wait()
	}()
	var environ []string
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.HasPrefix(lines.Text(), "Enter"); {
		if assignment, ok := strings.CutPrefix(lines.Text(), "export "); ok {
			environ = append(environ, assignment)
		}
	}
	got := r.output(t, exec.CommandContext(t.Context(), filepath.Join(r.bin, "quickstart")), environ...)
	if !bytes.Contains(got, []byte("granted scope: system/")) {
		t.Errorf("%v, with %v the quickstart said:\n%s", sandbox.Args, environ, got)
	}
	return nil
}

// withoutOpenSSL does what the README has openssl do; it needs to say so where everything has to be run.
func (r runner) withoutOpenSSL(t *testing.T, words []string) []byte {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("openssl is not installed, and the README's commands are to be run as they stand")
	}
	if command := strings.Join(words, " "); command != "openssl pkey -in key.pem -pubout" {
		t.Errorf("without openssl this cannot be run: %s", command)
	}
	return nil
}

func writeKey(t *testing.T, file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
