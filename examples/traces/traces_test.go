// Package traces_test shows the headers of TOP-KT-011 on all three stacks: the same TraceTransport below each.
package traces_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// A call makes a GET request with a context and further headers, and returns the status and the header of the response.
type call func(ctx context.Context, url string, header http.Header) (int, http.Header, error)

// A stack returns its call, over client and authenticated by src.
type stack func(src *smartauth.Source, client *http.Client) (call, error)

// stacks are all there are. All but net/http's retry once on a 503.
var stacks = map[string]stack{
	"nethttp": func(src *smartauth.Source, client *http.Client) (call, error) {
		return do(smarthttp.NewClient(src, client).Do), nil
	},
	"resty": func(src *smartauth.Source, client *http.Client) (call, error) {
		c := resty.NewWithClient(client).SetRetryCount(1).AddRetryCondition(func(r *resty.Response, err error) bool {
			return err == nil && r.StatusCode() == http.StatusServiceUnavailable
		})
		return func(ctx context.Context, url string, header http.Header) (int, http.Header, error) {
			resp, err := c.R().SetContext(ctx).SetHeaderMultiValues(header).Get(url)
			return resp.StatusCode(), resp.Header(), err
		}, smartresty.Attach(c, src)
	},
	"retryablehttp": func(src *smartauth.Source, client *http.Client) (call, error) {
		c := retryablehttp.NewClient()
		c.HTTPClient, c.RetryMax, c.Logger = client, 1, slog.New(slog.DiscardHandler)
		return do(func(r *http.Request) (*http.Response, error) {
			own, err := retryablehttp.FromRequest(r)
			if err != nil {
				return nil, err
			}
			return c.Do(own)
		}), smartretryable.Attach(c, src)
	},
}

func do(send func(*http.Request) (*http.Response, error)) call {
	return func(ctx context.Context, url string, header http.Header) (int, http.Header, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0, nil, err
		}
		r.Header = header.Clone()
		resp, err := send(r)
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Header, err
	}
}

// ids are those of a request: of itself, of what caused it, and of the chain.
type ids struct{ request, correlation, trace string }

func idsOf(srv *smarttest.Server, e smarttest.Endpoint) (all []ids) {
	for _, r := range srv.Requests(e) {
		all = append(all, ids{r.Header.Get(koppeltaal.HeaderRequestID), r.Header.Get(koppeltaal.HeaderCorrelationID), r.Header.Get(koppeltaal.HeaderTraceID)})
	}
	return all
}

// start returns a sandbox in memory, and a source and a call for it whose headers are set by tracing.
func start(t *testing.T, attach stack, tracing koppeltaal.Tracing) (*smarttest.Server, *smartauth.Source, call) {
	t.Helper()
	srv := smarttest.New(t, smarttest.Options{InMemory: true})
	config := srv.NewClient(smarttest.ClientOptions{})
	config.Observer = tracing.Observer()
	src, err := smartauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	get, err := attach(src, &http.Client{Transport: &koppeltaal.TraceTransport{Base: srv.Transport(), Tracing: tracing}})
	if err != nil {
		t.Fatal(err)
	}
	return srv, src, get
}

func TestTraceHeadersOnAllStacks(t *testing.T) {
	served := koppeltaal.Trace{RequestID: "request-1", TraceID: "trace-1"}
	own := http.Header{koppeltaal.HeaderRequestID: {"own"}, koppeltaal.HeaderTraceID: {"own-trace"}}
	for name, attach := range stacks {
		for _, c := range []struct {
			name         string
			ctx          func(context.Context) context.Context
			header       http.Header
			before       func(*smarttest.Server)
			fhir, tokens int // requests since the first one
			background   bool
		}{
			{name: "usual", fhir: 1},
			{name: "a job that starts by itself", fhir: 1, ctx: koppeltaal.NewTrace},
			{name: "resend after a 401", before: (*smarttest.Server).RevokeAll, fhir: 2, tokens: 1},
			{name: "retry of the stack", fhir: 2, before: func(s *smarttest.Server) {
				s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
			}},
			{name: "redirect", fhir: 2, before: func(s *smarttest.Server) {
				s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: 307, Header: http.Header{"Location": {s.BaseURL() + "/Patient?_count=2"}}})
			}},
			{name: "refresh in the background", before: func(*smarttest.Server) { time.Sleep(280 * time.Second) }, fhir: 1, tokens: 1, background: true},
			{name: "headers of the caller", header: own, before: (*smarttest.Server).RevokeAll, fhir: 2, tokens: 1},
		} {
			if name == "nethttp" && c.name == "retry of the stack" {
				continue // it has none
			}
			t.Run(name+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv, _, get := start(t, attach, koppeltaal.Tracing{})
					ctx := koppeltaal.WithTrace(t.Context(), served)
					if c.ctx != nil {
						ctx = c.ctx(t.Context())
					}
					send := func(header http.Header) {
						if status, _, err := get(ctx, srv.BaseURL()+"/Patient?_count=1", header); status != http.StatusOK || err != nil {
							t.Errorf("%d %v", status, err)
						}
					}
					send(nil)
					if c.before != nil {
						c.before(srv)
					}
					send(c.header)
					synctest.Wait()

					for _, r := range srv.Requests() { // nothing secret is in a URL, where logs would keep it
						if form, _ := url.ParseQuery(string(r.Body)); strings.Contains(r.RequestURI, "eyJhbGciOi") || strings.Contains(r.RequestURI, "client_assertion") ||
							r.Bearer() != "" && strings.Contains(r.RequestURI, r.Bearer()) || form.Get("client_assertion") != "" && r.Method != http.MethodPost {
							t.Errorf("%s %s has a secret", r.Method, r.RequestURI)
						}
					}
					want := koppeltaal.TraceFrom(ctx)
					fhir, tokens := idsOf(srv, smarttest.FHIR)[1:], idsOf(srv, smarttest.TokenEndpoint)[1:]
					if len(fhir) != c.fhir || len(tokens) != c.tokens {
						t.Fatalf("%d FHIR and %d token requests", len(fhir), len(tokens))
					}
					if c.background {
						if tokens[0].correlation != "" || tokens[0].trace == "" || tokens[0].trace == want.TraceID {
							t.Errorf("background: %+v", tokens)
						}
						tokens = nil
					}
					seen := map[string]bool{}
					for i, r := range append(fhir, tokens...) {
						follows := ids{r.request, want.RequestID, want.TraceID}
						if c.header != nil && i < len(fhir) {
							follows.request, follows.trace = "own", "own-trace"
						} else if seen[r.request] || r.request == "" {
							t.Errorf("request id %q a second time", r.request)
						}
						if seen[r.request] = true; r != follows {
							t.Errorf("%+v, want %+v", r, follows)
						}
					}
				})
			})
		}
	}
}
