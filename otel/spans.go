package otelsmart

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Our own attributes. Those that metrics have too are of low cardinality.
const (
	keyGrantType = attribute.Key("smartauth.grant_type")       // on metrics
	keySource    = attribute.Key("smartauth.token.source")     // on metrics
	keyReason    = attribute.Key("smartauth.refresh.reason")   // on metrics
	keyOutcome   = attribute.Key("smartauth.outcome")          // on metrics
	keySkip      = attribute.Key("smartauth.skip.reason")      // on metrics
	keyClientID  = attribute.Key("smartauth.client_id")        // only if asked for
	keyAttempts  = attribute.Key("smartauth.attempts")         // token requests of an acquisition
	keyExpiresIn = attribute.Key("smartauth.token.expires_in") // in seconds
	keyOAuth     = attribute.Key("smartauth.oauth.error")
	keyAlg       = attribute.Key("smartauth.signing.alg")
	keyKid       = attribute.Key("smartauth.signing.kid")
)

const grantType = "client_credentials"

// inParent returns ctx with the parent of what happens in p as its active span: acquisitions and discoveries run on contexts
// of their own, and within an acquisition another Observer may have put a span of its own there.
func (o *Observer) inParent(ctx context.Context, p *phase) context.Context {
	switch {
	case p.Shared && p.within == nil || p.Background: // in the waiter's trace, or a root
		return ctx
	case p.Cause != nil && !p.Shared:
		return trace.ContextWithSpan(ctx, trace.SpanFromContext(p.Cause))
	case p.within != nil:
		return trace.ContextWithSpan(ctx, p.within.span)
	}
	return ctx
}

// startSpan starts the span of a phase.
func (o *Observer) startSpan(ctx context.Context, s smartauth.PhaseStart) (context.Context, trace.Span) {
	opts := []trace.SpanStartOption{trace.WithAttributes(o.startAttributes(s)...)}
	name := "smartauth." + string(s.Phase)
	if s.Phase == smartauth.PhaseAcquire {
		name = "smartauth.token.acquire"
	}
	switch {
	case s.Shared:
		opts = append(opts, linkTo(o.spanOf(s.Cause))...)
	case s.Background:
		opts = append(append(opts, trace.WithNewRoot()), linkTo(trace.SpanFromContext(s.Cause))...)
	case s.Phase == smartauth.PhaseDiscover, s.Phase == smartauth.PhaseExchange:
		opts = append(opts, trace.WithSpanKind(trace.SpanKindClient))
	}
	return o.tracer.Start(ctx, name, opts...)
}

// spanOf returns the span of the phase that ctx is of; the active one there may be another Observer's.
func (o *Observer) spanOf(ctx context.Context) trace.Span {
	if p := o.phaseOf(ctx); p != nil && p.span != nil {
		return p.span
	}
	return trace.SpanFromContext(ctx)
}

func linkTo(span trace.Span) []trace.SpanStartOption {
	if !span.SpanContext().IsValid() {
		return nil
	}
	return []trace.SpanStartOption{trace.WithLinks(trace.Link{SpanContext: span.SpanContext()})}
}

func (o *Observer) startAttributes(s smartauth.PhaseStart) []attribute.KeyValue {
	var list []attribute.KeyValue
	switch s.Phase {
	case smartauth.PhaseAcquire:
		list = append(serverOf(s.Source), keyReason.String(string(s.Reason)), keyGrantType.String(grantType), keySource.String(sourceOf(s)))
		if o.clientID && s.Source != nil {
			list = append(list, keyClientID.String(s.Source.ClientID()))
		}
	case smartauth.PhaseDiscover, smartauth.PhaseExchange:
		if s.Shared { // no request
			return serverOf(s.Source)
		}
		list = append(serverAttributes(s.URL), semconv.HTTPRequestMethodKey.String(s.Method), semconv.URLFull(s.URL))
		if s.Attempt > 0 {
			list = append(list, semconv.HTTPRequestResendCount(s.Attempt))
		}
	}
	return list
}

// endAttributes are those that the end of a phase brings.
func endAttributes(p *phase, e smartauth.PhaseEnd) []attribute.KeyValue {
	var list []attribute.KeyValue
	if e.StatusCode != 0 {
		list = append(list, semconv.HTTPResponseStatusCode(e.StatusCode))
	}
	if e.Algorithm != "" {
		list = append(list, keyAlg.String(e.Algorithm), keyKid.String(e.KeyID))
	}
	if e.Phase == smartauth.PhaseAcquire {
		list = append(list, serverOf(p.Source)...) // it may have been discovered meanwhile
	}
	if p.exchanges > 0 {
		list = append(list, keyAttempts.Int(p.exchanges))
	}
	if p.Shared && e.Stale {
		list = append(list, keySource.String("stale"))
	} else if e.Token != nil {
		list = append(list, keyExpiresIn.Int(int(time.Until(e.Token.Expiry()).Round(time.Second).Seconds())))
	}
	if failed := (*smartauth.Error)(nil); errors.As(e.Err, &failed) && failed.Code != "" {
		code := "other" // the server's text is not trusted
		if slices.Contains(oauthCodes, failed.Code) {
			code = failed.Code
		}
		list = append(list, keyOAuth.String(code))
	}
	return list
}

// endSpan ends a span with the status of err. That the caller gave up is no error of ours.
func endSpan(span trace.Span, err error, failure string) {
	if failure != "" {
		span.SetAttributes(semconv.ErrorTypeKey.String(failure))
		span.SetStatus(codes.Error, describe(err))
	}
	span.End()
}

// serverOf returns the attributes of the token endpoint or, as long as that is not known, of the FHIR server.
func serverOf(s *smartauth.Source) []attribute.KeyValue {
	if s == nil {
		return nil
	}
	if endpoint := s.Stats().TokenEndpoint; endpoint != "" {
		return serverAttributes(endpoint)
	}
	return serverAttributes(s.BaseURL())
}

func serverAttributes(raw string) []attribute.KeyValue {
	u, err := url.Parse(raw)
	if err != nil {
		return nil
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	return []attribute.KeyValue{semconv.ServerAddress(u.Hostname()), semconv.ServerPort(port)}
}

func sourceOf(s smartauth.PhaseStart) string {
	if s.Shared {
		return "shared"
	}
	return "network"
}
