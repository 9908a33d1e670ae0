package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A refusal is a headline and a line for each likely cause, in the reader's own terms.
func TestRefusalIsReadable(t *testing.T) {
	srv, environ := client(t, smarttest.Options{})
	srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 400, Body: "Bad Request"})
	_, _, errOut := quickstart(t, environ...)
	lines := strings.Split(strings.TrimSpace(errOut), "\n")
	if len(lines) < 5 || !strings.HasPrefix(lines[0], "quickstart: smartauth: exchange at ") || lines[1] != "likely causes:" {
		t.Fatalf("output:\n%s", errOut)
	}
	if want := "  - SMART_SCOPES is empty"; !strings.HasPrefix(lines[2], want) {
		t.Errorf("the first cause is %q, want %q", lines[2], want)
	}
	for _, line := range lines[2:] {
		if !strings.HasPrefix(line, "  - ") || len(line) > 160 {
			t.Errorf("%q is not one cause", line)
		}
	}
	for _, unwanted := range []string{"Config.", "not asked again"} {
		if strings.Contains(errOut, unwanted) {
			t.Errorf("the output mentions %q:\n%s", unwanted, errOut)
		}
	}
}

// What a wrapper of the error says is kept.
func TestHeadlineWithinAnotherError(t *testing.T) {
	srv, src := sourceOf(t, nil)
	srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401})
	_, err := smarthttp.NewClient(src, nil).Get(srv.BaseURL() + "/Patient")
	var out bytes.Buffer
	complain(&out, err)
	headline, _, _ := strings.Cut(out.String(), "\n")
	if !strings.HasPrefix(headline, `quickstart: Get "`+srv.BaseURL()) || !strings.HasSuffix(headline, ")") {
		t.Errorf("headline %q", headline)
	}
}

// broken is an http.RoundTripper without a network.
type broken func(ctx context.Context) error

func (b broken) RoundTrip(r *http.Request) (*http.Response, error) { return nil, b(r.Context()) }

func fails(err error) broken { return func(context.Context) error { return err } }

func sourceOf(t *testing.T, transport http.RoundTripper) (*smarttest.Server, *smartauth.Source) {
	t.Helper()
	srv := smarttest.New(t, smarttest.Options{InMemory: transport != nil})
	cfg := srv.NewClient(smarttest.ClientOptions{})
	if transport != nil {
		cfg.HTTPClient = &http.Client{Transport: transport}
	}
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv, src
}

// A server that cannot be reached.
func TestNetworkHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, src := sourceOf(t, fails(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}))
		_, err := src.Token(t.Context())
		var out bytes.Buffer
		complain(&out, err)
		if want := "  - nothing listens on that host and port: check SMART_BASE_URL\n"; !strings.HasSuffix(out.String(), want) {
			t.Errorf("%q does not end with %q", &out, want)
		}
	})
}
