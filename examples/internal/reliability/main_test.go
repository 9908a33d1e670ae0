// Package reliability has no code but tests: what callers meet when servers, networks, keys and clocks fail.
package reliability

import (
	"os"
	"testing"

	"github.com/smartauth-go/smartauth/internal/leakcheck"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }
