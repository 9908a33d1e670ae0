package koppeltaal_test

import (
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

func TestLaunchTrace(t *testing.T) {
	before := koppeltaal.WithTrace(t.Context(), koppeltaal.Trace{RequestID: "request", TraceID: "before"})
	for name, c := range map[string]struct{ token, want string }{
		"an HTI token":    {"e30.eyJqdGkiOiJsYXVuY2gtMSJ9.c2ln", "launch-1"},
		"no jti":          {"e30.e30.c2ln", "before"},
		"no FHIR id":      {"e30.eyJqdGkiOiJhIGIifQ.c2ln", "before"},
		"no token":        {"", "before"},
		"something else":  {"garbage", "before"},
		"a number as jti": {"e30.eyJqdGkiOjd9.c2ln", "before"},
	} {
		got := koppeltaal.TraceFrom(koppeltaal.LaunchTrace(before, c.token))
		if got.TraceID != c.want || got.RequestID != "request" {
			t.Errorf("%s: %+v, want trace %s and the same request", name, got, c.want)
		}
	}
}

// A call outside of any trace is one trace.
func TestCallWithoutATrace(t *testing.T) {
	for op, do := range both {
		inMemory(t, func(t *testing.T, s *sandbox) {
			_ = do.call(t.Context(), s.client)
			traces := map[string]bool{}
			for _, r := range s.Requests(smarttest.TokenEndpoint, smarttest.Introspection) {
				traces[r.Header.Get(koppeltaal.HeaderTraceID)] = true
			}
			if n := len(s.Requests(smarttest.TokenEndpoint, smarttest.Introspection)); n != 2 || len(traces) != 1 {
				t.Errorf("%s: %d requests in %d traces", op, n, len(traces))
			}
		})
	}
}
