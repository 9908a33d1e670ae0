package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

const ahead = 20 * time.Second

// weather is all that can happen to a client, so that each panel of the dashboard and each alert has something to show. It
// repeats itself.
var weather = []struct {
	at   time.Duration
	what string
	do   func(*smarttest.Server) error
}{
	{time.Second, "all tokens are revoked", func(s *smarttest.Server) error { s.RevokeAll(); return nil }},
	{3 * time.Second, "the FHIR server refuses every token", func(s *smarttest.Server) error { s.AlwaysUnauthorized(true); return nil }},
	{5 * time.Second, "the FHIR server takes tokens again", func(s *smarttest.Server) error { s.AlwaysUnauthorized(false); return nil }},
	{6 * time.Second, "the authorization server's clock is 20 s ahead", func(s *smarttest.Server) error { s.SetClockOffset(smarttest.AuthServer, ahead); return nil }},
	{12 * time.Second, "the clock is right again", func(s *smarttest.Server) error { s.SetClockOffset(smarttest.AuthServer, 0); return nil }},
	{13 * time.Second, "the authorization server is down", func(s *smarttest.Server) error { return s.SetDown(smarttest.AuthServer, true) }},
	{22 * time.Second, "the authorization server is up again", func(s *smarttest.Server) error { return s.SetDown(smarttest.AuthServer, false) }},
	{25 * time.Second, "", nil},
}

// goOn makes calls for a while, in all weathers.
func goOn(ctx context.Context, d time.Duration, tel *telemetry, sandbox smarttest.Options, observer smartauth.Observer, out io.Writer) error {
	sandbox.TokenLifetime = 5 * time.Second
	a, err := newApp(tel, sandbox, observer)
	if err != nil {
		return err
	}
	defer a.Close()
	// Its tokens would otherwise be from the future for this server, when those of the other are.
	a.SetClockOffset(smarttest.FHIRServer, ahead)

	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var callers sync.WaitGroup
	defer callers.Wait()
	for range 3 {
		callers.Go(func() { a.every(ctx, 100*time.Millisecond, a.read) })
	}
	callers.Go(func() { a.every(ctx, time.Second, a.withoutBearer) })

	for {
		round := time.Now()
		for _, w := range weather {
			if sleep(ctx, time.Until(round.Add(w.at))) != nil {
				return nil
			}
			if w.do == nil {
				continue
			}
			_, _ = fmt.Fprintf(out, "  %s\n", w.what)
			if err := w.do(a.Server); err != nil {
				return err
			}
		}
	}
}

// every makes calls until ctx ends. That some fail is what the metrics are to show.
func (a *app) every(ctx context.Context, pause time.Duration, call func(context.Context) error) {
	for sleep(ctx, pause) == nil {
		_ = call(ctx)
	}
}

// withoutBearer makes calls that go without the token, for each reason there is but a redirect.
func (a *app) withoutBearer(ctx context.Context) error {
	_ = a.get(smarthttp.WithoutBearer(ctx), a.BaseURL()+"/metadata")
	_ = a.get(ctx, a.AuthOrigin()+"/elsewhere")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.BaseURL()+"/metadata", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Basic bWFkZTp1cA==")
	return a.do(r)
}
