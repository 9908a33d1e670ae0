package main

import (
	"context"
	"fmt"
	"net/http"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

const task = `{"resourceType":"Task","status":"ready","intent":"order"}`

// sandbox tells the whole story against servers in this process.
func sandbox(ctx context.Context, story *story) error {
	story.say("SANDBOX: the servers run in this process, the patients are made up, and nothing leaves this machine.")
	srv, err := smarttest.Start(smarttest.Options{})
	if err != nil {
		return err
	}
	defer srv.Close()

	config := srv.NewClient(smarttest.ClientOptions{}) // BaseURL, ClientID and Signer of a client it has registered
	config.Observer = story
	src, err := smartauth.New(config)
	if err != nil {
		return err
	}
	client := smarthttp.NewClient(src, srv.Client())

	failed := 0
	call := func(name, method, path, body string) {
		if status, err := story.call(ctx, client, name, method, srv.BaseURL()+path, body); err != nil || status >= http.StatusBadRequest {
			failed++
		}
	}
	call("search", http.MethodGet, "/Patient?_count=2", "")
	call("create", http.MethodPost, "/Task", task)
	story.say("The sandbox now revokes every token.")
	srv.RevokeAll()
	call("create", http.MethodPost, "/Task", task)

	counts := srv.Counts()
	story.say("token requests: %d, rejected with 401: %d, failed calls: %d", counts.TokenRequests, counts.FHIRUnauthorized, failed)
	if failed > 0 {
		return fmt.Errorf("%d calls failed", failed)
	}
	return nil
}
