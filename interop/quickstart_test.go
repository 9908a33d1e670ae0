package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The quickstart's real mode, as a reader would run it: built on its own, told by its environment alone.
func TestQuickstartAgainstOIDCProvider(t *testing.T) {
	key := generateKey(t, "RS384")
	srv := startOIDC(t, client{ID: "quickstart", Alg: "RS384", Format: "jwt", JWKS: jwksOf(t, key, "RS384")})

	dir := t.TempDir()
	keyFile, program := filepath.Join(dir, "key.pem"), filepath.Join(dir, "quickstart")
	if err := os.WriteFile(keyFile, pemOf(t, key), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-C", filepath.Join("..", "examples"), "-o", program, "./quickstart")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the quickstart: %v\n%s", err, out)
	}

	run := exec.CommandContext(t.Context(), program)
	run.Env = append(os.Environ(),
		"SMART_BASE_URL="+srv.FHIR,
		"SMART_CLIENT_ID=quickstart",
		"SMART_KEY_FILE="+keyFile,
		"SMART_SCOPES="+scope,
	)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("the quickstart failed: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), scope) {
		t.Errorf("the quickstart does not tell the granted scope %s:\n%s", scope, out)
	}
	if n := srv.issued(t, "quickstart"); n == 0 {
		t.Error("the quickstart asked the server for no token")
	}
}
