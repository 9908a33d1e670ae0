package doctor_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

const clientID = "my-app"

// A patient is a client in good health, and the sandbox that it is registered with.
type patient struct {
	*smarttest.Server
	doctor.Options
	key    jwks.Key
	served http.Handler // of its JWKS
}

func newPatient(t *testing.T, o smarttest.Options, c smarttest.ClientOptions) *patient {
	t.Helper()
	srv := smarttest.New(t, o)
	if c.Key == nil && !c.RSA && !c.PEM {
		c.Key = newKey(t, elliptic.P384())
	}
	c.ID = clientID
	t.Cleanup(func() { mustKeepSecretsFromURLs(t, srv) })
	p := &patient{Server: srv, Options: doctor.Options{Config: srv.NewClient(c)}}
	p.key = jwks.KeyOf(p.Config.Signer.(smartauth.PublicSigner))
	if c.Key != nil {
		p.KeyFile = writeKey(t, c.Key)
	}
	if !c.PEM {
		p.serve(jwks.Handler(jwks.Keys{p.key}, 5*time.Minute))
	}
	return p
}

// bubble runs a test on a clock that moves only when everybody waits.
func bubble(t *testing.T, name string, test func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// mustKeepSecretsFromURLs looks at every request that the sandbox got: none has a token or an assertion in its URL.
func mustKeepSecretsFromURLs(t *testing.T, srv *smarttest.Server) {
	t.Helper()
	var secrets []string
	for _, r := range srv.Requests() {
		form, _ := url.ParseQuery(string(r.Body))
		secrets = append(secrets, r.Bearer(), form.Get("client_assertion"))
	}
	for _, r := range srv.Requests() {
		for _, secret := range secrets {
			if len(secret) > 8 && strings.Contains(r.RequestURI, secret) || strings.Contains(r.RequestURI, "eyJhbGciOi") || strings.Contains(r.RequestURI, "client_assertion") {
				t.Errorf("%s has a secret", r.RequestURI)
			}
		}
	}
}

// serve has the client's JWKS served by h.
func (p *patient) serve(h http.Handler) {
	p.served = h
	p.RegisterJWKSHandler(clientID, h)
	p.Options.JWKSURL = p.Server.JWKSURL(clientID)
}

// serveEdited has it served with every old text in it replaced.
func (p *patient) serveEdited(t *testing.T, old, text string) {
	t.Helper()
	set, err := jwks.Marshal(p.key)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(set), old, text, 1)
	if edited == string(set) {
		t.Fatalf("%q is not in %s", old, set)
	}
	p.serveText(edited)
}

func (p *patient) serveText(set string) {
	p.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write([]byte(set))
	}))
}

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signerOf(t *testing.T, key crypto.Signer, kid string) smartauth.PublicSigner {
	t.Helper()
	signer, err := smartauth.NewSigner(key, kid)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func writeKey(t *testing.T, key crypto.Signer) (file string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func writeFile(t *testing.T, data []byte) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// must checks that a report has lines, each given as its beginning and texts that follow on it or under it, set apart by |. One that
// begins with ! must not be there.
// Each line that is neither ok nor skipped must be among them.
func must(t *testing.T, r doctor.Report, lines ...string) {
	t.Helper()
	expected := map[string]bool{}
	for _, line := range lines {
		texts := strings.Split(line, "|")
		status, name, _ := strings.Cut(texts[0], " ")
		found := false
		for _, c := range r.Checks {
			if c.Name != name || c.Status.String() != status {
				continue
			}
			found = true
			rest := c.String()
			for _, text := range texts[1:] {
				if unwanted, not := strings.CutPrefix(text, "!"); not {
					if strings.Contains(c.String(), unwanted) {
						t.Errorf("%s: %q is said in\n%s", texts[0], unwanted, c)
					}
					continue
				}
				_, after, ok := strings.Cut(rest, text)
				if !ok {
					t.Errorf("%s: %q does not follow in\n%s", texts[0], text, c)
				}
				rest = after
			}
		}
		if !found {
			t.Errorf("there is no line %q", texts[0])
		}
		expected[name] = true
	}
	for _, c := range r.Checks {
		if do := slices.Sorted(slices.Values(c.Do)); len(slices.Compact(do)) != len(c.Do) {
			t.Errorf("something is said twice:\n%s", c)
		}
		if !expected[c.Name] && (c.Status == doctor.Yellow || c.Status == doctor.Red) {
			t.Errorf("not expected:\n%s", c)
		}
	}
	if t.Failed() {
		t.Logf("report:\n%s", r)
	}
}

// A trial is a thing that is wrong, and the lines by which it shows.
type trial struct {
	name  string
	edit  func(t *testing.T, p *patient)
	lines []string
}

func run(t *testing.T, o smarttest.Options, c smarttest.ClientOptions, trials []trial) {
	t.Helper()
	for _, trial := range trials {
		t.Run(trial.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, o, c)
			trial.edit(t, p)
			must(t, diagnose(t, p), trial.lines...)
		})
	}
}

func diagnose(t *testing.T, p *patient) doctor.Report {
	t.Helper()
	return doctor.Run(t.Context(), p.Options)
}
