package smarthttp_test

import (
	"fmt"
	"log"
	"net/http"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func ExampleNewClient() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for your server
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	src, err := smartauth.New(srv.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		log.Fatal(err)
	}

	client := smarthttp.NewClient(src, &http.Client{Timeout: 30 * time.Second})
	for range 2 {
		resp, err := client.Get(srv.BaseURL() + "/Patient?_count=1")
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		fmt.Println(resp.Status)
		srv.RevokeAll() // the second request meets a 401, and nobody notices
	}
	client.CloseIdleConnections()
	fmt.Println("token requests:", srv.Counts().TokenRequests)
	// Output:
	// 200 OK
	// 200 OK
	// token requests: 2
}
