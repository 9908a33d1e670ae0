package smartauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// The assertions of an acquisition and those that are made for other requests have the same typ.
func TestAssertionTyp(t *testing.T) {
	for typ, want := range map[string]string{"": "JWT", "JWT": "JWT", "client-authentication+jwt": "client-authentication+jwt"} {
		t.Run(want, func(t *testing.T) {
			srv, src := sandboxWith(t, smarttest.Options{}, func(c *smartauth.Config) { c.AssertionTyp = typ })
			if _, err := src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := srv.Assertions()[0].Header; got["typ"] != want || len(got) != 3 {
				t.Errorf("header %v, want typ %s, alg and kid", got, want)
			}

			jwt, err := src.Assertion(t.Context(), srv.TokenURL())
			if err != nil {
				t.Fatal(err)
			}
			text, _, _ := strings.Cut(jwt, ".")
			data, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			var header map[string]any
			if err := json.Unmarshal(data, &header); err != nil || header["typ"] != want {
				t.Errorf("%v: header %v, want typ %s", err, header, want)
			}
		})
	}
}

// A strict SMART server refuses any other typ than JWT, and the text then says what to set.
func TestAssertionTypOfAnotherServer(t *testing.T) {
	_, src := sandboxWith(t, smarttest.Options{Profile: smarttest.SMART}, func(c *smartauth.Config) {
		c.AssertionTyp = "client-authentication+jwt"
	})
	_, err := src.Token(t.Context())
	var e *smartauth.Error
	if !errors.As(err, &e) || e.Code != "invalid_client" || !strings.Contains(err.Error(), "leave Config.AssertionTyp empty") {
		t.Errorf("error %v, want a refusal that mentions Config.AssertionTyp", err)
	}
}
