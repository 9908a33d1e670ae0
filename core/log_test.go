package smartauth_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestLogObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		srv := smarttest.New(t, smarttest.Options{InMemory: true})
		cfg := srv.NewClient(smarttest.ClientOptions{ID: "app"})
		cfg.Observer = smartauth.NewLogObserver(logger)
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		lines := func() []string {
			synctest.Wait()
			text := strings.TrimSpace(out.String())
			out.Reset()
			if text == "" {
				return nil
			}
			return strings.Split(text, "\n")
		}
		expect := func(event string, want ...string) {
			t.Helper()
			got := lines()
			if len(got) != len(want) {
				t.Fatalf("%s: %d lines, want %d: %q", event, len(got), len(want), got)
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) || !strings.Contains(got[i], "fhir_server="+srv.BaseURL()) {
					t.Errorf("%s: %q, want a word about %q, and the server", event, got[i], want[i])
				}
			}
		}
		token := func() { _, _ = src.Token(t.Context()) }

		token()
		token()
		expect("all is well")

		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		time.Sleep(301 * time.Second)
		for range 3 {
			token()
			time.Sleep(3 * time.Second)
		}
		expect("failing", `level=WARN msg="no access token: calls fail" `)
		srv.Clear()
		token()
		expect("recovered", "level=INFO")

		srv.SetClockOffset(smarttest.AuthServer, time.Hour)
		time.Sleep(301 * time.Second)
		token()
		expect("clock off", "offset=")
		srv.SetClockOffset(smarttest.AuthServer, 0)
		time.Sleep(301 * time.Second)
		token()
		expect("clock right", "level=INFO")

		srv.SetRole("app")
		for range 2 {
			time.Sleep(301 * time.Second)
			token()
		}
		expect("no role", `level=WARN msg="the token has no scope`)

		for range 2 {
			src.BearerSkipped(t.Context(), smartauth.BearerSkipped{Reason: smartauth.SkipOwnAuthorization})
			src.BearerSkipped(t.Context(), smartauth.BearerSkipped{Reason: smartauth.SkipForeignOrigin})
		}
		expect("skipped", "level=WARN", "level=DEBUG")
		another, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		another.BearerSkipped(t.Context(), smartauth.BearerSkipped{Reason: smartauth.SkipOwnAuthorization})
		expect("skipped by another", "level=WARN")
	})
}
