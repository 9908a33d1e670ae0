package reliability

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
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
	soakLifetime  = 20 * time.Second
	createsOneIn  = 40
	mostExplained = 20 // complaints that are written
)

// Callers on all stacks, with one source for each stack, against a sandbox that misbehaves at random. Every call ends in the
// right answer, or in an error that a fault of that time explains.
func TestSoak(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	duration := soakTime(t)
	t.Logf("seed %d, %v; again with: go test ./internal/reliability -run Soak -soak=%v -soak.seed=%d", seed, duration, duration, seed)

	srv := smarttest.New(t, smarttest.Options{TokenLifetime: soakLifetime})
	c := &chaos{Server: srv, random: rand.New(rand.NewPCG(seed, 0))}
	var clients []*soakClient
	for name, attach := range stacks {
		clients = append(clients, newSoakClient(t, srv, c, name, attach))
	}
	c.clients = clients

	var results tally
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range soakers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i+1)))
			client := clients[i%len(clients)]
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(50*time.Millisecond + rand.N(300*time.Millisecond)):
				}
				results.add(client.makeCall(i, n, random.IntN(createsOneIn) == 0))
			}
		})
	}
	c.run(t, duration)
	close(stop)
	wg.Wait()
	time.Sleep(100 * time.Millisecond)

	c.judge(t, &results)
	for _, client := range clients {
		client.judge(t, c, duration)
	}
	c.nothingLost(t, &results)
	srv.Transport().CloseIdleConnections()
}

// A soakClient is a client of the sandbox on one stack.
type soakClient struct {
	name   string
	id     string
	signer *swapSigner
	do     doer
	base   string
	seen   *acquisitions
}

func newSoakClient(t *testing.T, srv *smarttest.Server, c *chaos, name string, attach func(testing.TB, *smartauth.Source, *http.Client) doer) *soakClient {
	s := &soakClient{name: name, id: "client-on-" + name, signer: &swapSigner{}, base: srv.BaseURL(), seen: &acquisitions{chaos: c}}
	cfg := srv.NewClient(smarttest.ClientOptions{ID: s.id})
	s.signer.put(cfg.Signer)
	cfg.Signer, cfg.Observer = s.signer, s.seen
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	transport := srv.Transport().Clone() // of its own: see closedByOthers
	t.Cleanup(transport.CloseIdleConnections)
	s.do = attach(t, src, &http.Client{Transport: transport})
	return s
}

// An outcome is how a call ended.
type outcome struct {
	client     string
	begin, end time.Time
	status     int
	err        error
	created    string // the name of what it was to create; empty for a read
	wrong      string // what is wrong with the answer; empty if it is right
}

func (s *soakClient) makeCall(goroutine, n int, create bool) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), soakPatience)
	defer cancel()
	o := outcome{client: s.name, begin: time.Now()}
	method, url, body := http.MethodGet, s.base+"/Patient?_count=0", ""
	if create {
		o.created = fmt.Sprintf("%s-%d-%d", s.name, goroutine, n)
		method, url, body = http.MethodPost, s.base+"/Patient", `{"resourceType":"Patient","name":[{"family":"`+o.created+`"}]}`
	}
	var answer []byte
	o.status, answer, o.err = s.do(ctx, method, url, body)
	o.end = time.Now()
	if o.err == nil && o.status < 300 {
		o.wrong = wrongAnswer(answer, o.created)
	}
	return o
}

// A tally counts the outcomes and keeps those that were not right.
type tally struct {
	right atomic.Int64

	mu      sync.Mutex
	bad     []outcome
	creates map[string]bool // by name, whether the caller was told 201
}

func (r *tally) add(o outcome) {
	good := o.err == nil && o.status < 300 && o.wrong == ""
	if good {
		r.right.Add(1)
	}
	if good && o.created == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.created != "" {
		if r.creates == nil {
			r.creates = map[string]bool{}
		}
		r.creates[o.created] = good
	}
	if !good {
		r.bad = append(r.bad, o)
	}
}
