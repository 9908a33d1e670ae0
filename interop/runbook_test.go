package interop

import (
	"os"
	"strings"
	"testing"
)

// Each alert leads to a row of the README.
func TestEveryAlertIsExplained(t *testing.T) {
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../otel/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Alerts\n")
	parts := strings.Split(string(rules), "- alert: ")[1:]
	for _, rule := range parts {
		name, _, _ := strings.Cut(rule, "\n")
		if !strings.Contains(section, "\n| "+name+" |") {
			t.Errorf("%s is not in otel/README.md", name)
		}
	}
	if n := strings.Count(section, "\n| Smartauth"); n != len(parts) {
		t.Errorf("otel/README.md lists %d alerts, and there are %d", n, len(parts))
	}
}
