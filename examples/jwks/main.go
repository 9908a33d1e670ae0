// Jwks prints the JWKS to publish for a key: of a private key, too, the public members only.
//
//	go run ./examples/jwks key.pem > jwks.json
//	go run ./examples/jwks key.pem 2026-a > jwks.json   # with a kid of your own
//
// The JWKS goes to standard output, its kid to standard error.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/smartauth-go/smartauth/examples/internal/publickey"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit code: 1 if the key cannot be used, 2 if the arguments make no sense.
func run(args []string, out, errOut io.Writer) int {
	if len(args) < 1 || len(args) > 2 || strings.HasPrefix(args[0], "-") {
		_, _ = fmt.Fprintln(errOut, "usage: go run ./examples/jwks key.pem [kid]")
		return 2
	}
	key, err := publickey.Read(args[0], strings.Join(args[1:], ""))
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "jwks:", err)
		return 1
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.PublicKey, KeyID: key.ID, Use: "sig"}}}
	data, err := json.MarshalIndent(set, "", "  ")
	if err == nil {
		_, err = fmt.Fprintln(out, string(data))
	}
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "jwks:", err)
		return 1
	}
	_, _ = fmt.Fprintln(errOut, "kid:", key.ID)
	return 0
}
