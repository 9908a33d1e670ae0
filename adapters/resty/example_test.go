package smartresty_test

import (
	"fmt"
	"log"
	"time"

	"github.com/go-resty/resty/v2"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
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
	client := resty.New().SetBaseURL(srv.BaseURL()).SetTimeout(30 * time.Second).
		OnAfterResponse(func(_ *resty.Client, resp *resty.Response) error {
			fmt.Println(resp.Request.Method, resp.Status())
			return nil
		})
	defer client.GetClient().CloseIdleConnections()

	// The two lines.
	src, err := smartauth.New(config)
	if err != nil {
		log.Fatal(err)
	}
	if err := smartresty.Attach(client, src); err != nil {
		log.Fatal(err)
	}

	for range 2 {
		if _, err := client.R().Get("/Patient?_count=1"); err != nil {
			log.Fatal(err)
		}
		srv.RevokeAll() // the second request meets a 401, and nobody notices
	}
	fmt.Println("requests:", srv.Counts().FHIR, "token requests:", srv.Counts().TokenRequests)
	// Output:
	// GET 200 OK
	// GET 200 OK
	// requests: 3 token requests: 2
}
