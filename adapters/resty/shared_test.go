package smartresty_test

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// Nobody's token goes with somebody else's requests, whatever they share.
func TestSharedClients(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		shared := s.Client()
		other := s.source(t)
		first := resty.NewWithClient(shared).SetBaseURL(s.BaseURL())
		attach(t, first, s.src)
		second := resty.NewWithClient(shared).SetBaseURL(s.BaseURL())
		attach(t, second, other)
		stranger := resty.NewWithClient(shared).SetBaseURL(s.BaseURL())
		ofFirst, ofSecond := tokenOf(t, s.src), tokenOf(t, other)

		for range 2 {
			search(t, first.R(), http.StatusOK)
			if s.lastBearer() != ofFirst {
				t.Error("the first client sent another token")
			}
			search(t, second.R(), http.StatusOK)
			if s.lastBearer() != ofSecond {
				t.Error("the second client sent another token")
			}
			search(t, first.Clone().R(), http.StatusOK)
			if s.lastBearer() != ofFirst {
				t.Error("a clone of the first client sent another token")
			}
			search(t, stranger.R(), http.StatusUnauthorized)
			if s.lastBearer() != "" {
				t.Error("a client that is not attached sent a token")
			}
			resp, err := shared.Get(s.BaseURL() + "/Patient?_count=1")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if s.lastBearer() != "" {
				t.Error("the http.Client itself sent a token")
			}
		}
	})
}

// resty's Clone shares the array of the hooks, and what is added to the one can replace what was added to the other.
func TestCloneWithASourceOfItsOwn(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		nothing := func(*resty.Client, *resty.Request) error { return nil }
		for hooks := range 8 {
			client := s.bare()
			for range hooks {
				client.OnBeforeRequest(nothing)
			}
			attach(t, client, s.src)
			clone, other := client.Clone(), s.source(t)
			attach(t, clone, other)
			client.OnBeforeRequest(nothing)

			search(t, clone.R(), http.StatusOK)
			if s.lastBearer() != tokenOf(t, other) {
				t.Errorf("%d hooks: the clone sent another token than its source's", hooks)
			}
			search(t, client.R(), http.StatusOK)
			if s.lastBearer() != tokenOf(t, s.src) {
				t.Errorf("%d hooks: the client sent another token than its source's", hooks)
			}
		}
	})
}

// A request's context may come from a request of another client.
func TestContextOfAnotherClient(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		first, other := s.attached(t), s.source(t)
		second := s.bare()
		attach(t, second, other)
		r := first.R()
		search(t, r, http.StatusOK)
		search(t, second.R().SetContext(r.Context()), http.StatusOK)
		if s.lastBearer() != tokenOf(t, other) {
			t.Error("the second client sent another token")
		}
		search(t, r, http.StatusOK)
		if s.lastBearer() != tokenOf(t, s.src) {
			t.Error("the first client sent another token")
		}

		second.OnBeforeRequest(func(_ *resty.Client, own *resty.Request) error {
			own.SetContext(r.Context())
			return nil
		})
		search(t, second.R(), http.StatusOK)
		if s.lastBearer() != tokenOf(t, other) {
			t.Error("the second client sent another token, with a context that a hook has set")
		}
	})
}

// The attachments must keep no client alive.
func TestClientsAreForgotten(t *testing.T) {
	s := staticSource{smartauth.NewToken("token", time.Time{})}
	gone := make(chan bool, 1)
	func() {
		client := resty.New().SetBaseURL(s.BaseURL())
		attach(t, client, s)
		runtime.AddCleanup(client, func(gone chan bool) { gone <- true }, gone)
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Error("a client that nobody uses is kept")
}
