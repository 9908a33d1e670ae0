// Doctor finds out why a client gets no token, or none that is of use: a line a check, with what was found and what to do.
//
// Without configuration it looks at a healthy client of a sandbox in this process. With SMART_BASE_URL, SMART_CLIENT_ID and
// SMART_KEY_FILE, and SMART_JWKS_URL if there is one, it looks at that client:
//
//	go run ./examples/doctor
//	go run ./examples/doctor -support   # a text for a mail to those who run the server
//	go run ./examples/doctor -json
//
// go run ends with 1 whatever it ran ended with. Where the exit code matters, build the program first:
//
//	go build -o doctor ./examples/doctor && ./doctor
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

	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

const usage = `usage: doctor [-json | -support]

Without %s, %s and %s it looks at a client of a sandbox; with %s it looks at the published keys, too.

  -json     print the report as JSON, with the text of -support in it
  -support  print the report as a text for a mail to those who run the server

The exit code is 0 if all is in order (ok), 1 if something should be mended (warn), and 2 if something must be (fail), or if the
arguments or variables make no sense. What was skipped does not count. go run makes 1 of each that is not 0; where it matters:

  go build -o doctor ./examples/doctor && ./doctor

NO_COLOR=1 keeps colour off a terminal.
`

func main() {
	// SIGTERM, too: the sandbox's key must not outlive it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code that the usage tells of.
func run(ctx context.Context, args, environ []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() {
		_, _ = fmt.Fprintf(errOut, usage, smartenv.BaseURL, smartenv.ClientID, smartenv.KeyFile, smartenv.JWKSURL)
	}
	asJSON := flags.Bool("json", false, "")
	support := flags.Bool("support", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0 || *asJSON && *support:
		flags.Usage()
		return 2
	}
	env, configured, err := smartenv.ParseWithoutKey(environ)
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "doctor:", err)
		return 2
	}
	p := printer{out: out, errOut: errOut, json: *asJSON, support: *support, colour: colourful(out, environ)}
	if !configured {
		err = sandbox(ctx, p)
		if err != nil {
			_, _ = fmt.Fprintln(errOut, "doctor:", err)
			return 2
		}
		return 0
	}
	report := doctor.Run(ctx, doctor.Options{
		Config: env.Config, KeyFile: env.KeyFile, KeyID: env.KeyID, JWKSURL: env.JWKSURL, ReadPath: env.ReadPath,
	})
	if err := p.print(report); err != nil {
		_, _ = fmt.Fprintln(errOut, "doctor:", err)
		return 2
	}
	return int(report.Status)
}
