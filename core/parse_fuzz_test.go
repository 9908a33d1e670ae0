package smartauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/internal/peer"
)

// What the parsers read comes from servers, or from files of the user. None of it may make them panic, hang, or tell a secret.
// The seeds are in testdata/fuzz.

func fuzzSource(f *testing.F) *Source {
	f.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := NewSigner(key, "k")
	if err != nil {
		f.Fatal(err)
	}
	src, err := New(Config{BaseURL: "https://fhir.example/r4", ClientID: "client", Signer: signer})
	if err != nil {
		f.Fatal(err)
	}
	return src
}

const fuzzPassword = "hunter2hunter2" // in the user part of some URLs

// checkDiscovered checks what parse makes of body: an endpoint that an assertion may be sent to, or an error that quotes no
// password.
func checkDiscovered(t *testing.T, src *Source, body []byte, parse func([]byte) (*Metadata, error)) {
	m, err := parse(body)
	var d *discovered
	if err == nil {
		d, err = src.discoverer.accept(m)
	}
	if err != nil {
		if strings.Contains(err.Error(), fuzzPassword) {
			t.Errorf("the error tells a password: %v", err)
		}
		return
	}
	if u := d.token; u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		t.Errorf("assertions would go to %v", u)
	}
	if u, err := url.Parse(d.TokenEndpoint); err != nil || u.String() != d.token.String() {
		t.Errorf("Metadata names %q, and assertions go to %v", d.TokenEndpoint, d.token)
	}
}

func FuzzConfiguration(f *testing.F) {
	src := fuzzSource(f)
	f.Fuzz(func(t *testing.T, body []byte) { checkDiscovered(t, src, body, parseConfiguration) })
}

func FuzzCapabilityStatement(f *testing.F) {
	src := fuzzSource(f)
	f.Fuzz(func(t *testing.T, body []byte) { checkDiscovered(t, src, body, parseCapabilityStatement) })
}

func FuzzTokenResponse(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		sent := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		token, oauth, err := parseToken(body, sent)
		var r struct {
			AccessToken string `json:"access_token"`
		}
		_ = json.Unmarshal(body, &r)
		switch {
		case err != nil:
			// Of token_type 16 bytes may be quoted, whatever they are.
			if len(r.AccessToken) > 16 && strings.Contains(err.Error(), r.AccessToken) {
				t.Errorf("the error tells the token: %v", err)
			}
		case token == nil:
			if oauth.Code == "" {
				t.Error("neither a token, nor an OAuth error, nor an error")
			}
		default:
			if life := token.Expiry().Sub(sent); life <= 0 || life > longestLife {
				t.Errorf("a token that lasts %v", life)
			}
			header := http.Header{"Authorization": token.AuthorizationHeader()}
			if err := header.Write(discard{t}); err != nil || token.AccessToken() == "" {
				t.Errorf("a token that no header can hold: %v", err)
			}
		}
	})
}

// discard wants one header line.
type discard struct{ t *testing.T }

func (d discard) Write(p []byte) (int, error) { return d.WriteString(string(p)) }

func (d discard) WriteString(s string) (int, error) {
	if s != "\r\n" && strings.ContainsAny(s, "\r\n") {
		d.t.Errorf("a header of several lines: %q", s)
	}
	return len(s), nil
}

func FuzzOAuthError(f *testing.F) {
	src := fuzzSource(f)
	const signature = "c2lnbmF0dXJlLW9mLXRoZS1hc3NlcnRpb24"
	a := &assertion{jwt: "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJjbGllbnQifQ." + signature, alg: "ES256", kid: "k", aud: "https://auth.example/token"}
	endpoint := &url.URL{Scheme: "https", Host: "auth.example", Path: "/token", RawQuery: "code=" + fuzzPassword}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		// A server can quote what it was sent.
		body = []byte(strings.NewReplacer("{jwt}", a.jwt, "{signature}", signature, "{query}", endpoint.RawQuery).Replace(string(body)))
		e := src.refusal(&reply{status: status, header: http.Header{}, body: body, at: time.Now()}, endpoint, a)
		if len(e.Code) > 64 || len(e.Description) > 256 {
			t.Errorf("%d bytes of code and %d of description", len(e.Code), len(e.Description))
		}
		for _, text := range []string{e.Code, e.Description} {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q is not fit to be shown", text)
			}
		}
		for _, secret := range []string{a.jwt, signature, fuzzPassword} {
			if strings.Contains(e.Error(), secret) {
				t.Errorf("%v tells %q", e, secret)
			}
		}
		if e.Kind < Temporary || e.Kind > Permanent {
			t.Errorf("kind %d", e.Kind)
		}
		if e.Kind == Permanent && e.again {
			t.Error("a permanent failure would be tried again")
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value, date string) {
		wait := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if wait < 0 || wait > longestCoolDown {
			t.Errorf("Retry-After %q with Date %q is %v", value, date, wait)
		}
		if bare := retryAfter(http.Header{"Retry-After": {value}}, now); bare < 0 || bare > longestCoolDown {
			t.Errorf("Retry-After %q without Date is %v", value, bare)
		}
	})
}

func FuzzDate(f *testing.F) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, date, age string) {
		resp := &reply{header: http.Header{"Date": {date}, "Age": {age}}, at: now}
		d := peer.Date(resp.header)
		if age != "" && !d.IsZero() {
			t.Error("the Date of what a cache kept was taken for the server's clock")
		}
		off := clockOff(resp, &assertion{clock: now, at: now})
		if off.Abs() > clockFarthest || off != 0 && off.Abs() <= clockTolerance || off != 0 && d.IsZero() {
			t.Errorf("Date %q would move the clock by %v", date, off)
		}
	})
}

// Whatever is read as a key signs, and what is not is not quoted.
func FuzzPEM(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, kid string) {
		signer, err := ParseKey(data, kid)
		if err != nil {
			for _, line := range strings.Fields(string(data)) {
				if len(line) >= 32 && strings.Contains(err.Error(), line) {
					t.Errorf("the error quotes the file: %v", err)
				}
			}
			return
		}
		if kid != "" && signer.KeyID() != kid || signer.KeyID() == "" {
			t.Errorf("kid %q, want %q", signer.KeyID(), kid)
		}
		if _, err := Thumbprint(signer.Public()); err != nil {
			t.Error(err)
		}
		for _, alg := range signer.Algorithms() {
			if signature, err := signer.Sign(t.Context(), alg, []byte("x")); err != nil || len(signature) == 0 {
				t.Errorf("%s: %v", alg, err)
			}
		}
	})
}
