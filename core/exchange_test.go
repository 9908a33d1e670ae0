package smartauth

import (
	"errors"
	"testing"
	"time"
)

func TestParseToken(t *testing.T) {
	sent := time.Now()
	for _, c := range []struct {
		name, body string
		life       time.Duration // 0: an error is wanted
		unusable   bool
	}{
		{"plain", `{"access_token":"t","token_type":"Bearer","expires_in":300}`, 300 * time.Second, false},
		{"expires_in as a string", `{"access_token":"t","token_type":"bearer","expires_in":"300"}`, 300 * time.Second, false},
		{"expires_in with exponent", `{"access_token":"t","token_type":"BEARER","expires_in":1e3}`, 1000 * time.Second, false},
		{"expires_in with fraction", `{"access_token":"t","token_type":"bearer","expires_in":0.5}`, 500 * time.Millisecond, false},
		{"expires_in absent", `{"access_token":"t","token_type":"bearer"}`, 300 * time.Second, false},
		{"expires_in null", `{"access_token":"t","token_type":"bearer","expires_in":null}`, 300 * time.Second, false},
		{"expires_in of a million years", `{"access_token":"t","token_type":"bearer","expires_in":1e300}`, 24 * time.Hour, false},
		{"expires_in beyond a float", `{"access_token":"t","token_type":"bearer","expires_in":1e999}`, 24 * time.Hour, false},
		{"token_type absent", `{"access_token":"t","expires_in":300}`, 300 * time.Second, false},
		{"scope as a list", `{"access_token":"t","token_type":"bearer","expires_in":300,"scope":["a","b"]}`, 300 * time.Second, false},
		{"error that is none", `{"access_token":"t","token_type":"bearer","expires_in":300,"error":false}`, 300 * time.Second, false},
		{"access_token an object", `{"access_token":{},"token_type":"bearer"}`, 0, false},
		{"further members", `{"access_token":"t","token_type":"bearer","patient":"x","expires_in":300}`, 300 * time.Second, false},
		{"expires_in negative", `{"access_token":"t","token_type":"bearer","expires_in":-1}`, 0, false},
		{"expires_in zero", `{"access_token":"t","token_type":"bearer","expires_in":0}`, 0, false},
		{"expires_in below a nanosecond", `{"access_token":"t","token_type":"bearer","expires_in":1e-300}`, 0, false},
		{"expires_in in words", `{"access_token":"t","token_type":"bearer","expires_in":"soon"}`, 0, false},
		{"expires_in NaN", `{"access_token":"t","token_type":"bearer","expires_in":"NaN"}`, 0, false},
		{"expires_in an object", `{"access_token":"t","token_type":"bearer","expires_in":{}}`, 0, false},
		{"access_token absent", `{"token_type":"bearer"}`, 0, false},
		{"access_token empty", `{"access_token":"","token_type":"bearer"}`, 0, false},
		{"NOOP", `{"access_token":"NOOP","token_type":"bearer"}`, 0, true},
		{"a line break in the token", `{"access_token":"a\r\nX: b","token_type":"bearer"}`, 0, true},
		{"a space in the token", `{"access_token":"a b","token_type":"bearer"}`, 0, true},
		{"DEL in the token", `{"access_token":"a\u007f","token_type":"bearer"}`, 0, true},
		{"more than ASCII in the token", `{"access_token":"é","token_type":"bearer"}`, 0, true},
		{"DPoP", `{"access_token":"t","token_type":"DPoP"}`, 0, true},
		{"mac", `{"access_token":"t","token_type":"mac"}`, 0, true},
		{"HTML", `<html>`, 0, false},
		{"empty", ``, 0, false},
		{"truncated", `{"access_token":"t","token_`, 0, false},
		{"array", `[]`, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, oauth, err := parseToken([]byte(c.body), sent)
			if oauth.Code != "" {
				t.Errorf("OAuth error %q", oauth.Code)
			}
			if c.life == 0 {
				if err == nil {
					t.Fatalf("got %v, want an error", token)
				}
				if errors.Is(err, errUnusable) != c.unusable {
					t.Errorf("error %v, unusable: want %v", err, c.unusable)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := token.Expiry().Sub(sent); got != c.life {
				t.Errorf("lives %v, want %v", got, c.life)
			}
		})
	}
}

func TestMetadataForgivesUnneededMembers(t *testing.T) {
	m, err := parseConfiguration([]byte(`{"scopes_supported":"system/*.rs","issuer":7,"token_endpoint":"https://auth.example.nl/token"}`))
	if err != nil || m.TokenEndpoint != "https://auth.example.nl/token" {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := parseConfiguration([]byte(`{"token_endpoint":["https://auth.example.nl/token"]}`)); err == nil {
		t.Error("a list was taken for the token endpoint")
	}
}
