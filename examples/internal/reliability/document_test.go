package reliability

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/reliability.md")

const (
	tableBegins = "<!-- The table is made by: cd examples && go test ./internal/reliability -run FaultMatrix -update -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// compare compares the table in a document with what was found, or puts it there.
func compare(t *testing.T, name, table string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), tableBegins)
	old, tail, ended := strings.Cut(rest, tableEnds)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", name)
	}
	if table += "\n"; old == table {
		return
	}
	if *update {
		if err := os.WriteFile(name, []byte(head+tableBegins+table+tableEnds+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was := strings.Split(old, "\n")
	for i, line := range strings.Split(table, "\n") {
		if i >= len(was) || was[i] != line {
			t.Errorf("line %d of the table is not what was found: %s", i+1, line)
		}
	}
	t.Errorf("the table of %s has %d lines, and is not what was found; if that is right, run the test with -update", name, len(was))
}
