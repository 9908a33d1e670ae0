package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// What docs/koppeltaal.md has in place of the reader's own.
const (
	docBase   = "https://fhir.example.nl/fhir/DEFAULT"
	docClient = "5ad7cf6a-0b7c-4b36-a0c7-2f5bd4a1a3c5"
	docJWKS   = "https://app.example.nl/keys/5f2c81"
	docLocal  = "http://localhost:8080/fhir/DEFAULT"
	docToken  = "http://localhost:8082/oauth2/token"
	docAud    = "http://localhost:8080/fhir/oauth2/token"
)

func docs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "koppeltaal.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns the fenced commands of a kind.
func blocks(t *testing.T, kind string) []string {
	t.Helper()
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```(sh[^\n]*)\n(.*?)^```$").FindAllStringSubmatch(docs(t), -1) {
		switch m[1] {
		case "sh", "sh by-hand", "sh local-stack", "sh monitor":
		default:
			t.Errorf("commands of kind %q are not tested", m[1])
		}
		if m[1] == kind {
			found = append(found, m[2])
		}
	}
	if len(found) == 0 {
		t.Fatalf("there are no commands of kind %q", kind)
	}
	return found
}

// need skips a test whose program is not on a developer's machine. In CI it is there, or the test fails.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// A terminal runs commands as a reader would, with the programs that the go command makes of the examples.
type terminal struct{ dir, bin string }

func newTerminal(t *testing.T) terminal {
	t.Helper()
	need(t, "bash")
	term := terminal{t.TempDir(), t.TempDir()}
	build := exec.Command("go", "build", "-o", term.bin, "../keys", "../doctor", "../quickstart")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return term
}

// goRun is the go command of a reader in a clone, in a folder that is none. As there, what go run ran ends with 0 or 1.
const goRun = `go() {
	case "$*" in
	"run ./examples/"*)
		local program=$BIN/${2#./examples/}
		shift 2
		"$program" "$@" || return 1 ;;
	"build -o "*" ./examples/"*)
		cp "$BIN/${4#./examples/}" "$3" ;;
	*)
		echo "not understood: go $*" >&2; return 1 ;;
	esac
}
`

func (term terminal) run(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", goRun+script)
	cmd.Dir = term.dir
	cmd.Env = []string{"BIN=" + term.bin, "PATH=" + os.Getenv("PATH"), "HOME=" + term.dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// register has the sandbox read the client's keys from the file that the commands make.
func (term terminal) register(srv *smarttest.Server) {
	srv.RegisterJWKSHandler(docClient, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=300")
		http.ServeFile(w, r, filepath.Join(term.dir, "jwks.json"))
	}))
}

// The commands, from the first to the last, lead to a Patient.
func TestCommandsOfTheDocs(t *testing.T) {
	term := newTerminal(t)
	srv := smarttest.New(t, smarttest.Options{})
	term.register(srv)
	yours := strings.NewReplacer(docBase, srv.BaseURL(), docJWKS, srv.JWKSURL(docClient))
	script := strings.Join(blocks(t, "sh"), "\n")
	for _, placeholder := range []string{docBase, docClient, docJWKS} {
		if !strings.Contains(script, placeholder) {
			t.Errorf("%s is not in the commands", placeholder)
		}
	}
	out := term.run(t, yours.Replace(script))
	for _, want := range []string{"ok: 15, warn: 0, fail: 0, skip: 0", "SMART Backend Services: checks of", "GET /fhir/DEFAULT/Patient?_count=1"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
	var report struct{ Status string }
	data, err := os.ReadFile(filepath.Join(term.dir, "report.json"))
	if err != nil || json.Unmarshal(data, &report) != nil || report.Status != "ok" {
		t.Errorf("%v, status %q", err, report.Status)
	}
}

// The settings of the official local stack are good for a server that is set up like it.
func TestLocalStackOfTheDocs(t *testing.T) {
	term := newTerminal(t)
	srv := smarttest.New(t, smarttest.Options{Audience: docAud})
	term.register(srv)
	yours := strings.NewReplacer(docLocal, srv.BaseURL(), docToken, srv.TokenURL())
	own := "go run ./examples/keys gen key.pem\ngo run ./examples/keys jwks key.pem > jwks.json\n" +
		"export SMART_CLIENT_ID=" + docClient + " SMART_KEY_FILE=key.pem SMART_JWKS_URL=" + srv.JWKSURL(docClient) + "\n"
	local := blocks(t, "sh local-stack")
	out := term.run(t, own+yours.Replace(strings.Join(local, "\n")))
	if n := strings.Count(out, "ok: 15, warn: 0, fail: 0, skip: 0"); n != len(local) {
		t.Errorf("%d of %d are in order:\n%s", n, len(local), out)
	}
}

// A monitor is told by the exit code, which go run would not pass on.
func TestMonitorOfTheDocs(t *testing.T) {
	term := newTerminal(t)
	srv := smarttest.New(t, smarttest.Options{})
	term.register(srv)
	term.run(t, "go run ./examples/keys gen key.pem\ngo run ./examples/keys jwks key.pem > jwks.json\n")
	own := "export SMART_BASE_URL=" + srv.BaseURL() + " SMART_CLIENT_ID=" + docClient + " SMART_KEY_FILE=key.pem SMART_JWKS_URL=" + srv.JWKSURL(docClient) + "\n"
	monitor := strings.Join(blocks(t, "sh monitor"), "\n")
	for _, c := range []struct {
		name   string
		before func()
		more   string
		want   string
	}{
		{"in order", func() {}, "", "exit code 0\n"},
		{"something to mend", func() {}, "export SMART_READ_PATH=Task/none\n", "exit code 1\n"},
		{"not approved", func() { srv.SetApproved(docClient, false) }, "", "exit code 2\n"},
	} {
		c.before()
		if out := term.run(t, own+c.more+monitor); !strings.HasSuffix(out, c.want) {
			t.Errorf("%s: want %q:\n%s", c.name, c.want, out)
		}
	}
}

// The commands within the text name examples that there are, with arguments that they take.
func TestInlineCommandsOfTheDocs(t *testing.T) {
	inline := regexp.MustCompile("`go (?:run|build -o [a-z]+) \\./examples/([a-z]+)([^`]*)`").FindAllStringSubmatch(strings.ReplaceAll(docs(t), "\n", " "), -1)
	if len(inline) < 2 {
		t.Fatalf("%d were found", len(inline))
	}
	for _, m := range inline {
		program := filepath.Join(t.TempDir(), m[1])
		if out, err := exec.Command("go", "build", "-o", program, "../"+m[1]).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", m[0], err, out)
			continue
		}
		help, _ := exec.Command(program, "-h").CombinedOutput()
		for _, option := range regexp.MustCompile(` (-[a-z][a-z-]*)`).FindAllStringSubmatch(m[2], -1) {
			if !strings.Contains(string(help), "  "+option[1]) {
				t.Errorf("%s: it has no %s:\n%s", m[0], option[1], help)
			}
		}
	}
}

// What is done by hand makes a key that is read. Without openssl the commands are looked at only.
func TestByHandOfTheDocs(t *testing.T) {
	script := strings.Join(blocks(t, "sh by-hand"), "\n")
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		if !strings.HasPrefix(line, "openssl ") && !strings.HasPrefix(line, "chmod ") {
			t.Errorf("%q is not done by hand", line)
		}
	}
	need(t, "openssl")
	term := newTerminal(t)
	term.run(t, script)
	if _, err := smartauth.ReadKeyFile(filepath.Join(term.dir, "key.pem"), nil, ""); err != nil {
		t.Error(err)
	}
}

// Each message of the table is one that there is.
func TestMessagesOfTheDocs(t *testing.T) {
	var source strings.Builder
	for _, folder := range []string{"koppeltaal/doctor", "core"} {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
	}
	_, table, _ := strings.Cut(docs(t), "| what the doctor says | cause | what to do |\n|---|---|---|\n")
	rows := 0
	for line := range strings.Lines(table) {
		m := regexp.MustCompile("^\\| `([^`]+)` \\| .+ \\| .+ \\|\n$").FindStringSubmatch(line)
		if m == nil {
			break
		}
		rows++
		message := strings.ReplaceAll(regexp.QuoteMeta(m[1]), "…", "%[sd]") // where something else stands each time
		if !regexp.MustCompile(message).MatchString(source.String()) {
			t.Errorf("nothing says %q", m[1])
		}
	}
	if rows < 20 {
		t.Errorf("%d rows of the table were read", rows)
	}
}
