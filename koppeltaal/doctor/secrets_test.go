package doctor_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

// Whatever goes wrong, and whatever servers send back: no form of a report has a token, an assertion, a key, a password, the query
// of a URL or what was read.
func TestNoSecrets(t *testing.T) {
	repeated := func(w http.ResponseWriter, r *http.Request) { // with the bearer
		for _, name := range []string{"Location", "Content-Type", "WWW-Authenticate", "Retry-After"} {
			w.Header().Set(name, r.Header.Get("Authorization"))
		}
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write([]byte("marker " + r.Header.Get("Authorization")))
	}
	for name, edit := range map[string]func(t *testing.T, p *patient){
		"healthy":      func(*testing.T, *patient) {},
		"not approved": func(_ *testing.T, p *patient) { p.SetApproved(clientID, false) },
		"assertion repeated": func(t *testing.T, p *patient) {
			p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Handler: echo(t)})
		},
		"assertion granted as scope": func(_ *testing.T, p *patient) {
			p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Handler: func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "marker-opaque", "token_type": "Bearer",
					"scope": r.PostForm.Get("client_assertion") + " marker-opaque"})
			}})
		},
		"bearer repeated": func(_ *testing.T, p *patient) { p.Fail(smarttest.FHIR, smarttest.Fault{Handler: repeated}) },
		"patient read": func(_ *testing.T, p *patient) {
			p.Fail(smarttest.FHIR, smarttest.Fault{Body: `{"resourceType":"Patient","name":"marker"}`})
		},
		"queries and passwords": func(_ *testing.T, p *patient) {
			p.Config.TokenURL = p.TokenURL() + "?secret=marker"
			p.Config.Audience = p.TokenURL() + "?secret=marker"
			p.Options.JWKSURL += "?secret=marker"
			p.ReadPath = "Patient?name=marker"
		},
		"passwords": func(_ *testing.T, p *patient) {
			p.Config.BaseURL = "https://me:marker@fhir.example.nl"
			p.Options.JWKSURL = "https://me:marker@app.example.nl/keys"
			p.Config.TokenURL = "https://me:marker@auth.example.nl/token"
		},
		"no server": func(_ *testing.T, p *patient) {
			p.Config.BaseURL, p.Config.HTTPClient = "https://fhir.example.nl/fhir", &http.Client{Transport: broken{}}
			p.Options.JWKSURL = "https://app.example.nl/keys?secret=marker"
		},
		"private key published": func(t *testing.T, p *patient) { p.serveEdited(t, `"x":`, `"d":"marker","x":`) },
		"damaged key file": func(t *testing.T, p *patient) {
			p.Config.Signer, p.KeyFile = nil, writeFile(t, []byte("-----BEGIN PRIVATE KEY-----\nmarker\n-----END PRIVATE KEY-----\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
			pem, err := os.ReadFile(p.KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			edit(t, p)
			r := diagnose(t, p)
			secrets := append(strings.Split(strings.TrimSpace(string(pem)), "\n")[1:3], "marker", "eyJhbGciOi")
			for _, q := range p.Requests(smarttest.FHIR, smarttest.TokenEndpoint) {
				form, _ := url.ParseQuery(string(q.Body))
				for _, secret := range append(strings.Split(form.Get("client_assertion"), "."), q.Bearer()) {
					if secret != "" {
						secrets = append(secrets, secret)
					}
				}
			}
			printed := everything(t, r)
			for _, secret := range secrets {
				if strings.Contains(printed, secret) {
					t.Errorf("%q is in %s", secret, printed)
				}
			}
		})
	}
}

func everything(t *testing.T, r doctor.Report) string {
	t.Helper()
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return r.String() + r.Support() + string(data)
}
