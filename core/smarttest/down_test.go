package smarttest_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestServerDown(t *testing.T) {
	for _, memory := range []bool{false, true} {
		s := smarttest.New(t, smarttest.Options{InMemory: memory})
		urls := map[smarttest.Host]string{smarttest.FHIRServer: s.BaseURL() + "/metadata",
			smarttest.AuthServer: s.AuthOrigin() + "/.well-known/smart-configuration"}
		for host, down := range urls {
			get(t, s, down, "") // leaves a connection
			for range 2 {
				if err := s.SetDown(host, true); err != nil {
					t.Fatal(err)
				}
			}
			var refused *net.OpError
			if resp, err := s.Client().Get(down); !errors.As(err, &refused) || refused.Op != "dial" {
				if err == nil {
					_ = resp.Body.Close()
				}
				t.Errorf("memory %v: %v, want a refused connection", memory, err)
			}
			for other, up := range urls {
				if other == host {
					continue
				}
				if a := get(t, s, up, ""); a.status != 200 {
					t.Errorf("memory %v: the other server: %d", memory, a.status)
				}
			}
			for range 2 {
				if err := s.SetDown(host, false); err != nil {
					t.Fatal(err)
				}
			}
			if a := get(t, s, down, ""); a.status != 200 {
				t.Errorf("memory %v: back again: %d", memory, a.status)
			}
		}
		if err := s.SetDown(smarttest.AuthServer, true); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := s.SetDown(smarttest.AuthServer, false); err == nil {
			t.Error("a server of a closed sandbox came back")
		}
	}
}

// net/http ends the context of a request whose body was not read only after its handler.
func TestCloseEndsOwnHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		entered := make(chan struct{})
		origin, err := s.Serve("", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
		}))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if resp, err := s.Client().Post(origin, "", strings.NewReader("not read")); err == nil {
				_ = resp.Body.Close()
			}
		}()
		<-entered
		s.Close()
	})
}
