package koppeltaal_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// both are the requests that may be made once only, as functions of a sandbox.
var both = map[string]struct {
	endpoint smarttest.Endpoint
	call     func(context.Context, *koppeltaal.Client) error
}{
	"introspect": {smarttest.Introspection, func(ctx context.Context, c *koppeltaal.Client) error {
		_, err := c.Introspect(ctx, "token-marker")
		return err
	}},
	"exchange code": {smarttest.TokenEndpoint, func(ctx context.Context, c *koppeltaal.Client) error {
		var a koppeltaal.Authorization
		if err := a.UnmarshalBinary([]byte(`{"state":"s","verifier":"verifier-marker","redirect_uri":"https://app.example.nl"}`)); err != nil {
			return err
		}
		_, err := c.ExchangeCode(ctx, &a, "code-marker", "s")
		return err
	}},
}

// Whatever fails, the server gets the request once, and the error tells so.
func TestRequestsAreNeverRepeated(t *testing.T) {
	jsonHeader := http.Header{"Content-Type": {"application/json"}}
	for name, c := range map[string]struct {
		fault  smarttest.Fault
		status int
		is     error
	}{
		"connection closed":    {fault: smarttest.Fault{CloseConnection: true}, is: io.EOF},
		"connection reset":     {fault: smarttest.Fault{Reset: true}, is: io.EOF},
		"no answer":            {fault: smarttest.Fault{Hang: true}, is: context.DeadlineExceeded},
		"HTML 500":             {fault: smarttest.Fault{Status: 500, Body: "<h1>x", Header: http.Header{"Content-Type": {"text/html"}}}, status: 500},
		"503 with Retry-After": {fault: smarttest.Fault{Status: 503, Header: http.Header{"Retry-After": {"1"}}}, status: 503},
		"401":                  {fault: smarttest.Fault{Status: 401, Body: "Access Denied"}, status: 401},
		"OAuth error":          {fault: smarttest.Fault{Status: 400, Body: `{"error":"invalid_grant"}`, Header: jsonHeader}, status: 400},
		"no JSON":              {fault: smarttest.Fault{Body: "<html>"}, status: 200},
		"empty":                {fault: smarttest.Fault{Status: 200}, status: 200},
		"JSON list":            {fault: smarttest.Fault{Body: "[]", Header: jsonHeader}, status: 200},
		"JSON null":            {fault: smarttest.Fault{Body: "null", Header: jsonHeader}, status: 200},
		"JSON without content": {fault: smarttest.Fault{Body: "{}", Header: jsonHeader}, status: 200},
		"active in quotes":     {fault: smarttest.Fault{Body: `{"active":"true"}`, Header: jsonHeader}, status: 200},
		"active by its name":   {fault: smarttest.Fault{Body: `{"Active":true}`, Header: jsonHeader}, status: 200},
		"201":                  {fault: smarttest.Fault{Status: 201, Body: `{"active":true,"sub":"x"}`, Header: jsonHeader}, status: 201},
		"too large":            {fault: smarttest.Fault{Body: `{"active":true,"sub":"` + strings.Repeat("x", 1<<20) + `"}`}, status: 200},
		"cut off":              {fault: smarttest.Fault{Body: `{"active":true,"sub":"x"}`, Header: http.Header{"Content-Length": {"99"}}}, status: 200, is: io.ErrUnexpectedEOF},
		"redirect 302":         {fault: smarttest.Fault{Status: 302, Header: http.Header{"Location": {"/oauth2/introspect"}}}, status: 302},
		"redirect 307":         {fault: smarttest.Fault{Status: 307, Header: http.Header{"Location": {"/oauth2/token"}}}, status: 307},
	} {
		for op, do := range both {
			t.Run(op+" "+name, func(t *testing.T) {
				inMemory(t, func(t *testing.T, s *sandbox) {
					s.get(t, t.Context()) // has everything discovered
					before := len(s.Requests(do.endpoint))
					s.Fail(do.endpoint, c.fault)
					began := time.Now()
					err := do.call(t.Context(), s.client)
					var e *koppeltaal.Error
					if !errors.As(err, &e) || e.Op != op || e.StatusCode != c.status || !e.MaybeSent || c.is != nil && !errors.Is(err, c.is) {
						t.Errorf("%#v: %v", e, err)
					}
					if name == "too large" != strings.Contains(err.Error(), "larger than") {
						t.Error(err)
					}
					if name == "OAuth error" != (e.Code == "invalid_grant") {
						t.Errorf("code %q", e.Code)
					}
					if took := time.Since(began); took > 15*time.Second {
						t.Errorf("it took %v", took)
					}
					if n := len(s.Requests(do.endpoint)) - before; n != 1 {
						t.Errorf("%d requests", n)
					}
				})
			})
		}
	}
}

// MaybeSent is false when there was no connection to send on.
func TestRequestsThatWereNotSent(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		client func(*smarttest.Server) http.RoundTripper
		ctx    context.Context
		is     error
	}{
		"connection refused": {client: func(s *smarttest.Server) http.RoundTripper {
			_ = s.SetDown(smarttest.AuthServer, true)
			return s.Transport()
		}},
		"no such host": {client: func(*smarttest.Server) http.RoundTripper {
			return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
			}}
		}},
		"nobody answers to the dial": {client: func(*smarttest.Server) http.RoundTripper {
			return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(30 * time.Second) // net/http does not end it with the request
				return nil, errors.New("no answer")
			}}
		}, is: context.DeadlineExceeded},
		"no TLS there": {client: func(s *smarttest.Server) http.RoundTripper {
			return &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := s.Transport().DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				client := tls.Client(conn, &tls.Config{ServerName: "auth.example.nl"})
				if err := client.HandshakeContext(ctx); err != nil {
					_ = conn.Close()
					return nil, err
				}
				return client, nil
			}}
		}},
	} {
		for op, do := range both {
			t.Run(op+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := start(t, smarttest.Options{InMemory: true})
					endpoint := s.AuthOrigin()
					if name == "no TLS there" {
						endpoint = strings.Replace(endpoint, "http:", "https:", 1)
					}
					cfg := s.NewClient(smarttest.ClientOptions{})
					cfg.TokenURL = endpoint + "/oauth2/token"
					cfg.HTTPClient = &http.Client{Transport: roundTripper(granted)}
					s.client = &koppeltaal.Client{Source: source(t, cfg), HTTPClient: &http.Client{Transport: c.client(s.Server)},
						IntrospectionURL: endpoint + "/oauth2/introspect"}
					err := do.call(t.Context(), s.client)
					var e *koppeltaal.Error
					if !errors.As(err, &e) || e.MaybeSent || e.StatusCode != 0 || c.is != nil && !errors.Is(err, c.is) {
						t.Errorf("%v", err)
					}
					if n := len(s.Requests(do.endpoint)); n != 0 {
						t.Errorf("%d requests", n)
					}
				})
			})
		}
	}
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.get(t, t.Context())
		s.client.HTTPClient = &http.Client{Transport: endless{}}
		for op, do := range both {
			err := do.call(ended, s.client)
			var e *koppeltaal.Error
			if !errors.Is(err, context.Canceled) || errors.As(err, &e) && e.MaybeSent {
				t.Errorf("%s with a context that had ended: %v", op, err)
			}
		}
	})
}

// A RoundTripper that does not tell of its connections may have sent anything.
func TestMaybeSentIsTrueInDoubt(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.get(t, t.Context())
		s.client.HTTPClient = &http.Client{Transport: endless{}}
		for op, do := range both {
			var e *koppeltaal.Error
			if err := do.call(t.Context(), s.client); !errors.As(err, &e) || !e.MaybeSent || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", op, err)
			}
		}
	})
}

// endless never answers.
type endless struct{}

func (endless) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// granted answers a token request.
func granted(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"access_token":"x","token_type":"bearer","expires_in":300}`))}, nil
}

// A RoundTripper that heeds no context is left to itself after 15 s.
func TestRequestsEndInTime(t *testing.T) {
	deaf := roundTripper(func(*http.Request) (*http.Response, error) {
		time.Sleep(10 * time.Minute)
		return nil, io.EOF
	})
	for op, do := range both {
		inMemory(t, func(t *testing.T, s *sandbox) {
			s.get(t, t.Context())
			s.client.HTTPClient = &http.Client{Transport: deaf}
			began := time.Now()
			err := do.call(t.Context(), s.client)
			var e *koppeltaal.Error
			if !errors.As(err, &e) || !e.MaybeSent || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", op, err)
			}
			if took := time.Since(began); took > 16*time.Second {
				t.Errorf("%s took %v", op, took)
			}
			time.Sleep(10 * time.Minute)
		})
	}
}

// What is wrong in the HTTP client is an error, and its words stay inside.
func TestRequestsThatPanic(t *testing.T) {
	for name, broken := range map[string]func(){
		"panic":         func() { panic("panic-marker") },
		"runtime error": func() { _ = *(*int)(nil) },
		"Goexit":        runtime.Goexit,
	} {
		for op, do := range both {
			inMemory(t, func(t *testing.T, s *sandbox) {
				s.get(t, t.Context())
				s.client.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { broken(); return nil, nil })}
				err := do.call(t.Context(), s.client)
				var e *koppeltaal.Error
				if !errors.As(err, &e) || !e.MaybeSent || !strings.Contains(err.Error(), "the HTTP client") || strings.Contains(err.Error(), "panic-marker") {
					t.Errorf("%s, %s: %v", op, name, err)
				}
			})
		}
	}
}

// A clock that is ahead is found out by the token request, so that what can be sent only once is not refused for it.
func TestClockAhead(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.SetClockOffset(smarttest.AuthServer, -10*time.Second)
		if _, err := s.client.Launch(t.Context(), s.LaunchToken(s.src.ClientID(), nil)); err != nil {
			t.Errorf("a launch before any token: %v", err)
		}
	})
	inMemory(t, func(t *testing.T, s *sandbox) {
		a, query := s.authorize(t)
		s.SetClockOffset(smarttest.AuthServer, -10*time.Second)
		if _, err := s.client.ExchangeCode(t.Context(), a, query.Get("code"), query.Get("state")); err != nil {
			t.Errorf("a code before any token: %v", err)
		}
	})
}

// Without a token there is no launch either, and the token of the launch is not used up.
func TestNoTokenNoLaunch(t *testing.T) {
	for op, do := range both {
		inMemory(t, func(t *testing.T, s *sandbox) {
			s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 400, Body: `{"error":"unauthorized_client"}`})
			err := do.call(t.Context(), s.client)
			var e *smartauth.Error
			var own *koppeltaal.Error
			if !errors.As(err, &e) || e.Code != "unauthorized_client" || errors.As(err, &own) {
				t.Errorf("%s: %v", op, err)
			}
			for _, r := range s.Requests() {
				if form, _ := url.ParseQuery(string(r.Body)); form.Has("token") || form.Has("code") {
					t.Errorf("%s: it was sent", op)
				}
			}
		})
	}
}

// Where both servers are one origin, the transport that authenticates FHIR requests would add a bearer, and repeat what was refused.
func TestTransportThatAuthenticatesIsPassed(t *testing.T) {
	for op, do := range both {
		t.Run(op, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				s.get(t, t.Context())
				before := len(s.Requests(do.endpoint))
				s.client.HTTPClient = smarthttp.NewClient(s.src, s.Client(), smarthttp.WithOrigins(s.AuthOrigin()))
				s.Fail(do.endpoint, smarttest.Fault{Times: 1, Status: 401})
				if err := do.call(t.Context(), s.client); err == nil {
					t.Error("no error")
				}
				if all := s.Requests(do.endpoint)[before:]; len(all) != 1 || all[0].Bearer() != "" {
					t.Errorf("%d requests, bearer %q", len(all), all[0].Bearer())
				}
			})
		})
	}
}
