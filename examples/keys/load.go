package main

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load is FHIR requests that go on until it is stopped.
type load struct {
	end                context.CancelFunc
	workers            sync.WaitGroup
	requests, failures atomic.Int64
}

func startLoad(ctx context.Context, client *http.Client, url string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{end: cancel}
	for range 4 {
		l.workers.Go(func() {
			for ctx.Err() == nil {
				l.requests.Add(1)
				if !ok(client, url) {
					l.failures.Add(1)
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return l
}

// stop returns how many requests were made and how many of them failed.
func (l *load) stop() (requests, failures int) {
	l.end()
	l.workers.Wait()
	return int(l.requests.Load()), int(l.failures.Load())
}

// ok makes a request, which is not broken off when the load ends: that would count as a failure.
func ok(client *http.Client, url string) bool {
	resp, err := client.Get(url)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return err == nil && resp.StatusCode == http.StatusOK
}
