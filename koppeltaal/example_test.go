package koppeltaal_test

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// The requests of a handler are in the trace of the request that it serves, and so is the token request that they set off.
func ExampleTraceTransport() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for Koppeltaal
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	config := srv.NewClient(smarttest.ClientOptions{})

	config.Observer = koppeltaal.NewTraceObserver()
	src, err := smartauth.New(config)
	if err != nil {
		log.Fatal(err)
	}
	transport := &koppeltaal.TraceTransport{Base: http.DefaultTransport}
	client := smarthttp.NewClient(src, &http.Client{Transport: transport})
	handler := koppeltaal.TraceMiddleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get, err := http.NewRequestWithContext(r.Context(), http.MethodGet, srv.BaseURL()+"/Patient/patient-1", nil)
		if err != nil {
			log.Fatal(err)
		}
		resp, err := client.Do(get)
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
	}))

	notification := httptest.NewRequest(http.MethodPost, "/notifications", nil)
	notification.Header.Set(koppeltaal.HeaderRequestID, "request-of-the-notification")
	notification.Header.Set(koppeltaal.HeaderTraceID, "trace-of-the-change")
	handler.ServeHTTP(httptest.NewRecorder(), notification)

	for _, r := range srv.Requests(smarttest.TokenEndpoint, smarttest.FHIR) {
		fmt.Println(r.Endpoint, r.Header.Get(koppeltaal.HeaderCorrelationID), r.Header.Get(koppeltaal.HeaderTraceID))
	}
	// Output:
	// TokenEndpoint request-of-the-notification trace-of-the-change
	// FHIR request-of-the-notification trace-of-the-change
}

func ExampleNewTrace() {
	job := koppeltaal.NewTrace(context.Background()) // begins with nothing that has caused it
	fmt.Println(len(koppeltaal.TraceFrom(job).TraceID), koppeltaal.TraceFrom(job).RequestID == "")

	searched := http.Header{koppeltaal.HeaderRequestID: {"request-of-the-search"}} // of the response to a request made with job
	found := koppeltaal.CausedBy(job, searched)
	fmt.Println(koppeltaal.TraceFrom(found).RequestID, koppeltaal.TraceFrom(found).TraceID == koppeltaal.TraceFrom(job).TraceID)
	// Output:
	// 36 true
	// request-of-the-search true
}

func ExampleClient_Launch() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for Koppeltaal
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	src, err := smartauth.New(srv.NewClient(smarttest.ClientOptions{ID: "my-app"}))
	if err != nil {
		log.Fatal(err)
	}

	launches := &koppeltaal.Client{Source: src}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		launch, err := launches.Launch(r.Context(), r.PostFormValue("launch"))
		switch {
		case errors.Is(err, koppeltaal.ErrNotALaunch):
			http.Error(w, "start again from the portal", http.StatusForbidden)
		case err != nil:
			http.Error(w, "try again later, from the portal", http.StatusBadGateway)
		default:
			_, _ = fmt.Fprint(w, launch.Subject, " launches ", launch.Resource)
		}
	})

	form := url.Values{"launch": {srv.LaunchToken("my-app", nil)}, "iss": {srv.BaseURL()}}.Encode()
	for range 2 { // as of a user who reloads the page
		posted := httptest.NewRequest(http.MethodPost, "/launch", strings.NewReader(form))
		posted.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		page := httptest.NewRecorder()
		handler.ServeHTTP(page, posted)
		fmt.Println(page.Code, strings.TrimSpace(page.Body.String()))
	}
	// Output:
	// 200 Patient/patient-1 launches Task/task-1
	// 403 start again from the portal
}

func ExampleClient_Authorize() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for Koppeltaal
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	src, err := smartauth.New(srv.NewClient(smarttest.ClientOptions{ID: "my-app"}))
	if err != nil {
		log.Fatal(err)
	}
	launches := &koppeltaal.Client{Source: src}
	ctx := context.Background()

	// The portal has posted a launch: keep the authorization, and send the page.
	authorization, err := launches.Authorize(ctx, srv.LaunchToken("my-app", nil), "https://my-app.example.nl/callback")
	if err != nil {
		log.Fatal(err)
	}
	var session strings.Builder
	if err := gob.NewEncoder(&session).Encode(authorization); err != nil {
		log.Fatal(err)
	}
	if err := authorization.WriteForm(io.Discard, "nonce of the Content-Security-Policy"); err != nil {
		log.Fatal(err)
	}
	callback := browser(authorization)

	// The browser is back.
	var kept koppeltaal.Authorization
	if err := gob.NewDecoder(strings.NewReader(session.String())).Decode(&kept); err != nil {
		log.Fatal(err)
	}
	launch, err := launches.ExchangeCode(ctx, &kept, callback.Get("code"), callback.Get("state"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(launch.Subject, "launches", launch.Resource)
	// Output: Patient/patient-1 launches Task/task-1
}

// browser posts the form, and returns the query that the browser is sent back with.
func browser(a *koppeltaal.Authorization) url.Values {
	r, err := http.NewRequest(http.MethodPost, a.Endpoint, strings.NewReader(a.Fields().Encode()))
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		log.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		log.Fatal(err)
	}
	return back.Query()
}
