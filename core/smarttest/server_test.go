package smarttest_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func Example() {
	sandbox, err := smarttest.Start(smarttest.Options{})
	if err != nil {
		panic(err)
	}
	defer sandbox.Close()

	config := sandbox.NewClient(smarttest.ClientOptions{Scopes: []string{"system/Patient.rs"}})
	src, err := smartauth.New(config)
	if err != nil {
		panic(err)
	}
	token, err := src.Token(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(token.Scope())

	r, _ := http.NewRequest(http.MethodGet, sandbox.BaseURL()+"/Patient?_count=1", nil)
	token.SetAuthHeader(r)
	resp, err := sandbox.Client().Do(r)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	fmt.Println(sandbox.Counts().TokensIssued)
	// Output:
	// system/Patient.rs
	// 200 OK
	// 1
}

func TestNewClientWithCore(t *testing.T) {
	for _, profile := range []smarttest.Profile{smarttest.Koppeltaal, smarttest.SMART} {
		for _, memory := range []bool{false, true} {
			for name, client := range map[string]smarttest.ClientOptions{"EC": {}, "RSA": {RSA: true}, "PEM": {PEM: true}, "named": {ID: "me", KeyID: "k"}} {
				s := smarttest.New(t, smarttest.Options{Profile: profile, InMemory: memory})
				config := s.NewClient(client)
				src, err := smartauth.New(config)
				if err != nil {
					t.Fatal(err)
				}
				token, err := src.Token(t.Context())
				if err != nil {
					t.Errorf("%v, memory %v, %s: %v", profile, memory, name, err)
					continue
				}
				if a := get(t, s, s.BaseURL()+"/Task", token.AccessToken()); a.status != 200 {
					t.Errorf("%v, memory %v, %s: %d %s", profile, memory, name, a.status, a.body)
				}
				for _, sent := range s.Assertions() {
					if _, text := sent.Claims["aud"].(string); !text || !sent.Accepted || sent.Header["kid"] != config.Signer.KeyID() {
						t.Errorf("%+v", sent)
					}
				}
			}
		}
	}
}

func TestFakeTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		src, err := smartauth.New(s.NewClient(smarttest.ClientOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); time.Since(start) < 15*time.Minute; time.Sleep(10 * time.Second) {
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if a := get(t, s, s.BaseURL()+"/Patient/patient-1", token.AccessToken()); a.status != 200 {
				t.Fatalf("after %v: %d", time.Since(start), a.status)
			}
		}
		synctest.Wait()
		c := s.Counts()
		if c.TokensIssued < 3 || c.TokensIssued > 5 || c.TokensRefused != 0 || c.FHIR != 90 || c.JWKS != c.TokenRequests {
			t.Errorf("%+v", c)
		}
		seen := make(map[any]bool)
		for _, a := range s.Assertions() {
			if seen[a.Claims["jti"]] {
				t.Error("a jti came twice")
			}
			seen[a.Claims["jti"]] = true
		}
	})
}

func TestRotationWorksAtOnce(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	config := s.NewClient(smarttest.ClientOptions{ID: "app"})
	token := func(signer smartauth.Signer) error {
		config.Signer = signer
		src, err := smartauth.New(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = src.Token(t.Context())
		return err
	}
	old := config.Signer
	next := s.RotateKey("app")
	if err := token(next); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if err := token(old); err == nil {
		t.Error("the old key still works")
	}
	s.SetApproved("app", false)
	if err := token(next); err == nil {
		t.Error("a client that is not approved gets tokens")
	}
}

func TestOwnHosts(t *testing.T) {
	for _, memory := range []bool{false, true} {
		s := smarttest.New(t, smarttest.Options{InMemory: memory})
		addr := ""
		if memory {
			addr = "files.example.test:80"
		}
		origin, err := s.Serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(r.Host))
		}))
		if err != nil {
			t.Fatal(err)
		}
		if a := get(t, s, origin+"/x", ""); a.status != 200 || "http://"+a.body != origin {
			t.Errorf("%s: %d %q", origin, a.status, a.body)
		}
		if memory {
			if a := get(t, s, "http://files.example.test/x", ""); a.status != 200 {
				t.Errorf("%d", a.status)
			}
			if _, err := s.Client().Get("http://elsewhere.example.test/"); err == nil || !strings.Contains(err.Error(), "refused") {
				t.Errorf("an unknown host: %v", err)
			}
			if _, err := s.Serve(addr, nil); err == nil {
				t.Error("an address was taken twice")
			}
			alias := strings.Replace(s.BaseURL(), "localhost", "127.0.0.1", 1)
			if a := get(t, s, alias+"/metadata", ""); a.status != 200 {
				t.Errorf("by another name: %d", a.status)
			}
		}
	}
}

func TestStartFails(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:0", ":0", "nonsense"} {
		if s, err := smarttest.Start(smarttest.Options{Addr: addr}); err == nil {
			s.Close()
			t.Errorf("%s: started", addr)
		}
	}
	s := smarttest.New(t, smarttest.Options{})
	taken := strings.TrimPrefix(s.FHIROrigin(), "http://")
	if other, err := smarttest.Start(smarttest.Options{Addr: taken}); err == nil {
		other.Close()
		t.Error("took an address in use")
	}
}

// TestCloseLeavesNothing relies on the bubble in memory: synctest.Test fails if a goroutine is left. Over loopback it
// looks at the stacks.
func TestCloseLeavesNothing(t *testing.T) {
	use := func(t *testing.T, opts smarttest.Options) {
		s, err := smarttest.Start(opts)
		if err != nil {
			t.Fatal(err)
		}
		register(s)
		get(t, s, s.BaseURL()+"/Patient", accessToken(t, s))
		s.Fail(smarttest.FHIR, smarttest.Fault{Hang: true})
		held := make(chan error)
		go func() {
			resp, err := s.Client().Get(s.BaseURL() + "/Patient")
			if err == nil {
				_ = resp.Body.Close()
			}
			held <- err
		}()
		for s.Counts().FHIR < 2 {
			runtime.Gosched()
		}
		s.Close()
		s.Close()
		if err := <-held; err == nil {
			t.Error("a withheld response came")
		}
		if _, err := s.Serve("", nil); err == nil {
			t.Error("a closed sandbox takes another server")
		}
		if _, err := s.Client().Get(s.BaseURL() + "/metadata"); err == nil {
			t.Error("a closed sandbox answers")
		}
		s.Transport().CloseIdleConnections()
	}
	synctest.Test(t, func(t *testing.T) { use(t, smarttest.Options{InMemory: true}) })

	use(t, smarttest.Options{})
	deadline := time.Now().Add(5 * time.Second)
	for left := stacks(); left != ""; left = stacks() { // the client's own goroutines end a moment later
		if time.Now().After(deadline) {
			t.Fatalf("left behind:\n%s", left)
		}
		runtime.Gosched()
	}
}

func TestCloseWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		entered, ended := make(chan struct{}), false
		s.Fail(smarttest.Metadata, smarttest.Fault{Handler: func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			time.Sleep(time.Minute)
			ended = true
		}})
		go func() {
			if resp, err := s.Client().Get(s.BaseURL() + "/metadata"); err == nil {
				_ = resp.Body.Close()
			}
		}()
		<-entered
		s.Close()
		if !ended {
			t.Error("a handler was still at work")
		}
	})
}

// stacks returns the goroutines of HTTP servers and clients.
func stacks() string {
	buf := make([]byte, 1<<20)
	var left []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "net/http.(*") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}
