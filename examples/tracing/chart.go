package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// chart is what there is to draw of some traces: a row for each span, on one axis of time.
type chart struct {
	took   time.Duration // from the first start to the last end
	traces [][]row       // in order of their starts
}

type row struct {
	name       string
	depth      int
	trace      string // its id
	start, end time.Duration
	failed     bool
	notes      string
	links      []string
}

// shown are the attributes that tell what happened, by what they are called here.
var shown = []struct {
	key  attribute.Key
	name string
}{
	{"smartauth.refresh.reason", "reason"},
	{"smartauth.token.source", "source"},
	{"smartauth.attempts", "attempts"},
	{"smartauth.token.expires_in", "expires_in"},
	{"smartauth.signing.alg", "alg"},
	{"http.response.status_code", "status"},
	{"http.request.resend_count", "resend_count"},
	{"error.type", "error.type"},
}

func newChart(spans []sdktrace.ReadOnlySpan) chart {
	if len(spans) == 0 {
		return chart{}
	}
	byID := map[trace.SpanID]sdktrace.ReadOnlySpan{}
	children := map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	begin, end := spans[0].StartTime(), spans[0].EndTime()
	for _, s := range spans {
		byID[s.SpanContext().SpanID()] = s
		begin, end = earlier(begin, s.StartTime()), later(end, s.EndTime())
	}
	for _, s := range spans {
		parent := s.Parent().SpanID() // zero for a root
		if _, known := byID[parent]; !known {
			parent = trace.SpanID{}
		}
		children[parent] = append(children[parent], s)
	}

	c := chart{took: end.Sub(begin)}
	var add func(s sdktrace.ReadOnlySpan, depth int)
	add = func(s sdktrace.ReadOnlySpan, depth int) {
		last := &c.traces[len(c.traces)-1]
		*last = append(*last, row{
			name: s.Name(), depth: depth, trace: s.SpanContext().TraceID().String(), start: s.StartTime().Sub(begin), end: s.EndTime().Sub(begin),
			failed: s.Status().Code == codes.Error, notes: notes(s), links: links(s, byID),
		})
		for _, child := range inOrder(children[s.SpanContext().SpanID()]) {
			add(child, depth+1)
		}
	}
	for _, root := range inOrder(children[trace.SpanID{}]) {
		c.traces = append(c.traces, nil)
		add(root, 0)
	}
	return c
}

func inOrder(spans []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	slices.SortStableFunc(spans, func(a, b sdktrace.ReadOnlySpan) int {
		return cmp.Or(a.StartTime().Compare(b.StartTime()), a.EndTime().Compare(b.EndTime()))
	})
	return spans
}

func notes(s sdktrace.ReadOnlySpan) string {
	values := map[attribute.Key]attribute.Value{}
	for _, a := range s.Attributes() {
		values[a.Key] = a.Value
	}
	var list []string
	for _, a := range shown {
		v, ok := values[a.key]
		if usual := a.name == "source" && v.AsString() == "network" || a.name == "attempts" && v.AsInt64() == 1; ok && !usual {
			list = append(list, a.name+"="+v.String())
		}
	}
	return strings.Join(list, " ")
}

func links(s sdktrace.ReadOnlySpan, known map[trace.SpanID]sdktrace.ReadOnlySpan) []string {
	var list []string
	for _, l := range s.Links() {
		name := "a span"
		if to, ok := known[l.SpanContext.SpanID()]; ok {
			name = to.Name()
		}
		list = append(list, fmt.Sprintf("linked to %s in trace %s", name, short(l.SpanContext.TraceID().String())))
	}
	return list
}

// short is enough of an id to tell the traces of a scene apart.
func short(traceID string) string { return traceID[:8] }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
