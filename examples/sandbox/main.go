// Sandbox serves a FHIR server and an authorization server on loopback, for clients in any language, and prints what a client
// needs to connect. Pressing Enter revokes all tokens; Ctrl-C ends it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func main() {
	// SIGTERM, too: the key file must not outlive the sandbox.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 if the sandbox could not start, 2 if the arguments make no sense.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	s, err := parse(args, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil: // the flag package has said it
		return 2
	}
	if err := s.serve(ctx, in, out); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; choose another with -addr, or a free port with -addr 127.0.0.1:0", err)
		}
		_, _ = fmt.Fprintln(errOut, "sandbox:", err)
		return 1
	}
	return 0
}

// settings are what the arguments say.
type settings struct {
	smarttest.Options
	clientID string
	keyFile  string // of the user; empty: make a key
	ec       bool
}

// parse prints what is wrong with the arguments, and how to use them, to errOut.
func parse(args []string, errOut io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.StringVar(&s.Addr, "addr", "127.0.0.1:8080", "loopback `address` of the FHIR server; the authorization server takes a free port")
	flags.DurationVar(&s.TokenLifetime, "lifetime", 300*time.Second, "life of an access token")
	flags.StringVar(&s.clientID, "client-id", "sandbox-client", "`id` of the client that is registered")
	flags.StringVar(&s.keyFile, "key", "", "PEM `file` with the client's key, of which only the public half is used; without it a key is made")
	flags.BoolVar(&s.ec, "ec", false, "make a P-384 key instead of RSA-2048")
	smart := flags.Bool("smart", false, "behave as a strict SMART server instead of as Koppeltaal's")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if *smart {
		s.Profile = smarttest.SMART
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = "arguments are not understood: " + strings.Join(flags.Args(), " ")
	case s.ec && s.keyFile != "":
		wrong = "-ec makes a key, and -key names one: choose"
	case s.clientID == "":
		wrong = "-client-id is empty"
	default:
		return s, nil
	}
	_, _ = fmt.Fprintln(errOut, wrong)
	flags.Usage()
	return s, errors.New(wrong)
}

// serve serves until ctx ends.
func (s settings) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	key, err := s.key()
	if err != nil {
		return err
	}
	defer key.remove()
	srv, err := smarttest.Start(s.Options)
	if err != nil {
		return err
	}
	defer srv.Close()
	srv.RegisterJWKSHandler(s.clientID, jwks.Handler(jwks.Keys{{KeyID: key.ID, PublicKey: key.PublicKey}}, 5*time.Minute))

	_, _ = fmt.Fprintf(out, `SANDBOX: %s profile, made-up patients, for tests only.

export SMART_BASE_URL=%s
export SMART_CLIENT_ID=%s
%s
export SMART_KEY_ID=%s
export SMART_JWKS_URL=%s
`, s.Profile, srv.BaseURL(), quote(s.clientID), key.export(), quote(key.ID), quote(srv.JWKSURL(s.clientID)))
	if s.Profile == smarttest.SMART {
		_, _ = fmt.Fprintln(out, `export SMART_SCOPES='system/Patient.rs system/Task.cruds'`)
	}
	_, _ = fmt.Fprintf(out, "\ntoken endpoint: %s\n\nEnter revokes all tokens, Ctrl-C ends.\n", srv.TokenURL())

	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			srv.RevokeAll()
			_, _ = fmt.Fprintln(out, "all tokens are revoked")
		}
	}()
	<-ctx.Done()
	return nil
}

// quote makes a text one word of a shell, where it is not one anyway.
func quote(text string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@%+,", c)
	}
	if text != "" && !strings.ContainsFunc(text, func(c rune) bool { return !plain(c) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
