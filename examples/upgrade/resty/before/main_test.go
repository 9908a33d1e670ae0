package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/examples/upgrade/internal/rehearsal"
)

func TestRehearsal(t *testing.T) {
	got, err := rehearsal.Run(t.Context(), connect)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if row := got.Row("resty, before"); !strings.Contains(string(readme), row) {
		t.Errorf("the README has no row %q", row)
	}
	if got.Slowest < 100*time.Millisecond {
		t.Errorf("a 401 was answered after %v; did it not wait?", got.Slowest)
	}
}

// As the comment says: resty asks the condition about a response that there is not.
func TestPanicsWithoutAToken(t *testing.T) {
	srv := smarttest.New(t, smarttest.Options{})
	srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
	settings, err := rehearsal.Register(srv)
	if err != nil {
		t.Fatal(err)
	}
	client, err := connect(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("there was no panic; the comment can lose a line")
		}
	}()
	_, _ = client.CountPatients(t.Context())
}
