package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

// realServer connects to the server that the environment names.
func realServer(ctx context.Context, env smartenv.Env, story *story) error {
	story.say("Server: %s", env.Config.BaseURL)
	env.Config.Observer = story
	src, err := smartauth.New(env.Config)
	if err != nil {
		return err
	}
	token, err := src.Token(ctx)
	if err != nil {
		return err
	}
	story.say("granted scope: %s", granted(token.Scope()))

	client := smarthttp.NewClient(src, nil)
	status, err := story.call(ctx, client, "read", http.MethodGet, strings.TrimSuffix(src.BaseURL(), "/")+"/"+env.ReadPath, "")
	switch {
	case err != nil:
		return err
	case status == http.StatusForbidden:
		return fmt.Errorf("the token is good, but the client may not read %s: check its role or %s, or name another path in %s",
			env.ReadPath, smartenv.Scopes, smartenv.ReadPath)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("the FHIR server refuses a token that was just issued: do %s and its authorization server belong together?", smartenv.BaseURL)
	case status >= http.StatusBadRequest:
		return fmt.Errorf("the FHIR server answered %d to %s; another path can be named in %s", status, env.ReadPath, smartenv.ReadPath)
	}
	return nil
}

func granted(scope string) string {
	if scope == "" {
		return "(none named: at Koppeltaal this means that the client has no role)"
	}
	return scope
}
