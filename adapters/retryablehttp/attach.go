package smartretryable

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// Attach has client authenticate its requests with src, as [smarthttp.Transport] says. Call it before the client is in use,
// and after its other settings:
//
//   - HTTPClient is replaced by an authenticated copy, so that other users of the same http.Client get no token of src. A
//     change to that one has no effect on client any more.
//   - RequestLogHook is replaced by one that calls it, and marks the repeats of a request by its context. One that is set
//     later, or that sets a context that is not derived from the request's, takes that away: the 401 of each repeat may then
//     be healed, not of one in all.
//   - CheckRetry is replaced by one that calls it, and ends the retries after a [smartauth.Permanent] error whatever it says.
//     One that is set later decides by itself. A [smartauth.Refused] error is left to it, as the server may not have reached
//     the client's JWKS: by default a wrong client id costs five token requests in 15 s before the error comes back. The
//     CheckRetry of the example returns it at once.
//
// Attaching again replaces the source and all options, and leaves the hooks alone: origins that [smarthttp.WithOrigins] named before
// get no bearer any more, unless opts names them again. Attach returns an error, and changes nothing, if client or src is nil, or
// src does not tell where its tokens belong.
func Attach(client *retryablehttp.Client, src smartauth.TokenSource, opts ...smarthttp.Option) error {
	if client == nil {
		return errors.New("smartretryable: Attach: the client is nil")
	}
	if src == nil {
		return errors.New("smartretryable: Attach: the source is nil; make one with smartauth.New")
	}
	base := client.HTTPClient
	if base == nil {
		base = retryablehttp.NewClient().HTTPClient // what the client would make for itself
	}
	t := &smarthttp.Transport{Source: src, Base: base.Transport}
	old, attached := base.Transport.(*attachment)
	switch below := base.Transport.(type) {
	case *attachment:
		t.Base = below.transport.Load().Base
	case *smarthttp.Transport:
		t.Base = below.Base
	}
	for _, set := range opts {
		set(t)
	}
	if _, err := t.Authenticates(&url.URL{}); err != nil {
		return fmt.Errorf("smartretryable: Attach: %w", err)
	}
	if attached && old.client == client {
		old.transport.Store(t)
		return nil
	}
	a := &attachment{client: client}
	a.transport.Store(t)
	authenticated := *base
	authenticated.Transport = a
	client.HTTPClient = &authenticated
	client.RequestLogHook = a.bindAfter(client.RequestLogHook)
	client.CheckRetry = permanentIsFinal(client.CheckRetry)
	return nil
}

// attachment is the transport of an attached client. Another client may be given its HTTPClient.
type attachment struct {
	client    *retryablehttp.Client
	transport atomic.Pointer[smarthttp.Transport]
}

// RoundTrip implements http.RoundTripper.
func (a *attachment) RoundTrip(r *http.Request) (*http.Response, error) {
	return a.transport.Load().RoundTrip(r)
}

// CloseIdleConnections closes those of the transport below.
func (a *attachment) CloseIdleConnections() { a.transport.Load().CloseIdleConnections() }

// bindAfter makes the attempts of a request one call. It comes after hook, which may replace the request's context.
func (a *attachment) bindAfter(hook retryablehttp.RequestLogHook) retryablehttp.RequestLogHook {
	return func(logger retryablehttp.Logger, r *http.Request, attempt int) {
		if hook != nil {
			hook(logger, r, attempt)
		}
		if attempt == 0 {
			*r = *r.WithContext(a.transport.Load().Bind(r.Context()))
		}
	}
}

func permanentIsFinal(check retryablehttp.CheckRetry) retryablehttp.CheckRetry {
	if check == nil {
		check = retryablehttp.DefaultRetryPolicy
	}
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		again, checkErr := check(ctx, resp, err)
		if failed, ok := errors.AsType[*smartauth.Error](err); ok && failed.Kind == smartauth.Permanent {
			again = false
		}
		return again, checkErr
	}
}
