package smarthttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestResponseShowsNoBearer(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		resp, err := s.client.Get(s.BaseURL() + "/Patient?_count=1")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		dump, err := httputil.DumpRequest(resp.Request, true)
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if text := string(dump) + fmt.Sprintf("%+v", resp) + fmt.Sprintf("%+v", resp.Request); strings.Contains(text, token.AccessToken()) {
			t.Error("the response shows the token")
		}
	})
}

// A token client that carries the transport must not wait for itself.
func TestTokenClientWithTheTransport(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		shared := &http.Client{}
		cfg := s.NewClient(smarttest.ClientOptions{})
		cfg.HTTPClient = shared
		transport := &smarthttp.Transport{Base: s.Transport()}
		shared.Transport = transport
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		transport.Source = src
		for _, call := range []func() error{
			func() error { _, err := src.Metadata(t.Context()); return err },
			func() error {
				resp, err := shared.Get(s.BaseURL() + "/Patient")
				if err == nil {
					_ = resp.Body.Close()
				}
				return err
			},
		} {
			begin := time.Now()
			if err := call(); err != nil || time.Since(begin) > 0 {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		}
		for _, r := range s.Requests(smarttest.Discovery, smarttest.TokenEndpoint) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s %s carried a bearer", r.Method, r.RequestURI)
			}
		}
	})
}

func TestNewClient(t *testing.T) {
	base := &http.Client{Timeout: time.Minute, Transport: &seen{}}
	first := smarthttp.NewClient(staticSource{}, base)
	if _, changed := base.Transport.(*seen); !changed || first.Timeout != time.Minute {
		t.Error("base was changed, or not copied")
	}
	second := smarthttp.NewClient(staticSource{smartauth.NewToken("second", time.Time{})}, first)
	if inner := second.Transport.(*smarthttp.Transport).Base; inner != base.Transport {
		t.Errorf("the second client is stacked on %T", inner)
	}
	if smarthttp.NewClient(staticSource{}, nil).Transport.(*smarthttp.Transport).Base != nil {
		t.Error("a client from nil has a base")
	}
}

func TestMisconfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		transport *smarthttp.Transport
		err       string
	}{
		"no source":        {&smarthttp.Transport{}, "Source is nil; make one with smartauth.New"},
		"no origin":        {&smarthttp.Transport{Source: bare{}}, "Transport.Origins"},
		"relative origin":  {&smarthttp.Transport{Source: bare{}, Origins: []string{"/files"}}, "not an absolute"},
		"origin over http": {&smarthttp.Transport{Source: bare{}, Origins: []string{"http://files.example.nl"}}, "plain http"},
	} {
		base := &seen{}
		c.transport.Base = base
		body := &closed{Reader: strings.NewReader("body")}
		r, err := http.NewRequest(http.MethodPost, "https://fhir.example.nl", body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.transport.RoundTrip(r)
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want one about %q", name, err, c.err)
		}
		if base.r != nil || !body.closed {
			t.Errorf("%s: a request was sent, or its body left open", name)
		}
	}
}

// closed knows whether it is.
type closed struct {
	io.Reader
	closed bool
}

func (c *closed) Close() error {
	c.closed = true
	return nil
}

type idle struct {
	http.RoundTripper
	called bool
}

func (i *idle) CloseIdleConnections() { i.called = true }

func TestCloseIdleConnections(t *testing.T) {
	base := &idle{}
	smarthttp.NewClient(staticSource{}, &http.Client{Transport: base}).CloseIdleConnections()
	if !base.called {
		t.Error("CloseIdleConnections did not reach the base")
	}
}
