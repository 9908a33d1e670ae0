package interop

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// versionsOf returns the versions of what the library is tried against, from go.mod and the lock files.
func versionsOf(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"fosite": "github.com/ory/fosite", "zitadel-oidc": "github.com/zitadel/oidc/v3", "go-jose": "github.com/go-jose/go-jose/v4",
	} {
		found := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(path) + ` v(\S+)`).FindSubmatch(mod)
		if found == nil {
			t.Fatalf("go.mod has no %s", path)
		}
		versions[name] = string(found[1])
	}
	for name, lock := range map[string]string{"oidc-provider": "oidc/package-lock.json", "jose": "jose/package-lock.json"} {
		data, err := os.ReadFile(lock)
		if err != nil {
			t.Fatal(err)
		}
		var locked struct {
			Packages map[string]struct{ Version string }
		}
		if err := json.Unmarshal(data, &locked); err != nil || locked.Packages["node_modules/"+name].Version == "" {
			t.Fatalf("%v: %s has no version of %s", err, lock, name)
		}
		versions[name] = locked.Packages["node_modules/"+name].Version
	}
	return versions
}
