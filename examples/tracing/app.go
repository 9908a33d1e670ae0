package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// app is the application: it makes FHIR calls at a sandbox, in spans of its own.
type app struct {
	*smarttest.Server
	source *smartauth.Source
	client *http.Client
	tracer trace.Tracer
}

func newApp(tel *telemetry, sandbox smarttest.Options, observer smartauth.Observer) (*app, error) {
	srv, err := smarttest.Start(sandbox)
	if err != nil {
		return nil, err
	}
	srv.Fail(smarttest.Discovery, smarttest.Fault{Delay: 15 * time.Millisecond})
	srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 30 * time.Millisecond})
	srv.Fail(smarttest.FHIR, smarttest.Fault{Delay: 15 * time.Millisecond})

	config := srv.NewClient(smarttest.ClientOptions{})
	config.Observer = observer
	source, err := smartauth.New(config)
	if err != nil {
		srv.Close()
		return nil, err
	}
	// otelhttp is below the authentication: one span for each time that a request is sent, the 401 included.
	base := &http.Client{Transport: otelhttp.NewTransport(srv.Transport(), otelhttp.WithTracerProvider(tel.traces),
		otelhttp.WithMeterProvider(tel.meters), otelhttp.WithPropagators(propagation.TraceContext{}))}
	return &app{srv, source, smarthttp.NewClient(source, base), tel.traces.Tracer("tracing")}, nil
}

// read makes one FHIR call.
func (a *app) read(ctx context.Context) (err error) {
	ctx, span := a.tracer.Start(ctx, "read patients")
	defer func() {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}()
	return a.get(ctx, a.BaseURL()+"/Patient?_count=2")
}

func (a *app) get(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return a.do(r)
}

func (a *app) do(r *http.Request) error {
	resp, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
