// Keys makes a key, prints the JWKS to publish for one, and shows a rotation:
//
//	go run ./examples/keys gen key.pem                  # RSA-2048, PKCS#8, readable by its owner only
//	go run ./examples/keys gen -type p384 key.pem
//	go run ./examples/keys jwks key.pem > jwks.json     # of a private key, too, the public members only
//	go run ./examples/keys jwks key.pem 2026-a > jwks.json   # with a kid of your own
//	go run ./examples/keys serve                        # a client rotates its keys twice, under load
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage:
  go run ./examples/keys gen [-type rsa-2048|rsa-3072|rsa-4096|p256|p384] [-kid id] key.pem
  go run ./examples/keys jwks key.pem [kid]
  go run ./examples/keys serve`

// errUsage marks arguments that make no sense.
var errUsage = errors.New(usage)

func main() {
	// SIGTERM, too: the keys of a rotation must not outlive it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 if the command failed, 2 if the arguments make no sense.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	err := errUsage
	if len(args) > 0 {
		switch rest := args[1:]; args[0] {
		case "gen":
			err = gen(rest, out, errOut)
		case "jwks":
			err = printJWKS(rest, out, errOut)
		case "serve":
			err = serve(ctx, rest, out)
		case "-h", "-help", "--help":
			err = flag.ErrHelp
		}
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(errOut, usage)
		return 0
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintln(errOut, err)
		return 2
	default:
		_, _ = fmt.Fprintln(errOut, "keys:", err)
		return 1
	}
}
