package otelsmart_test

import (
	"context"
	"fmt"
	"log"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func ExampleNewObserver() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for your server
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	exporter := tracetest.NewInMemoryExporter() // and this for yours
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	cfg := srv.NewClient(smarttest.ClientOptions{})
	cfg.Observer = otelsmart.NewObserver(otelsmart.WithTracerProvider(provider))
	src, err := smartauth.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx, request := provider.Tracer("app").Start(context.Background(), "GET /appointments")
	for range 100 { // one of them has to fetch the token
		if _, err := src.Token(ctx); err != nil {
			log.Fatal(err)
		}
	}
	request.End()

	for _, span := range exporter.GetSpans() { // as they ended
		fmt.Println(span.SpanContext.TraceID() == request.SpanContext().TraceID(), span.Name)
	}
	// Unordered output:
	// true smartauth.discover
	// true smartauth.sign
	// true smartauth.exchange
	// true smartauth.token.acquire
	// true GET /appointments
}

// Beside another Observer, one that logs what an operator should know.
func ExampleNewObserver_log() {
	cfg := smartauth.Config{ /* … */ }
	cfg.Observer = smartauth.MultiObserver(otelsmart.NewObserver(), smartauth.NewLogObserver(nil))
	fmt.Println(cfg.Observer != nil)
	// Output: true
}
