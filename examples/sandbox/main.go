// Sandbox serves a FHIR server and an authorization server on loopback, for clients in any language, and prints what a client
// needs to connect. Pressing Enter revokes all tokens; Ctrl-C ends it.
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "loopback address of the FHIR server; the authorization server takes a free port")
	lifetime := flags.Duration("lifetime", 300*time.Second, "life of an access token")
	smart := flags.Bool("smart", false, "behave as a strict SMART server instead of as Koppeltaal's")
	ec := flags.Bool("ec", false, "make a P-384 key instead of RSA-2048")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := smarttest.Options{Addr: *addr, TokenLifetime: *lifetime}
	if *smart {
		options.Profile = smarttest.SMART
	}

	key, err := newKey(*ec)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "smartauth-sandbox-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	keyFile := filepath.Join(dir, "key.pem")
	if err := writeKey(keyFile, key); err != nil {
		return err
	}

	srv, err := smarttest.Start(options)
	if err != nil {
		return err
	}
	defer srv.Close()
	client := srv.NewClient(smarttest.ClientOptions{ID: "sandbox-client", Key: key})

	_, _ = fmt.Fprintf(out, `SANDBOX: %s profile, made-up patients, for tests only.

export SMART_BASE_URL=%s
export SMART_CLIENT_ID=%s
export SMART_KEY_FILE=%s
export SMART_KEY_ID=%s
`, options.Profile, srv.BaseURL(), client.ClientID, keyFile, client.Signer.KeyID())
	if *smart {
		_, _ = fmt.Fprintln(out, `export SMART_SCOPES="system/Patient.rs system/Task.cruds"`)
	}
	_, _ = fmt.Fprintf(out, "\ntoken endpoint: %s\nclient's JWKS:  %s\n\nEnter revokes all tokens, Ctrl-C ends.\n", srv.TokenURL(), srv.JWKSURL(client.ClientID))

	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			srv.RevokeAll()
			_, _ = fmt.Fprintln(out, "all tokens are revoked")
		}
	}()
	<-ctx.Done()
	return nil
}

func newKey(ec bool) (crypto.Signer, error) {
	if ec {
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

func writeKey(file string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
