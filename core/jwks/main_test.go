package jwks_test

import (
	"os"
	"testing"

	"github.com/smartauth-go/smartauth/internal/leakcheck"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }
