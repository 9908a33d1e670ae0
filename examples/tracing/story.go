package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// story plays one scene after the other and draws the traces of each.
type story struct {
	*telemetry
	*app
	out io.Writer
	svg string

	scenes, traced, calls, failed int
}

func (s *story) tell(ctx context.Context, sandbox smarttest.Options, observer smartauth.Observer) (err error) {
	sandbox.TokenLifetime = 2 * time.Second // for the first token to grow old while we watch
	if s.app, err = newApp(s.telemetry, sandbox, observer); err != nil {
		return err
	}
	defer s.Close()
	defer s.spans.stop()

	for _, scene := range []struct {
		title string
		play  func(context.Context) error
		svg   string
	}{
		{"Cold start: the first call fetches a token", s.once, ""},
		{"Hit: the token is in memory, and there is no span for it", s.once, ""},
		{"Background refresh: the token is near its end; the call goes on with it, and nobody waits", s.backgroundRefresh, ""},
		{"Revocation: the FHIR server answers 401; one new token, and the same request again", s.revocation, s.svg},
		{"Waiters: three callers need a new token; one fetches it, the others' spans are linked to that", s.waiters, ""},
		{"Outage: the token is revoked and the authorization server is down", s.outage, ""},
		{"And up again", s.recovery, ""},
	} {
		s.scenes++
		_, _ = fmt.Fprintf(s.out, "\n%d. %s\n", s.scenes, scene.title)
		if err := scene.play(ctx); err != nil {
			return err
		}
		if err := s.draw(scene.title, scene.svg); err != nil {
			return err
		}
	}
	counts := s.Counts()
	_, err = fmt.Fprintf(s.out, "\ntraces: %d, FHIR calls: %d, rejected with 401: %d, failed calls: %d, token requests: %d\n",
		s.traced, s.calls, counts.FHIRUnauthorized, s.failed, counts.TokenRequests)
	return err
}

// draw draws what has happened since the last time, to a file too if one is named.
func (s *story) draw(title, file string) error {
	chart := newChart(s.spans.take())
	s.traced += len(chart.traces)
	if s.exported {
		chart.printIDs(s.out)
	} else {
		chart.print(s.out)
	}
	if file == "" {
		return nil
	}
	return os.WriteFile(file, chart.svg(title), 0o644)
}

// call makes n calls at once, of which none may fail.
func (s *story) call(ctx context.Context, n int) error {
	s.calls += n
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = s.read(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *story) once(ctx context.Context) error { return s.call(ctx, 1) }

func (s *story) backgroundRefresh(ctx context.Context) error {
	s.SetTokenLifetime(300 * time.Second)
	old := s.source.Stats().Expiry
	// A refresh is due between 75 and 85 % of the token's life.
	if err := sleep(ctx, time.Until(old.Add(-200*time.Millisecond))); err != nil {
		return err
	}
	if err := s.call(ctx, 1); err != nil {
		return err
	}
	for s.source.Stats().Expiry.Equal(old) {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) revocation(ctx context.Context) error {
	s.RevokeAll()
	return s.call(ctx, 1)
}

func (s *story) waiters(ctx context.Context) error {
	s.RevokeAll()
	return s.call(ctx, 3)
}

// outage makes the one call of the story that fails.
func (s *story) outage(ctx context.Context) error {
	if err := s.SetDown(smarttest.AuthServer, true); err != nil {
		return err
	}
	s.RevokeAll()
	err := s.call(ctx, 1)
	var auth *smartauth.Error
	if !errors.As(err, &auth) {
		return fmt.Errorf("a call without a token ended with %w", err)
	}
	s.failed++
	return sleep(ctx, time.Until(auth.RetryAt)) // until then callers get the error at once
}

func (s *story) recovery(ctx context.Context) error {
	if err := s.SetDown(smarttest.AuthServer, false); err != nil {
		return err
	}
	return s.call(ctx, 1)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
