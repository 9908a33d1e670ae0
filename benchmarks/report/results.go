package main

import (
	"bufio"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the measured values, by measure, peer and unit, such as "TokenParallel-8", "oauth2" and "ns/op".
type results map[string]map[string]map[string][]float64

func (r results) add(measure, peer, unit string, value float64) {
	if r[measure] == nil {
		r[measure] = make(map[string]map[string][]float64)
	}
	if r[measure][peer] == nil {
		r[measure][peer] = make(map[string][]float64)
	}
	r[measure][peer][unit] = append(r[measure][peer][unit], value)
}

var (
	benchmark = regexp.MustCompile(`^Benchmark(\w+)/peer=([\w+]+?)(-\d+)?\s+\d+\s+(.*)$`)
	attribute = regexp.MustCompile(`^=== ATTR\s+Test(\w+)/peer=(\w+) (\S+) (\S+)$`)
)

// read adds the lines of `go test -bench` and of testing.T.Attr.
func (r results) read(from io.Reader) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if m := benchmark.FindStringSubmatch(lines.Text()); m != nil {
			fields := strings.Fields(m[4])
			for i := 0; i+1 < len(fields); i += 2 {
				value, err := strconv.ParseFloat(fields[i], 64)
				if err != nil {
					return err
				}
				r.add(m[1]+m[3], m[2], fields[i+1], value)
			}
		}
		if m := attribute.FindStringSubmatch(lines.Text()); m != nil {
			value, err := strconv.ParseFloat(m[4], 64)
			if err != nil {
				return err
			}
			r.add(m[1], m[2], m[3], value)
		}
	}
	return lines.Err()
}

// median is NaN if there is no such value.
func (r results) median(measure, peer, unit string) float64 {
	values := slices.Sorted(slices.Values(r[measure][peer][unit]))
	if len(values) == 0 {
		return math.NaN()
	}
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// least is what a peer that is measured in real time does on a machine that is not disturbed.
func (r results) least(measure, peer, unit string) float64 {
	if values := r[measure][peer][unit]; len(values) > 0 {
		return slices.Min(values)
	}
	return math.NaN()
}

// most is for what is asserted of ours.
func (r results) most(measure, peer, unit string) float64 {
	if values := r[measure][peer][unit]; len(values) > 0 {
		return slices.Max(values)
	}
	return math.NaN()
}
