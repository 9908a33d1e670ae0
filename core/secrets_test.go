package smartauth_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// printed is everything that was printed, in every way there is.
type printed struct{ bytes.Buffer }

func (p *printed) print(values ...any) {
	for _, v := range values {
		for _, verb := range "vsqdxXtbcoOUeEfFgGpTw" {
			fmt.Fprintf(p, "%"+string(verb)+"\n", v)
		}
		fmt.Fprintf(p, "%+v %#v %#x %+q\n", v, v, v, v)
		if j, err := json.Marshal(v); err == nil {
			p.Write(j)
		}
		slog.New(slog.NewJSONHandler(p, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(p, nil)).Info("x", "v", v)
	}
}

func (p *printed) mustNotHold(t *testing.T, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(p.String(), s) {
			t.Errorf("%q is in %s", s, p)
		}
	}
}

// formsOf returns how a private number looks when it is printed.
func formsOf(private []byte) []string {
	forms := []string{string(private), new(big.Int).SetBytes(private).String(), strings.Trim(fmt.Sprintf("%d", private), "[]"),
		base64.RawStdEncoding.EncodeToString(private[:len(private)/3*3]), base64.RawURLEncoding.EncodeToString(private[:len(private)/3*3])}
	for _, f := range []string{"%x", "%X", "%#v", "%b", "%o", "%c", "%U"} {
		forms = append(forms, strings.Trim(strings.TrimPrefix(fmt.Sprintf(f, private), "[]byte"), "[]{}"))
	}
	return forms
}

// Marker secrets must turn up in no error and no printed form, whatever fails.
func TestSecretsStaySecret(t *testing.T) {
	const marker = "hunter2-marker"
	opaque := marker + "-opaque-token"
	key := newEC(t, elliptic.P384())
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	echo := func(part func(assertion string) string) http.HandlerFunc { // a server that sends back what it got
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(401)
			text := part(r.Form.Get("client_assertion"))
			_ = json.NewEncoder(w).Encode(map[string]string{"error": text, "error_description": "bad assertion " + text})
		}
	}
	faults := map[string]smarttest.Fault{
		"text":                    {Status: 401, Body: marker},
		"HTML 500":                {Status: 500, Body: "<p>" + marker},
		"success that is no JSON": {Body: marker},
		"truncated success":       {Body: `{"access_token":"` + marker},
		"DPoP":                    {Body: `{"access_token":"` + marker + `","token_type":"DPoP"}`},
		"bad expires_in":          {Body: `{"access_token":"` + marker + `","token_type":"bearer","expires_in":"` + marker + `"}`},
		"line break":              {Body: `{"access_token":"` + marker + `\n","token_type":"bearer"}`},
		"echo":                    {Handler: echo(func(assertion string) string { return assertion })},
		"echo of the signature": {Handler: echo(func(assertion string) string {
			return assertion[strings.LastIndex(assertion, ".")+1:]
		})},
		"garbage for HTTP": {Handler: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, `{"access_token":"`+marker+`\"`+marker+`"}`+"\r\n\r\n")
				_ = conn.Close()
			}
		}},
		"connection closed":         {CloseConnection: true},
		"success":                   {Body: `{"access_token":"` + opaque + `","token_type":"bearer"}`},
		"redirect":                  {Status: 302, Header: http.Header{"Location": {"https://u:" + marker + "@other.example.nl/?key=" + marker}}},
		"redirect to no URL":        {Status: 302, Header: http.Header{"Location": {"https://u:" + marker + "@[/"}}},
		"endpoint with a password":  {Body: document("https://u:" + marker + "@auth.example.nl/token")},
		"endpoint over http":        {Body: document("http://auth.example.nl/token?key=" + marker)},
		"endpoint that cannot be":   {Body: document("https://u:" + marker + "@[/")},
		"endpoint that is down":     {Body: document("https://auth.example.nl/token?key=" + marker)},
		"endpoint that is relative": {Body: document("token?key=" + marker + "#" + marker)},
	}
	for _, endpoint := range []smarttest.Endpoint{smarttest.TokenEndpoint, smarttest.Discovery, smarttest.Metadata} {
		for name, fault := range faults {
			t.Run(fmt.Sprint(endpoint, " ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &recorder{}
					srv := smarttest.New(t, smarttest.Options{InMemory: true})
					cfg := srv.NewClient(smarttest.ClientOptions{Key: key})
					cfg.Observer = o
					if endpoint == smarttest.TokenEndpoint {
						cfg.TokenURL = srv.TokenURL() + "?key=" + marker + "-query"
					}
					src, err := smartauth.New(cfg)
					if err != nil {
						t.Fatal(err)
					}
					srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 404})
					srv.Fail(endpoint, fault)
					token, err := src.Token(t.Context())
					synctest.Wait()

					var p printed
					cfg.TokenURL = "" // the caller's own
					p.print(token, cfg, cfg.Signer, struct{ signer smartauth.Signer }{cfg.Signer}, src)
					for e := err; e != nil; e = errors.Unwrap(e) {
						p.print(e)
					}
					if token != nil {
						p.print(*token, map[string]any{"token": token}, struct{ token *smartauth.Token }{token}, struct{ token smartauth.Token }{*token})
					}
					for _, e := range o.ends {
						p.print(e.PhaseEnd)
					}
					for _, s := range o.starts {
						p.print(s.URL, s.Header)
					}
					p.mustNotHold(t, marker)
					p.mustNotHold(t, formsOf(private)...)
					for _, r := range srv.Requests(smarttest.TokenEndpoint) {
						_, assertion, _ := strings.Cut(string(r.Body), "client_assertion=")
						assertion, _, _ = strings.Cut(assertion, "&")
						for _, part := range strings.Split(assertion, ".")[1:] {
							p.mustNotHold(t, part[:40]) // it may be cut off
						}
					}
					if asked := len(srv.Requests(endpoint)); asked == 0 {
						t.Error("the fault was not met")
					}
					if (err == nil) != (endpoint == smarttest.TokenEndpoint && name == "success") {
						t.Errorf("error %v", err)
					}
				})
			})
		}
	}
}

// document is a smart-configuration and a CapabilityStatement at once.
func document(token string) string {
	return `{"token_endpoint":"` + token + `","rest":[{"security":{"extension":[{
		"url":"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
		"extension":[{"url":"token","valueUri":"` + token + `"}]}]}}]}`
}

func TestSignersShowNoKey(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := newEC(t, elliptic.P256())
	scalar, err := ec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := rsa2048()
	for name, c := range map[string]struct {
		key     crypto.Signer
		private [][]byte
	}{
		"Ed25519": {ed, [][]byte{ed.Seed()}},
		"ECDSA":   {ec, [][]byte{scalar}},
		"RSA":     {rsaKey, privateNumbers(rsaKey)},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := smartauth.NewSigner(c.key, "")
			if err != nil {
				t.Fatal(err)
			}
			var p printed
			p.print(signer, &signer, struct{ signer smartauth.Signer }{signer}, struct{ Signer smartauth.Signer }{signer},
				[]smartauth.Signer{signer}, map[string]any{"signer": signer}, smartauth.Config{Signer: signer})
			for _, number := range c.private {
				p.mustNotHold(t, formsOf(number)...)
			}
		})
	}
}

func privateNumbers(k *rsa.PrivateKey) [][]byte {
	return [][]byte{k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes(), k.Precomputed.Dp.Bytes(), k.Precomputed.Dq.Bytes(), k.Precomputed.Qinv.Bytes()}
}
