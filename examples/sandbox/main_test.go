package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
	"github.com/smartauth-go/smartauth/internal/leakcheck"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }

// A started sandbox is one that a test reads and types at.
type started struct {
	environ []string // as printed
	lines   *bufio.Scanner
	keys    *io.PipeWriter
	stop    context.CancelFunc
	ended   chan int
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	read, out := io.Pipe()
	s := &started{lines: bufio.NewScanner(read), keys: keys, stop: stop, ended: make(chan int, 1)}
	go func() {
		s.ended <- run(ctx, append(args, "-addr", "127.0.0.1:0"), in, out, os.Stderr)
		_ = out.Close()
	}()
	for s.lines.Scan() && !strings.HasPrefix(s.lines.Text(), "Enter") {
		if assignment, ok := strings.CutPrefix(s.lines.Text(), "export "); ok {
			s.environ = append(s.environ, strings.ReplaceAll(assignment, "'", ""))
		}
	}
	return s
}

func (s *started) keyFile() string { return strings.TrimPrefix(s.environ[2], "SMART_KEY_FILE=") }

// What the sandbox prints is enough to connect to it; Enter revokes.
func TestSandbox(t *testing.T) {
	for _, args := range [][]string{{}, {"-ec"}, {"-smart"}, {"-client-id", "my app"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s := start(t, args...)
			env, _, err := smartenv.Parse(s.environ)
			if err != nil {
				t.Fatal(err)
			}
			src, err := smartauth.New(env.Config)
			if err != nil {
				t.Fatal(err)
			}
			report := doctor.Run(t.Context(), doctor.Options{Config: env.Config, KeyFile: env.KeyFile, JWKSURL: env.JWKSURL, ReadPath: env.ReadPath})
			if report.Status != doctor.Green || env.JWKSURL == "" {
				t.Errorf("the doctor does not find it in order:\n%s", report)
			}
			client := smarthttp.NewClient(src, nil)
			for range 2 {
				resp, err := client.Get(env.Config.BaseURL + "/" + env.ReadPath)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("status %d", resp.StatusCode)
				}
				if _, err := io.WriteString(s.keys, "\n"); err != nil || !s.lines.Scan() || s.lines.Text() != "all tokens are revoked" {
					t.Fatalf("%v, %q", err, s.lines.Text())
				}
			}
			if info, err := os.Stat(s.keyFile()); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("key file: %v, %v", info, err)
			}
			s.stop()
			if code := <-s.ended; code != 0 {
				t.Errorf("exit %d", code)
			}
			if _, err := os.Stat(s.keyFile()); err == nil {
				t.Error("the key was left behind")
			}
		})
	}
}

// The user's own key is used and left alone.
func TestOwnKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my key.pem")
	if err := writeKey(file, true); err != nil {
		t.Fatal(err)
	}
	s := start(t, "-key", file, "-client-id", "my-app")
	if s.keyFile() != file || s.environ[1] != "SMART_CLIENT_ID=my-app" {
		t.Errorf("printed %q", s.environ)
	}
	env, _, err := smartenv.Parse(s.environ)
	if err != nil {
		t.Fatal(err)
	}
	src, err := smartauth.New(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err != nil {
		t.Error(err)
	}
	s.stop()
	<-s.ended
	if _, err := os.Stat(file); err != nil {
		t.Error("the user's key was removed")
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		err  string
	}{
		{"-h", 0, "Usage"},
		{"-port 80", 2, "not defined"},
		{"smart", 2, "not understood: smart"},
		{"-ec -key key.pem", 2, "choose"},
		{"-key /nowhere/key.pem", 1, "/nowhere/key.pem"},
		{"-addr 192.0.2.1:80", 1, "not a loopback address"},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), nil, &out, &errOut)
		if code != c.code || out.Len() > 0 || strings.Count(errOut.String(), c.err) != 1 {
			t.Errorf("%s: exit %d, %q, %q; want %d and once %q", c.args, code, &out, &errOut, c.code, c.err)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var errOut bytes.Buffer
	if code := run(t.Context(), []string{"-ec", "-addr", l.Addr().String()}, nil, io.Discard, &errOut); code != 1 || !strings.Contains(errOut.String(), "-addr 127.0.0.1:0") {
		t.Errorf("exit %d, %q", code, &errOut)
	}
}

func TestQuote(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	for _, text := range []string{"/tmp/key.pem", "my key.pem", "it's", "$HOME;`id`", ""} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(text)).Output()
		if err != nil {
			t.Fatalf("%q as %s: %v", text, quote(text), err)
		}
		if string(out) != text {
			t.Errorf("the shell reads %q as %q", quote(text), out)
		}
	}
}
