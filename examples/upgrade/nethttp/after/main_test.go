package main

import (
	"os"
	"strings"
	"testing"

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
	if row := got.Row("net/http, after"); !strings.Contains(string(readme), row) {
		t.Errorf("the README has no row %q", row)
	}
}
