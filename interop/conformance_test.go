package interop

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/conformance.md")

const head = `# Conformance

<!-- Made by "make conformance", from the table in interop/conformancetable_test.go. -->

Each requirement with the tests that show it. "make conformance" has run every one of them and written this page, which it does only if all
have passed, subtests included, and none was skipped. "make ci" runs them again, and fails if one does not pass or the page would be another.
Inferno itself was not run.
`

const tail = `
## What the servers of others check

A token from a server shows no more than the server looks at. [TestWhatServersCheck](../interop/serverchecks_test.go) sends each an
assertion as the library makes them, which it takes, and then the same with one thing wrong. jose is no server; it is asked with the options
of [verify.mjs](../interop/jose/verify.mjs), as a server that is built on it would. Zitadel's OpenID provider gets the client and the key from a
storage of the tests. In TestInfernoClientChecks and TestAssertionForEveryServer go-jose %s reads the keys and verifies the signatures, and
the tests themselves look at the claims.

%s
That aud is one string, and exp at most five minutes ahead, is checked by none of them, but by the tests named above and by core/smarttest.
`

// TestConformance runs every test that the table names, in processes of their own. docs/conformance.md is what comes out: it is written if each passed,
// and none of them, nor a subtest, was skipped.
func TestConformance(t *testing.T) {
	all := runNamed(t)
	var doc strings.Builder
	doc.WriteString(head)
	for _, part := range conformance {
		fmt.Fprintf(&doc, "\n## %s\n\n%s\n\n| | Requirement | Shown by | Result |\n|---|---|---|---|\n", part.title, part.intro)
		for _, row := range part.rows {
			if len(row.tests) == 0 {
				t.Errorf("%s %s: no test", part.title, row.name)
			}
			var links []string
			for _, test := range row.tests {
				folder, name, _ := strings.Cut(test, " ")
				function, _, _ := strings.Cut(name, "/")
				if wrong := all[folder].wrong(name); wrong != "" {
					t.Errorf("%s %s: %s: %s", part.title, row.name, test, wrong)
				}
				links = append(links, fmt.Sprintf("%s [%s](../%s/%s)", folder, name, folder, testsOf(t, folder)[function]))
			}
			text := row.text
			if row.note != "" {
				text += " *" + row.note + "*"
			}
			fmt.Fprintf(&doc, "| %s | %s | %s | passed |\n", row.name, text, strings.Join(links, "<br>"))
		}
	}
	if wrong := all["interop"].wrong("TestWhatServersCheck"); wrong != "" {
		t.Error(wrong)
	}
	fmt.Fprintf(&doc, tail, versionsOf(t)["go-jose"], serverTable(t))
	if t.Failed() {
		return
	}

	path := filepath.FromSlash("../docs/conformance.md")
	if *update {
		if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != doc.String() {
		t.Errorf("docs/conformance.md is not what the tests give (%v): run make conformance", err)
	}
}

// testsOf returns the tests and fuzz targets of a folder of the repository, and the file each is in.
func testsOf(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				tests[f.Name.Name] = filepath.Base(file)
			}
		}
	}
	return tests
}
