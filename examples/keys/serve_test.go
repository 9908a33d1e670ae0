package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Two rotations and a withdrawal, in order, and no request fails.
func TestServe(t *testing.T) {
	code, out, errOut := keys(t, "serve")
	if code != 0 || errOut != "" {
		t.Fatalf("exit %d: %s\n%s", code, errOut, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.Contains(lines[0], "SANDBOX") {
		t.Errorf("the first line is %q", lines[0])
	}
	if last := lines[len(lines)-1]; !regexp.MustCompile(`^requests: [1-9]\d+, rotations: 2, failures: 0$`).MatchString(last) {
		t.Errorf("the last line is %q", last)
	}
	if tokens := lines[len(lines)-2]; !strings.Contains(tokens, "refused assertions: 0,") {
		t.Errorf("the line before is %q", tokens)
	}
	var steps []string
	for _, m := range regexp.MustCompile(`(\w)\.pem .*?(is there|signs, by|is compromised)|(c)\.pem (is compromised)`).FindAllStringSubmatch(out, -1) {
		steps = append(steps, m[1]+m[3]+" "+m[2]+m[4])
	}
	if got, want := strings.Join(steps, ", "), "a signs, by, b is there, b signs, by, c is there, c signs, by, c is compromised, b signs, by"; got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
}

// The cache makes haste fail: a key that signs as soon as it is there is refused until the cache reads the JWKS again.
func TestHasteIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // making a key takes as long as it likes, and the cache keeps what it has
		dir := t.TempDir()
		story := newStory(t.Output())
		if _, err := story.addKey(dir, "a.pem"); err != nil {
			t.Fatal(err)
		}
		ring, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir, nil), MaxAge: maxAge, ReloadInterval: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		srv := smarttest.New(t, smarttest.Options{InMemory: true})
		srv.RegisterJWKSHandler(clientID, cached(jwks.Handler(ring, ring.MaxAge())))
		token := func() error {
			src, err := smartauth.New(smartauth.Config{BaseURL: srv.BaseURL(), ClientID: clientID, Signer: ring, HTTPClient: srv.Client()})
			if err != nil {
				t.Fatal(err)
			}
			_, err = src.Token(t.Context())
			return err
		}
		if err := token(); err != nil {
			t.Fatal(err)
		}

		hasty, err := story.addKey(dir, "b.pem")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "a.pem.compromised"), nil, 0o600); err != nil { // the one good reason for haste
			t.Fatal(err)
		}
		time.Sleep(time.Nanosecond)
		if ring.KeyID() != hasty {
			t.Fatalf("%s signs, want the new key", ring.KeyID())
		}
		if err := token(); err == nil {
			t.Error("a key that the cache does not know was accepted")
		}
		time.Sleep(maxAge)
		if err := token(); err != nil {
			t.Errorf("once the cache knows it: %v", err)
		}
	})
}
