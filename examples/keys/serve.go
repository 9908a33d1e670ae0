package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// In earnest these are minutes, half a minute and five minutes. Seconds end sooner.
const (
	maxAge        = time.Second
	reload        = 100 * time.Millisecond
	tokenLifetime = time.Second
)

const clientID = "rotating-client"

// serve rotates the keys of a client twice and withdraws one, while requests go on.
func serve(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		return errUsage
	}
	dir, err := os.MkdirTemp("", "smartauth-keys-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	story := newStory(out)
	first, err := story.addKey(dir, "a.pem")
	if err != nil {
		return err
	}
	ring, err := jwks.NewRing(jwks.RingConfig{
		Load: jwks.Directory(dir, nil), MaxAge: maxAge, ReloadInterval: reload, OnError: story.loading,
	})
	if err != nil {
		return err
	}

	srv, err := smarttest.Start(smarttest.Options{TokenLifetime: tokenLifetime})
	if err != nil {
		return err
	}
	defer srv.Close()
	// Koppeltaal reads the JWKS for each token request. The cache makes it harder: other servers keep it for its max-age.
	srv.RegisterJWKSHandler(clientID, cached(jwks.Handler(ring, ring.MaxAge())))
	src, err := smartauth.New(smartauth.Config{
		BaseURL: srv.BaseURL(), ClientID: clientID, Signer: ring, HTTPClient: srv.Client(), Observer: story,
	})
	if err != nil {
		return err
	}
	story.say("SANDBOX: the servers run in this process, the patients are made up, and nothing leaves this machine.")
	story.say("JWKS: %s, behind a cache that keeps it for %v", srv.JWKSURL(clientID), maxAge)

	load := startLoad(ctx, smarthttp.NewClient(src, srv.Client()), srv.BaseURL()+"/Patient?_count=1")
	rotations, err := story.rotate(ctx, dir, first)
	requests, failures := load.stop()
	counts := srv.Counts()
	story.say("tokens: %d, refused assertions: %d, JWKS read: %d times", counts.TokensIssued, counts.TokensRefused, counts.JWKS)
	story.say("requests: %d, rotations: %d, failures: %d", requests, rotations, failures)
	if err == nil && failures+counts.TokensRefused > 0 {
		err = fmt.Errorf("%d requests failed, and %d assertions were refused", failures, counts.TokensRefused)
	}
	return err
}

// rotate brings in two more keys, one after the other, and withdraws the last. It returns how often the key that signs has
// made way for a newer one.
func (s *story) rotate(ctx context.Context, dir, first string) (rotations int, err error) {
	if err := s.signedBy(ctx, first); err != nil {
		return 0, err
	}
	before, last := first, first
	for _, name := range []string{"b.pem", "c.pem"} {
		before = last
		if last, err = s.addKey(dir, name); err != nil {
			return rotations, err
		}
		s.at("%s is there: published at once, it signs when every cache must know it", name)
		if err := s.signedBy(ctx, last); err != nil {
			return rotations, err
		}
		rotations++
	}
	if err := os.WriteFile(filepath.Join(dir, "c.pem.compromised"), nil, 0o600); err != nil {
		return rotations, err
	}
	s.at("c.pem is compromised: withdrawn at once, and the one before, still published, signs again")
	return rotations, s.signedBy(ctx, before)
}
