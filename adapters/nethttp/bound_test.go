package smarthttp_test

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// What one logical request has used up is nothing to another Transport.
func TestResendsAreCountedForEachTransport(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		first := &smarthttp.Transport{Source: s.src, Base: s.Transport()}
		cfg := s.NewClient(smarttest.ClientOptions{})
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		second := &smarthttp.Transport{Source: src, Base: s.Transport()}
		ctx := first.Bind(t.Context())
		refused := smarttest.Fault{Times: 1, Status: http.StatusUnauthorized}
		for _, c := range []struct {
			transport *smarthttp.Transport
			status    int
		}{{first, 200}, {first, 401}, {second, 200}, {second, 200}} { // to second it is a new request each time
			s.Fail(smarttest.FHIR, refused)
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL()+"/Patient?_count=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
		}
	})
}

func TestBindDoesNotNest(t *testing.T) {
	transport := &smarthttp.Transport{Source: staticSource{smartauth.NewToken("token", time.Time{})}}
	ctx := transport.Bind(t.Context())
	for range 10 {
		next := transport.Bind(ctx)
		if next == ctx {
			t.Fatal("the same context, with all that the last request has used up")
		}
		ctx = next
	}
	if got := reflect.ValueOf(ctx).Elem().FieldByName("Context").Interface(); got != t.Context() {
		t.Errorf("below is a %T, want the context that was bound first", got)
	}
	if smarthttp.BoundTo(ctx) != transport || smarthttp.BoundTo(t.Context()) != nil {
		t.Error("BoundTo does not tell")
	}
}

func TestBoundTransportForwardsCloseIdleConnections(t *testing.T) {
	base := &idle{}
	(&http.Client{Transport: &smarthttp.BoundTransport{Base: base}}).CloseIdleConnections()
	if !base.called {
		t.Error("CloseIdleConnections did not reach the base")
	}
}

func TestWithOriginsKeepsItsOwn(t *testing.T) {
	origins := []string{"https://files.example.nl"}
	set := smarthttp.WithOrigins(origins...)
	origins[0] = "https://evil.test"
	transport := &smarthttp.Transport{}
	set(transport)
	if transport.Origins[0] != "https://files.example.nl" {
		t.Error("the option changes with the caller's slice")
	}
}

func TestNilSource(t *testing.T) {
	var src *smartauth.Source // what is left when the error of New is ignored
	_, err := smarthttp.NewClient(src, nil).Get("https://fhir.example.nl/Patient")
	if err == nil || !strings.Contains(err.Error(), "nil *smartauth.Source") {
		t.Errorf("error %v, want one about the nil source", err)
	}
}
