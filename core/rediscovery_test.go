package smartauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestDiscoveryIsRememberedForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		poll(t, src, 59*time.Minute)
		if n := srv.Counts().Discovery; n != 1 {
			t.Errorf("%d discoveries in the first hour, want 1", n)
		}
		srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 500})
		poll(t, src, time.Hour) // stale is better than none
		if n := srv.Counts().Discovery; n < 2 || n > 20 {
			t.Errorf("%d discoveries with the document gone; want one with each new token at most", n)
		}
	})
}

func TestStaleDiscoveryIsBetterThanNone(t *testing.T) {
	for name, fault := range map[string]smarttest.Fault{"gone": {Status: 404}, "HTML": {Body: "<html>"}, "hangs": {Hang: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				poll(t, src, time.Second)
				srv.Fail(smarttest.Discovery, fault)
				srv.Fail(smarttest.Metadata, smarttest.Fault{Status: 404})
				time.Sleep(2 * time.Hour)
				begin := time.Now()
				if _, err := src.Token(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > 3*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// A refusal may come from an endpoint that is no longer the right one; but not every refusal asks again.
func TestRefusalsRediscoverOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401})
		for begin := time.Now(); time.Since(begin) < 5*time.Minute; time.Sleep(time.Second) {
			if _, err := src.Token(t.Context()); err == nil {
				t.Fatal("no error")
			}
		}
		if n := srv.Counts().Discovery; n < 4 || n > 6 {
			t.Errorf("%d discoveries in five minutes of refusals, want one a minute", n)
		}
	})
}

// What was looked up after a refusal is good for an hour again.
func TestRediscoveryIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		poll(t, src, time.Second)
		time.Sleep(10 * time.Minute)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: 401})
		if _, err := src.Token(t.Context()); err == nil {
			t.Error("no error")
		}
		time.Sleep(2 * time.Second)
		poll(t, src, 20*time.Minute)
		if n := srv.Counts().Discovery; n != 2 {
			t.Errorf("%d discoveries, want one at first and one after the refusal", n)
		}
	})
}

// A discovery that failed is among the causes of a refusal until one succeeds.
func TestRediscoveryIsNoCauseOnceItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		poll(t, src, time.Second)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401})
		srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 500})
		for round, want := range []bool{false, true, false} { // the first refusal is why the document is looked up
			time.Sleep(10 * time.Minute)
			if round == 2 {
				srv.Clear(smarttest.Discovery)
			}
			if _, err := src.Token(t.Context()); err == nil || strings.Contains(err.Error(), "discovery failed") != want {
				t.Errorf("round %d: error %v", round, err)
			}
		}
	})
}

// A dead endpoint is looked up anew, but not on another host.
func TestTokenEndpointMoves(t *testing.T) {
	for _, c := range []struct {
		name string
		host string
		err  string
	}{
		{"to another port", "localhost", ""},
		{"to another host", "auth.example.nl", "moved from host localhost to auth.example.nl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				old, err := url.Parse(srv.TokenURL())
				if err != nil {
					t.Fatal(err)
				}
				moved, err := srv.Serve(c.host+":9999", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"access_token":"moved","token_type":"bearer"}`))
				}))
				if err != nil {
					t.Fatal(err)
				}
				moved = "https" + strings.TrimPrefix(moved, "http")
				if c.host == "localhost" {
					moved = "http" + strings.TrimPrefix(moved, "https")
				}
				srv.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = moved + old.Path })
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{CloseConnection: true})
				time.Sleep(301 * time.Second)

				token, err := src.Token(t.Context())
				if c.err == "" {
					if err != nil || token.AccessToken() != "moved" {
						t.Errorf("got %v, %v, want a token of the new endpoint", token, err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, %v, want an error about the move", token, err)
				}
			})
		})
	}
}

// One that moves right after it was looked up is found when a minute has passed.
func TestTokenEndpointMovesWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandboxWith(t, smarttest.Options{InMemory: true, TokenLifetime: 5 * time.Second}, nil)
		begin := time.Now()
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		moved, err := srv.Serve("localhost:9999", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"moved","token_type":"bearer"}`))
		}))
		if err != nil {
			t.Fatal(err)
		}
		srv.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = moved + "/token" })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{CloseConnection: true})
		time.Sleep(10 * time.Second)
		for {
			if _, err := src.Token(t.Context()); err == nil {
				break
			} else if time.Since(begin) > time.Hour {
				t.Fatal(err)
			}
			time.Sleep(250 * time.Millisecond)
		}
		// The pause between acquisitions may lie over the end of the minute, and the dead endpoint is tried once more.
		if took := time.Since(begin); took < time.Minute || took > 63*time.Second {
			t.Errorf("found after %v", took)
		}
		if n := srv.Counts().Discovery; n != 2 {
			t.Errorf("%d discoveries, want 2", n)
		}
	})
}
