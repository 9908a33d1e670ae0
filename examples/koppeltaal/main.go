// Koppeltaal is a small service as a vendor would begin with: it receives launches, reads the Task and the Patient through resty,
// writes an AuditEvent, and publishes its keys. All its requests have the headers of TOP-KT-011.
//
//	go run ./examples/koppeltaal                        # one launch against a sandbox in this process, and its trace
//	go run ./examples/koppeltaal -addr 127.0.0.1:8090   # with the SMART_ variables of docs/koppeltaal.md: until Ctrl-C
//
// SMART_JWKS_URL says at which path it publishes its keys. A launch is posted to /launch.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

const usage = `usage: koppeltaal [-addr host:port]

Without %s, %s and %s it launches itself once, from a sandbox. With them it serves until it is told to stop, and
publishes its keys at the path of %s.

  -addr  address to listen on; by default 127.0.0.1:8090, and for the sandbox a free port of loopback
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 if it could not serve, 2 if the arguments or the environment make no sense.
func run(ctx context.Context, args, environ []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("koppeltaal", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() {
		_, _ = fmt.Fprintf(errOut, usage, smartenv.BaseURL, smartenv.ClientID, smartenv.KeyFile, smartenv.JWKSURL)
	}
	addr := flags.String("addr", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		flags.Usage()
		return 2
	}
	c, configured, err := parse(environ)
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "koppeltaal:", smartenv.Terms(err.Error()))
		return 2
	}
	if configured {
		log := newLogger(slog.NewJSONHandler(errOut, nil))
		err = serve(ctx, cmp.Or(*addr, "127.0.0.1:8090"), c, log)
	} else {
		log := newLogger(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn})) // the story tells the rest
		err = sandbox(ctx, cmp.Or(*addr, "127.0.0.1:0"), out, log)
	}
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "koppeltaal:", smartenv.Terms(err.Error()))
		return 1
	}
	return 0
}

// parse reads the variables and the key. ok is false if none of them is set.
func parse(environ []string) (c configuration, ok bool, err error) {
	env, ok, err := smartenv.ParseWithoutKey(environ)
	if !ok || err != nil {
		return c, ok, err
	}
	signer, err := smartauth.ReadKeyFile(env.KeyFile, nil, env.KeyID)
	if err != nil {
		return c, true, err
	}
	c = configuration{Config: env.Config, key: signer, keyFile: env.KeyFile, readPath: env.ReadPath, jwksURL: env.JWKSURL}
	c.Signer = signer
	_, err = c.jwksPath()
	return c, true, err
}
