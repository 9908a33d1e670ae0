package reliability

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// soakFlag is -soak for ten minutes, or -soak=2m. SMARTAUTH_SOAK=1m does the same for CI.
type soakFlag time.Duration

func (f *soakFlag) String() string   { return time.Duration(*f).String() }
func (f *soakFlag) IsBoolFlag() bool { return true }
func (f *soakFlag) Set(text string) error {
	if text == "true" {
		*f = soakFlag(10 * time.Minute)
		return nil
	}
	d, err := time.ParseDuration(text)
	*f = soakFlag(d)
	return err
}

var (
	soak     soakFlag
	soakSeed = flag.Uint64("soak.seed", 0, "the seed of TestSoak; 0 means another one each time")
)

func init() { flag.Var(&soak, "soak", "how long TestSoak takes; -soak alone means 10m") }

func soakTime(t *testing.T) time.Duration {
	if soak != 0 {
		return time.Duration(soak)
	}
	if text := os.Getenv("SMARTAUTH_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SMARTAUTH_SOAK: %v", err)
		}
		return d
	}
	return 4 * time.Second
}

const (
	soakers       = 200
	soakPatience  = 10 * time.Second
	shortPatience = 700 * time.Millisecond
	soakLifetime  = 3 * time.Second
	createsOneIn  = 5
	hurriesOneIn  = 10
)

// Callers on all stacks, with one source for each, against a sandbox that misbehaves at random. Every attempt ends in the
// right answer, or in an error that a fault of that time explains, and the servers are not asked more than they should be.
func TestSoak(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	duration := soakTime(t)
	t.Logf("seed %d; again with: cd examples && go test -race ./internal/reliability -run Soak -v -timeout %v -soak=%v -soak.seed=%d",
		seed, max(2*duration, time.Minute), duration, seed)

	srv := smarttest.New(t, smarttest.Options{TokenLifetime: soakLifetime})
	c := &chaos{Server: srv, random: rand.New(rand.NewPCG(seed, 0)), requests: tokenRequests{from: map[string][]tokenRequest{}}}
	srv.OnRequest(c.arrived)
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		c.clients = append(c.clients, newSoakClient(t, srv, name))
	}

	var results tally
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range soakers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i+1)))
			client := c.clients[i%len(c.clients)]
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(200*time.Millisecond + rand.N(600*time.Millisecond)):
				}
				one := &call{client: client, patience: soakPatience}
				if random.IntN(createsOneIn) == 0 {
					one.create, one.opaque = fmt.Sprintf("%s-%d-%d", client.name, i, n), random.IntN(2) == 0
				}
				if random.IntN(hurriesOneIn) == 0 {
					one.patience = shortPatience
				}
				one.make()
				results.add(one)
			}
		})
	}
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { c.notice(over) })
	c.run(duration)
	close(stop)
	wg.Wait()
	close(over)
	watch.Wait()

	g := &grumbler{T: t}
	for _, client := range c.clients {
		client.seen.settle()
		client.judge(g, c)
	}
	c.judgeKinds(g, duration)
	c.judge(g, &results)
	c.nothingLost(g, &results)
	g.listIncidents(c)
	srv.Transport().CloseIdleConnections()
}

// A soakClient is a client of the sandbox on one stack.
type soakClient struct {
	name   string
	id     string
	signer *swapSigner
	stack  stack
	do     doer
	base   string
	seen   *acquisitions
	tap    *tap
}

func newSoakClient(t *testing.T, srv *smarttest.Server, name string) *soakClient {
	s := &soakClient{name: name, id: "client-on-" + name, stack: stacks[name], signer: &swapSigner{}, base: srv.BaseURL(), seen: &acquisitions{}}
	cfg := srv.NewClient(smarttest.ClientOptions{ID: s.id})
	s.signer.put(cfg.Signer)
	cfg.Signer, cfg.Observer = s.signer, s.seen
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.tap = &tap{base: srv.Transport().Clone(), bearers: map[string]*use{}}
	t.Cleanup(s.tap.base.CloseIdleConnections)
	do, client := s.stack.open(t, src, &http.Client{Transport: s.tap})
	s.do, client.Transport = do, watchAttempts(client.Transport)
	return s
}
