package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/smartauth-go/smartauth/koppeltaal"
)

// A hop is a request with its ids of TOP-KT-011.
type hop struct{ name, request, correlation, trace string }

func hopOf(name string, h http.Header) hop {
	return hop{name, h.Get(koppeltaal.HeaderRequestID), h.Get(koppeltaal.HeaderCorrelationID), h.Get(koppeltaal.HeaderTraceID)}
}

// story prints what happens.
type story struct{ out io.Writer }

func (s story) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// tell prints a line a hop, with the beginnings of the ids, and counts those that belong to the first.
func (s story) tell(hops []hop) {
	const row = "%-52s %-14s %-18s %s"
	s.say(row, "hop", koppeltaal.HeaderRequestID, koppeltaal.HeaderCorrelationID, koppeltaal.HeaderTraceID)
	same, caused := 0, 0
	for _, h := range hops {
		s.say(row, h.name, short(h.request), short(h.correlation), short(h.trace))
		if h.trace == hops[0].trace {
			same++
		}
		if h.correlation == hops[0].request {
			caused++
		}
	}
	s.say("\nhops: %d, in the trace of the launch: %d, caused by it: %d", len(hops), same, caused)
}

// tellAudit prints what the domain is told of the launch, with the beginnings of the ids.
func (s story) tellAudit(body []byte) error {
	var event auditEvent
	if err := json.Unmarshal(body, &event); err != nil || len(event.Entity) == 0 {
		return errors.New("the AuditEvent is none")
	}
	s.say("\nAuditEvent: %s of %s, outcome %s", event.Subtype[0].Display, event.Entity[0]["what"].Reference, event.Outcome)
	for _, id := range event.Extension {
		s.say("%-14s %s", strings.TrimPrefix(id.URL, structures), short(id.ValueID))
	}
	return nil
}

func short(id string) string {
	if id == "" {
		return "-"
	}
	return fmt.Sprintf("%.8s…", id)
}
