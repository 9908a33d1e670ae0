package smarttest_test

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestFaultsWithinTheBody(t *testing.T) {
	for name, c := range map[string]struct {
		fault smarttest.Fault
		got   int // bytes, of 10
		err   error
		took  time.Duration
	}{
		"close":         {smarttest.Fault{Part: 4, CloseConnection: true}, 4, io.ErrUnexpectedEOF, 0},
		"reset":         {smarttest.Fault{Part: 4, Reset: true}, 4, io.ErrUnexpectedEOF, 0},
		"hang":          {smarttest.Fault{Part: 4, Hang: true}, 4, errTimeout, time.Minute},
		"longer part":   {smarttest.Fault{Part: 11, Hang: true}, 10, nil, 0},
		"drip":          {smarttest.Fault{Drip: time.Second}, 10, nil, 10 * time.Second},
		"drip and hang": {smarttest.Fault{Drip: time.Second, Part: 4, Hang: true}, 4, errTimeout, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := smarttest.New(t, smarttest.Options{InMemory: true})
				c.fault.Body = "0123456789"
				s.Fail(smarttest.Metadata, c.fault)
				client := s.Client()
				client.Timeout = time.Minute
				begin := time.Now()
				resp, err := client.Get(s.BaseURL() + "/metadata")
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				var timeout interface{ Timeout() bool }
				if c.err == errTimeout && errors.As(err, &timeout) && timeout.Timeout() {
					err = errTimeout
				}
				if len(body) != c.got || !errors.Is(err, c.err) || time.Since(begin) != c.took {
					t.Errorf("%d bytes and %v after %v, want %d and %v after %v", len(body), err, time.Since(begin), c.got, c.err, c.took)
				}
			})
		})
	}
}

var errTimeout = errors.New("a timeout")
