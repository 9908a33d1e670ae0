package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\[(\w+)\]\(([\w./-]+)/([\w-]+\.go)\)`)

// TestSecurityPolicy: every test that SECURITY.md names is where it says.
func TestSecurityPolicy(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash("../SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	links := link.FindAllStringSubmatch(string(text), -1)
	for _, l := range links {
		name, folder, file := l[1], l[2], l[3]
		if testsOf(t, folder)[name] != file {
			t.Errorf("there is no %s in %s/%s", name, folder, file)
		}
	}
	if n := strings.Count(string(text), "[Test") + strings.Count(string(text), "[Fuzz"); n == 0 || n != len(links) {
		t.Errorf("%d tests are named, %d by a link to a Go file", n, len(links))
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| What") && !link.MatchString(line) {
			t.Errorf("line %d: a threat without a test", i+1)
		}
	}
}
