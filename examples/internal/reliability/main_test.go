//go:debug x509usefallbackroots=1

// Package reliability has no code but tests: what callers meet when servers, networks, keys and clocks fail.
package reliability

import (
	"crypto/x509"
	"os"
	"testing"

	"github.com/smartauth-go/smartauth/internal/leakcheck"
)

func TestMain(m *testing.M) {
	x509.SetFallbackRoots(roots()) // the authorization server of the sandbox reads JWKS with what the machine trusts
	os.Exit(leakcheck.Run(m))
}
