package examples_test

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every Go snippet of the README and of docs/keys.md is a run of statements in an Example with checked output, or in a test where
// it is about tests.
func TestReadmeSnippets(t *testing.T) {
	adapters, err := filepath.Glob(filepath.Join("..", "adapters", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var bodies [][]string
	for _, dir := range append(adapters, ".") {
		bodies = append(bodies, tested(t, dir)...)
	}
	for _, name := range []string{"README.md", "docs/keys.md"} {
		text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(snippets) < 5 {
			t.Errorf("only %d snippets found in %s", len(snippets), name)
		}
		for _, s := range snippets {
			file, err := parser.ParseFile(token.NewFileSet(), name, "package p\nfunc _() {\n"+s[1]+"\n}", 0)
			if err != nil {
				t.Errorf("this snippet of %s is no Go: %v\n%s", name, err, s[1])
				continue
			}
			snippet := statements(t, file.Decls[0].(*ast.FuncDecl).Body)
			if !slices.ContainsFunc(bodies, func(body []string) bool { return contains(body, snippet) }) {
				t.Errorf("this snippet of %s is in no Example or test:\n%s", name, s[1])
			}
		}
	}
}

// tested returns the statements of the Examples and tests that go test compiles and runs in a folder.
func tested(t *testing.T, dir string) (bodies [][]string) {
	t.Helper()
	pkg, err := build.ImportDir(dir, 0) // goes by the build constraints, as the compiler does
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range pkg.XTestGoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
				bodies = append(bodies, statements(t, f.Body))
			}
		}
	}
	for _, example := range doc.Examples(files...) {
		if body, ok := example.Code.(*ast.BlockStmt); ok && example.Output != "" {
			bodies = append(bodies, statements(t, body))
		}
	}
	return bodies
}

// statements returns each statement of a body as gofmt would write it, without comments: those are no part of the tree printed.
func statements(t *testing.T, body *ast.BlockStmt) (list []string) {
	t.Helper()
	for _, statement := range body.List {
		var text bytes.Buffer
		// Without positions: what is on one line here may be on two there.
		if err := printer.Fprint(&text, token.NewFileSet(), statement); err != nil {
			t.Fatal(err)
		}
		list = append(list, text.String())
	}
	return list
}

func contains(body, run []string) bool {
	for i := 0; len(run) > 0 && i+len(run) <= len(body); i++ {
		if slices.Equal(body[i:i+len(run)], run) {
			return true
		}
	}
	return false
}
