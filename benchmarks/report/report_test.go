package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

const sample = `cpu: Some CPU
BenchmarkTokenSerial/peer=smartauth+otel         	 1410294	        43.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkTokenParallel/peer=oauth2-8 	 10	        40 ns/op
BenchmarkTokenParallel/peer=oauth2-8 	 10	        60 ns/op
=== ATTR  TestRevocation/peer=google failed 3067
`

func TestReadsResults(t *testing.T) {
	r := make(results)
	if err := r.read(strings.NewReader(sample)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		measure, peer, unit string
		want                float64
	}{
		{"TokenSerial", "smartauth+otel", "ns/op", 43.5},
		{"TokenSerial", "smartauth+otel", "allocs/op", 0},
		{"TokenParallel-8", "oauth2", "ns/op", 50},
		{"Revocation", "google", "failed", 3067},
	} {
		if got := r.median(c.measure, c.peer, c.unit); got != c.want {
			t.Errorf("%s %s %s: %v, want %v", c.measure, c.peer, c.unit, got, c.want)
		}
	}
	if got := r.median("TokenSerial", "nobody", "ns/op"); !math.IsNaN(got) {
		t.Errorf("%v for what was not measured", got)
	}
}

// What was not measured must not look as if it met its target.
func TestNothingMeasuredMeetsNoTarget(t *testing.T) {
	for _, row := range targets(make(results)) {
		if row.met && row.want != "" {
			t.Errorf("%s: met without a figure", row.what)
		}
	}
}

// How many calls begin after the revocation is measured, and no claim.
func TestRevocationTellsItsCalls(t *testing.T) {
	r := make(results)
	r.add("Revocation", "oauth2", "after", 2999)
	for _, row := range targets(r) {
		if strings.HasPrefix(row.what, "revocation") && !strings.Contains(row.peers, "where 2999 calls begin") {
			t.Errorf("peers: %s", row.peers)
		}
	}
}

// What a hit costs with metrics is told for one goroutine and for many: the counter is shared.
func TestMetricsInACrowd(t *testing.T) {
	r := make(results)
	for measure, floor := range map[string]float64{"TokenSerial": 30, "TokenParallel-8": 16} {
		r.add(measure, "floor", nanos, floor)
		r.add(measure, "smartauth+otel", nanos, 36)
	}
	document := document(r, "", "")
	for _, row := range []string{
		"| cached token with metrics, serial | ≤ 1.3 × floor | 1.20 × | yes |",
		"| cached token with metrics, 8 goroutines |  | 2.25 × floor |  |",
	} {
		if !strings.Contains(document, row) {
			t.Errorf("no row begins %s", row)
		}
	}
}

func TestPlotIsXML(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(plot("a < b & c", ours, []bar{{ours, 1, "1 ns"}, {"none", 0, `"0"`}})))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
