package benchmarks

import (
	"strconv"
	"strings"
	"testing"
)

// figure tells the report a figure that is the same on every machine, and fails the test if ours is above most.
func figure(t *testing.T, name string, value, most int64) {
	t.Helper()
	t.Attr(name, strconv.FormatInt(value, 10))
	if strings.HasSuffix(t.Name(), "/peer=smartauth") && value > most {
		t.Errorf("%s: %d, want at most %d", name, value, most)
	}
}
