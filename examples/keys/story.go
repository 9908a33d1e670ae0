package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// story prints what happens. As the observer of the token source it sees which key signs.
type story struct {
	begin time.Time

	mu      sync.Mutex
	out     io.Writer
	names   map[string]string // of the keys, by kid
	signing string            // the kid of the last signature
	proven  string            // and of the last that a token was issued for
	changed chan struct{}     // closed when proven changes
}

func newStory(out io.Writer) *story {
	return &story{begin: time.Now(), out: out, names: make(map[string]string), changed: make(chan struct{})}
}

func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}

// at says it with the time since the beginning.
func (s *story) at(format string, args ...any) {
	s.say("%5.2f s  "+format, append([]any{time.Since(s.begin).Seconds()}, args...)...)
}

// loading tells of keys that cannot be loaded, and that they can be again.
func (s *story) loading(err error) {
	if err == nil {
		s.at("the keys can be loaded again")
		return
	}
	s.at("the keys cannot be loaded: %v", err)
}

// addKey makes a key in the ring's directory and returns its kid.
func (s *story) addKey(dir, name string) (kid string, err error) {
	key, err := rsaKey(2048)()
	if err != nil {
		return "", err
	}
	if kid, err = smartauth.Thumbprint(key.Public()); err != nil {
		return "", err
	}
	s.mu.Lock()
	s.names[kid] = fmt.Sprintf("%s (kid %.8s…)", name, kid)
	s.mu.Unlock()
	return kid, writeKey(filepath.Join(dir, name), key)
}

// signedBy waits until a token was issued for a signature of a key: nothing signed by another is on its way then.
func (s *story) signedBy(ctx context.Context, kid string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		s.mu.Lock()
		proven, changed := s.proven, s.changed
		s.mu.Unlock()
		if proven == kid {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("no token was issued for a signature of the key %s: %w", kid, ctx.Err())
		}
	}
}

// PhaseStart implements smartauth.Observer.
func (s *story) PhaseStart(ctx context.Context, _ smartauth.PhaseStart) context.Context { return ctx }

// PhaseEnd implements smartauth.Observer.
func (s *story) PhaseEnd(_ context.Context, end smartauth.PhaseEnd) {
	if end.Err != nil {
		return
	}
	switch end.Phase {
	case smartauth.PhaseSign:
		s.signed(end.KeyID, end.Algorithm)
	case smartauth.PhaseExchange:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.proven != s.signing {
			s.proven = s.signing
			close(s.changed)
			s.changed = make(chan struct{})
		}
	}
}

func (s *story) signed(kid, alg string) {
	s.mu.Lock()
	changed, name := s.signing != kid, s.names[kid]
	s.signing = kid
	s.mu.Unlock()
	if changed {
		s.at("%s signs, by %s", name, alg)
	}
}
