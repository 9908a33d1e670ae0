// Quickstart shows the main job: an access token from a private key, on the requests of an ordinary http.Client, through a
// revocation and without a failed call.
//
// Without configuration it starts a sandbox in this process. With SMART_BASE_URL, SMART_CLIENT_ID and SMART_KEY_FILE it
// connects to that server instead: discovery, a token and one read.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 if a step failed, 2 if the environment makes no sense.
func run(ctx context.Context, environ []string, out, errOut io.Writer) int {
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
		_, _ = fmt.Fprintln(errOut, "quickstart:", err)
		return 1
	}
	return 0
}
