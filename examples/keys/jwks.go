package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/examples/internal/publickey"
)

// printJWKS writes the JWKS of a key file to out, and the kid to errOut, so that a file gets the JWKS alone.
func printJWKS(args []string, out, errOut io.Writer) error {
	if len(args) < 1 || len(args) > 2 || strings.HasPrefix(args[0], "-") {
		return errUsage
	}
	key, err := publickey.Read(args[0], strings.Join(args[1:], ""))
	if err != nil {
		return err
	}
	set, err := indented(jwks.Key{KeyID: key.ID, PublicKey: key.PublicKey})
	if err == nil {
		_, err = fmt.Fprintln(out, set)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(errOut, "kid:", key.ID)
	return err
}

// indented returns the JWKS of one key, for a reader.
func indented(key jwks.Key) (string, error) {
	data, err := jwks.Marshal(key)
	if err != nil {
		return "", err
	}
	var set bytes.Buffer
	err = json.Indent(&set, data, "", "  ")
	return set.String(), err
}
