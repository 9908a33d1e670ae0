package interop

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// results are what became of the tests of a folder: pass, fail or skip, by the name that go test gives them.
type results map[string]string

// runNamed runs the tests that the table names, and with each all of its subtests, and returns the results by folder.
func runNamed(t *testing.T) map[string]results {
	named := map[string]map[string]bool{"interop": {"TestWhatServersCheck": true}}
	for _, part := range conformance {
		for _, row := range part.rows {
			for _, test := range row.tests {
				folder, name, _ := strings.Cut(test, " ")
				name, _, _ = strings.Cut(name, "/")
				if named[folder] == nil {
					named[folder] = map[string]bool{}
				}
				named[folder][name] = true
			}
		}
	}
	var mu sync.Mutex
	all := map[string]results{}
	t.Run("run", func(t *testing.T) { // returns when those in parallel are done
		for folder, names := range named {
			t.Run(folder, func(t *testing.T) {
				t.Parallel()
				r := runTests(t, folder, slices.Sorted(maps.Keys(names)))
				mu.Lock()
				all[folder] = r
				mu.Unlock()
			})
		}
	})
	return all
}

// runTests runs tests of a folder, in its module.
func runTests(t *testing.T, folder string, names []string) results {
	t.Helper()
	// This test is left out, or it would run itself without end if the table were to name it.
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-count=1", "-run", "^("+strings.Join(names, "|")+")$", "-skip", "^TestConformance$", ".")
	cmd.Dir = filepath.Join("..", filepath.FromSlash(folder))
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, failed := cmd.Output()

	r := results{}
	said := map[string]string{} // by the tests, and by the package under an empty name
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var event struct{ Action, Test, Output string }
		if err := decoder.Decode(&event); err != nil {
			t.Fatalf("%v in what go test -json printed; %v: %s", err, failed, stderr.String())
		}
		said[event.Test] += event.Output
		switch event.Action {
		case "pass", "fail", "skip":
			r[event.Test] = event.Action
		}
	}
	if failed != nil {
		for name, action := range r {
			if action == "fail" {
				t.Error(said[name])
			}
		}
		t.Errorf("%v: %s%s", failed, said[""], stderr.String())
	}
	return r
}

// wrong returns why the test does not count as passed, empty if it does: itself and each of its subtests has to have run and to
// have passed.
func (r results) wrong(test string) string {
	if r[test] == "" {
		return "did not run"
	}
	for name, action := range r {
		if (name == test || strings.HasPrefix(name, test+"/")) && action != "pass" {
			return name + ": " + action
		}
	}
	return ""
}
