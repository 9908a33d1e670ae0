package upgrade_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "put the diffs into the README")

// An upgrade is what the README shows of a stack.
type upgrade struct {
	name, diff     string
	removed, added int
}

func upgrades(t *testing.T) []upgrade {
	t.Helper()
	var all []upgrade
	for _, stack := range []struct{ name, folder string }{{"resty", "resty"}, {"go-retryablehttp", "retryablehttp"}, {"net/http", "nethttp"}} {
		files := []string{stack.folder + "/before/main.go", stack.folder + "/after/main.go"}
		before, old := code(t, files[0])
		after, new := code(t, files[1])
		changes := diff(before, after)
		all = append(all, upgrade{
			name:    stack.name,
			diff:    fmt.Sprintf("--- %s\n+++ %s\n%s", files[0], files[1], unified(changes, old, new)),
			removed: count(changes, '-'),
			added:   count(changes, '+'),
		})
	}
	return all
}

// code returns the lines of a file without the comment at its top, which is no part of an upgrade, and the number of the first.
func code(t *testing.T, file string) (lines []string, first int) {
	t.Helper()
	text := read(t, file)
	comment := strings.Index(text, "package main\n")
	return strings.Split(strings.TrimSuffix(text[comment:], "\n"), "\n"), 1 + strings.Count(text[:comment], "\n")
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The diffs and their counts in the READMEs are those of the files.
func TestReadmes(t *testing.T) {
	readme := read(t, "README.md")
	for _, u := range upgrades(t) {
		if *update {
			begin, _, _ := strings.Cut(u.diff, "\n")
			head, rest, _ := strings.Cut(readme, "```diff\n"+begin+"\n")
			_, tail, found := strings.Cut(rest, "```\n")
			if !found {
				t.Fatalf("the README has no diff that begins with %s", begin)
			}
			readme = head + "```diff\n" + u.diff + "```\n" + tail
		} else if !strings.Contains(readme, "```diff\n"+u.diff+"```\n") {
			t.Errorf("%s: the README shows another diff; `go test ./upgrade -update` puts it right", u.name)
		}
		for file, want := range map[string]string{
			"README.md":       fmt.Sprintf("## %s: %d lines go, %d come\n", u.name, u.removed, u.added),
			"../../README.md": fmt.Sprintf("| %s | %d | %d |", u.name, u.removed, u.added),
		} {
			if !strings.Contains(read(t, file), want) {
				t.Errorf("%s does not say %q", file, want)
			}
		}
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(readme), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A diff is right if it leads from the one file to the other.
func TestDiff(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"", "", ""},
		{"abc", "abc", ""},
		{"abcdefghij", "abcdeXfghij", "@@ -3,6 +3,7 @@\n c\n d\n e\n+X\n f\n g\n h\n"},
		{"abcdefghij", "bcdefghiYZ", "@@ -1,4 +1,3 @@\n-a\n b\n c\n d\n@@ -7,4 +6,5 @@\n g\n h\n i\n-j\n+Y\n+Z\n"},
		{"abcdefgh", "XbcdefgY", "@@ -1,8 +1,8 @@\n-a\n+X\n b\n c\n d\n e\n f\n g\n-h\n+Y\n"},
	} {
		changes := diff(strings.Split(c.before, ""), strings.Split(c.after, ""))
		if got := unified(changes, 1, 1); got != c.want {
			t.Errorf("%q and %q: got\n%s\nwant\n%s", c.before, c.after, got, c.want)
		}
	}
}
