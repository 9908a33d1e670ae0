package interop

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// client is a registration at the server, see oidc/server.mjs.
type client struct {
	ID      string          `json:"id"`
	Alg     string          `json:"alg"`
	Format  string          `json:"format"`        // jwt or opaque
	Typ     string          `json:"typ,omitempty"` // that its assertions must have, with the issuer as their audience
	JWKS    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI string          `json:"jwks_uri,omitempty"`
}

// oidcServer is a running oidc-provider and the FHIR server that trusts it.
type oidcServer struct {
	Issuer string
	Token  string // endpoint
	FHIR   string // base URL
	Revoke string
	Issued string
	Clock  string
}

// node returns the path of Node.js, to run what is in a folder with it. That it or a package is missing is a failure: skipped
// interop tests would look like passed ones.
func node(t *testing.T, folder, module string) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("the interop tests need Node.js 20 or later: no node on the PATH")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", module)); err != nil {
		t.Fatalf("%s is not installed: run `npm ci --ignore-scripts` in interop/%s", module, folder)
	}
	return path
}

// startOIDC starts the server with these clients and ends it with the test.
func startOIDC(t *testing.T, clients ...client) *oidcServer {
	t.Helper()
	registrations, err := json.Marshal(clients)
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(node(t, "oidc", "oidc-provider"), "server.mjs")
	cmd.Dir = "oidc"
	cmd.Env = append(os.Environ(), "OIDC_CLIENTS="+string(registrations))
	var log strings.Builder
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe() // the server ends with it, also when this process is killed
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("oidc-provider said:\n%s", log.String())
		}
	})

	// A server that hangs before it listens must not hang the test.
	kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	kill.Stop()
	if err != nil {
		t.Fatalf("oidc-provider did not start within 30 s: %v", err)
	}
	srv := new(oidcServer)
	if err := json.Unmarshal(line, srv); err != nil {
		t.Fatalf("oidc-provider's first line is %q: %v", line, err)
	}
	return srv
}

// revokeAll makes every token issued so far worthless.
func (s *oidcServer) revokeAll(t *testing.T) {
	t.Helper()
	s.do(t, s.Revoke)
}

// advance moves the server's clock ahead.
func (s *oidcServer) advance(t *testing.T, d time.Duration) {
	t.Helper()
	s.do(t, s.Clock+"?advance="+strconv.FormatInt(d.Milliseconds(), 10))
}

func (s *oidcServer) do(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
}

// issued returns how many tokens the server has given to the client, by its own count.
func (s *oidcServer) issued(t *testing.T, clientID string) int {
	t.Helper()
	resp, err := http.Get(s.Issued)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	counts := map[string]int{}
	if err := json.NewDecoder(resp.Body).Decode(&counts); err != nil {
		t.Fatal(err)
	}
	return counts[clientID]
}
