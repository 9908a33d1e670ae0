// Package rehearsal has a FHIR client work at a sandbox in the same process, through the revocation of its token, and tells
// what that took.
package rehearsal

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Settings are what a FHIR client is configured with.
type Settings struct {
	BaseURL  string
	TokenURL string // for clients that do not discover it
	ClientID string
	KeyID    string
	KeyPEM   []byte // RSA, PKCS#8
}

// A Client is what an application asks of its FHIR client.
type Client interface {
	CountPatients(context.Context) (int, error)
	CreateTask(context.Context) (id string, err error)
}

// Connect makes a client.
type Connect func(Settings) (Client, error)

// An Outcome is what the calls of a client took.
type Outcome struct {
	Calls, Failed int
	Unauthorized  int // responses of the FHIR server that were 401
	TokenRequests int
	Slowest       time.Duration // of the calls after the revocation
}

// Row returns the counts as a row of the README's table.
func (o Outcome) Row(who string) string {
	return fmt.Sprintf("| %s | %d of %d | %d | %d |", who, o.Failed, o.Calls, o.Unauthorized, o.TokenRequests)
}

// Main runs the rehearsal and prints its outcome. It exits with 1 if there is none.
func Main(connect Connect) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, err := Run(ctx, connect)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("SANDBOX: the servers run in this process; halfway they revoked the token.")
	fmt.Printf("calls: %d, failed: %d, rejected with 401: %d, token requests: %d\n", o.Calls, o.Failed, o.Unauthorized, o.TokenRequests)
	fmt.Printf("slowest call after the revocation: %.2f s\n", o.Slowest.Seconds())
}

const crowd = 20

// Run makes two calls, revokes the token, makes twenty calls at once and then another one. An error is one of the sandbox or
// of connect; that calls fail is part of the outcome.
func Run(ctx context.Context, connect Connect) (Outcome, error) {
	srv, err := smarttest.Start(smarttest.Options{})
	if err != nil {
		return Outcome{}, err
	}
	defer srv.Close()
	settings, err := Register(srv)
	if err != nil {
		return Outcome{}, err
	}
	client, err := connect(settings)
	if err != nil {
		return Outcome{}, err
	}

	var calls, failed atomic.Int32
	call := func(i int) {
		calls.Add(1)
		var err error
		if i%2 == 0 {
			_, err = client.CountPatients(ctx)
		} else {
			_, err = client.CreateTask(ctx)
		}
		if err != nil {
			failed.Add(1)
		}
	}
	call(0)
	call(1)

	srv.RevokeAll()
	srv.OnRequest(together())
	var slowest atomic.Int64
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			begin := time.Now()
			call(i)
			took := int64(time.Since(begin))
			for old := slowest.Load(); took > old && !slowest.CompareAndSwap(old, took); old = slowest.Load() {
			}
		})
	}
	wg.Wait()
	call(0)

	counts := srv.Counts()
	return Outcome{
		Calls: int(calls.Load()), Failed: int(failed.Load()),
		Unauthorized: counts.FHIRUnauthorized, TokenRequests: counts.TokenRequests,
		Slowest: time.Duration(slowest.Load()),
	}, ctx.Err()
}

// together holds the requests to the FHIR server until the whole crowd is there, so that all of it is refused and the counts
// are the same each time. It does so once.
func together() func(smarttest.Request) {
	var arrived atomic.Int32
	all := make(chan struct{})
	return func(r smarttest.Request) {
		if r.Endpoint != smarttest.FHIR {
			return
		}
		if arrived.Add(1) == crowd {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(5 * time.Second): // of a client that failed before
		}
	}
}
