package benchmarks

import (
	"log"
	"os"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/internal/leakcheck"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(endpointDelay); text != "" {
		delay, err := time.ParseDuration(text)
		if err != nil {
			log.Fatal(err)
		}
		serveEndpoint(delay)
		return
	}
	os.Exit(leakcheck.Run(m))
}
