package smartretryable_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/hashicorp/go-retryablehttp"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func ExampleAttach() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for your server
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	config := srv.NewClient(smarttest.ClientOptions{}) // base URL, client id and key

	// The client as it was, with its settings and hooks.
	client := retryablehttp.NewClient()
	client.RetryMax, client.Logger = 2, nil
	client.ResponseLogHook = func(_ retryablehttp.Logger, resp *http.Response) {
		fmt.Println(resp.Request.Method, resp.Status)
	}

	// The two lines.
	src, err := smartauth.New(config)
	if err != nil {
		log.Fatal(err)
	}
	if err := smartretryable.Attach(client, src); err != nil {
		log.Fatal(err)
	}
	defer client.HTTPClient.CloseIdleConnections()

	for range 2 {
		resp, err := client.Get(srv.BaseURL() + "/Patient?_count=1")
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		srv.RevokeAll() // the second request meets a 401, and nobody notices
	}
	fmt.Println("requests:", srv.Counts().FHIR, "token requests:", srv.Counts().TokenRequests)
	// Output:
	// GET 200 OK
	// GET 200 OK
	// requests: 3 token requests: 2
}

// A wrong client id is refused once, and not five times in 15 s.
func ExampleAttach_checkRetry() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for your server
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	config := srv.NewClient(smarttest.ClientOptions{})
	config.ClientID = "another"
	src, err := smartauth.New(config)
	if err != nil {
		log.Fatal(err)
	}

	client := retryablehttp.NewClient()
	client.Logger = nil
	client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if failed, ok := errors.AsType[*smartauth.Error](err); ok && failed.Kind == smartauth.Refused {
			return false, nil
		}
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	if err := smartretryable.Attach(client, src); err != nil { // after CheckRetry
		log.Fatal(err)
	}
	defer client.HTTPClient.CloseIdleConnections()

	_, err = client.Get(srv.BaseURL() + "/Patient?_count=1")
	if failed, ok := errors.AsType[*smartauth.Error](err); ok {
		fmt.Println(failed.Kind, "after", srv.Counts().TokenRequests, "token request")
	}
	// Output:
	// refused after 1 token request
}
