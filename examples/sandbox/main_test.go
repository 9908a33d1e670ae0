package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

// What the sandbox prints is enough to connect to it; Enter revokes.
func TestSandbox(t *testing.T) {
	for _, args := range [][]string{{}, {"-ec"}, {"-smart"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			in, keys := io.Pipe()
			read, out := io.Pipe()
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, append(args, "-addr", "127.0.0.1:0"), in, out) }()

			var environ []string
			lines := bufio.NewScanner(read)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), "Enter") {
				if assignment, ok := strings.CutPrefix(lines.Text(), "export "); ok {
					environ = append(environ, strings.ReplaceAll(assignment, `"`, ""))
				}
			}
			env, _, err := smartenv.Parse(environ)
			if err != nil {
				t.Fatal(err)
			}
			src, err := smartauth.New(env.Config)
			if err != nil {
				t.Fatal(err)
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
				if _, err := io.WriteString(keys, "\n"); err != nil || !lines.Scan() || lines.Text() != "all tokens are revoked" {
					t.Fatalf("%v, %q", err, lines.Text())
				}
			}
			keyFile := strings.TrimPrefix(environ[2], "SMART_KEY_FILE=")
			if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("key file: %v, %v", info, err)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(keyFile); err == nil {
				t.Error("the key was left behind")
			}
			_ = keys.Close()
		})
	}
}
