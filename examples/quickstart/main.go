// Quickstart shows the main job: an access token from a private key, on the requests of an ordinary http.Client, through a
// revocation and without a failed call.
//
// Without configuration it starts a sandbox in this process. With SMART_BASE_URL, SMART_CLIENT_ID and SMART_KEY_FILE it
// connects to that server instead: discovery, a token and one read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 if a step failed, 2 if the arguments or the environment make no sense.
func run(ctx context.Context, args, environ []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() {
		_, _ = fmt.Fprintf(errOut, "quickstart takes no arguments. Without %s, %s and %s it runs against a sandbox.\n",
			smartenv.BaseURL, smartenv.ClientID, smartenv.KeyFile)
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		flags.Usage()
		return 2
	}
	env, configured, err := smartenv.Parse(environ)
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "quickstart:", err)
		return 2
	}
	story := newStory(out)
	if configured {
		err = realServer(ctx, env, story)
	} else {
		err = sandbox(ctx, story)
	}
	if err != nil {
		complain(errOut, err)
		return 1
	}
	return 0
}
