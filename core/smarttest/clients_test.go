package smarttest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestUnknownClients(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{InMemory: true})
	for name, call := range map[string]func(){
		"SetApproved": func() { s.SetApproved("nobody", true) },
		"SetRole":     func() { s.SetRole("nobody", "system/*.rs") },
		"RotateKey":   func() { s.RotateKey("nobody") },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, name) || !strings.Contains(text, `"nobody"`) {
					t.Errorf("%s: %s", name, text)
				}
			}()
			call()
		}()
	}
}

func acquire(config smartauth.Config) (*smartauth.Token, error) {
	src, err := smartauth.New(config)
	if err != nil {
		return nil, err
	}
	return src.Token(context.Background())
}

func TestRotationKeepsTheKind(t *testing.T) {
	for _, profile := range []smarttest.Profile{smarttest.Koppeltaal, smarttest.SMART} {
		for name, c := range map[string]struct {
			options smarttest.ClientOptions
			jwks    int // requests for keys
			alg     string
		}{
			"EC":  {smarttest.ClientOptions{}, 1, "ES"},
			"RSA": {smarttest.ClientOptions{RSA: true}, 1, "RS"},
			"PEM": {smarttest.ClientOptions{PEM: true}, 0, "RS"},
		} {
			s := smarttest.New(t, smarttest.Options{Profile: profile, InMemory: true})
			config := s.NewClient(c.options)
			old := config
			config.Signer = s.RotateKey(config.ClientID)
			if _, err := acquire(config); err != nil {
				t.Errorf("%v, %s: the new key: %v", profile, name, err)
			}
			if n := s.Counts().JWKS; n != c.jwks {
				t.Errorf("%v, %s: %d requests for keys, want %d", profile, name, n, c.jwks)
			}
			if alg, _ := s.Assertions()[0].Header["alg"].(string); !strings.HasPrefix(alg, c.alg) {
				t.Errorf("%v, %s: the new key signs by %s", profile, name, alg)
			}
			if _, err := acquire(old); err == nil {
				t.Errorf("%v, %s: the old key still works", profile, name)
			}
		}
	}
}

func TestNewClientGoesByTheAlgorithms(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART, InMemory: true, Algorithms: []string{alg}})
		config := s.NewClient(smarttest.ClientOptions{})
		if _, err := acquire(config); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		config.Signer = s.RotateKey(config.ClientID)
		if _, err := acquire(config); err != nil {
			t.Errorf("%s, rotated: %v", alg, err)
		}
	}
}

func TestScopesAreCopied(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART, InMemory: true})
	scopes := []string{"system/Patient.rs"}
	config := s.NewClient(smarttest.ClientOptions{Scopes: scopes})
	other := config
	other.Scopes = append([]string(nil), config.Scopes...)
	scopes[0], config.Scopes[0] = "system/Task.rs", "system/Task.rs"
	if token, err := acquire(other); err != nil || token.Scope() != "system/Patient.rs" {
		t.Errorf("a change of the caller's changed the role: %v", err)
	}
}
