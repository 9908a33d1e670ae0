package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// untold clears what the environment of whoever runs the tests says.
func untold(t *testing.T) {
	t.Helper()
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"} {
		t.Setenv(name, "")
	}
}

// tell returns what the example prints. On synctest's clock, and in memory, it takes no time, and the same one always.
func tell(t *testing.T, args ...string) (out, errOut string) {
	t.Helper()
	untold(t)
	synctest.Test(t, func(t *testing.T) {
		var o, e bytes.Buffer
		if code := run(t.Context(), args, smarttest.Options{InMemory: true}, &o, &e); code != 0 {
			t.Errorf("exit %d: %s", code, &e)
		}
		synctest.Wait() // the log's last line comes after the call that it is about
		out, errOut = o.String(), e.String()
	})
	return out, errOut
}

var (
	numbers = regexp.MustCompile(`▕.*▏ *[0-9.]+ ms`)
	ids     = regexp.MustCompile(`trace [0-9a-f]{8}`)
)

// scenes returns the lines below each title, without what differs from run to run.
func scenes(out string) [][]string {
	var list [][]string
	for part := range strings.SplitSeq(out, "\n\n") {
		lines := strings.Split(strings.TrimSpace(part), "\n")
		for i, line := range lines {
			lines[i] = strings.Join(strings.Fields(ids.ReplaceAllString(numbers.ReplaceAllString(line, "|"), "trace")), " ")
		}
		list = append(list, lines[1:])
	}
	return list[1:]
}

func TestStory(t *testing.T) {
	out, errOut := tell(t)
	var got []string
	for _, lines := range scenes(out) {
		got = append(got, strings.Join(lines, "\n"))
	}
	const (
		get     = "HTTP GET | status=200"
		refused = "HTTP GET | status=401 error.type=401"
		sign    = "smartauth.sign | alg=ES384"
		fetch   = sign + "\nsmartauth.exchange | status=200"
		healed  = "trace\nread patients |\n" + refused + "\nsmartauth.token.acquire | reason=rejected expires_in=300\n" + fetch + "\n" + get
		waiter  = "trace\nread patients |\n" + refused + "\nsmartauth.token.acquire | reason=rejected source=shared expires_in=300\n" +
			"linked to smartauth.token.acquire in trace\n" + get
	)
	for i, want := range []string{
		"trace\nread patients |\nsmartauth.token.acquire | reason=initial expires_in=2\nsmartauth.discover | status=200\n" + fetch + "\n" + get,
		"trace\nread patients |\n" + get,
		"trace\nread patients |\n" + get + "\ntrace\nsmartauth.token.acquire | reason=expiring expires_in=300\nlinked to read patients in trace\n" + fetch,
		healed,
		"", // see below
		"trace\nread patients |\n" + refused + "\nsmartauth.token.acquire | reason=rejected attempts=3 error.type=connection\n" +
			sign + "\nsmartauth.exchange | error.type=connection\n" +
			sign + "\nsmartauth.exchange | resend_count=1 error.type=connection\n" +
			sign + "\nsmartauth.exchange | resend_count=2 error.type=connection",
		healed,
	} {
		if want != "" && (i >= len(got) || got[i] != want) {
			t.Errorf("scene %d is not\n%s\nin\n%s", i+1, want, out)
		}
	}
	// Who of the three is first is left to chance.
	if got := got[4]; strings.Count(got, healed) != 1 || strings.Count(got, waiter) != 2 {
		t.Errorf("not one leader and two waiters:\n%s", got)
	}

	lines := strings.Split(strings.TrimSpace(out), "\n")
	if want := "traces: 10, FHIR calls: 9, rejected with 401: 6, failed calls: 1, token requests: 5"; lines[len(lines)-1] != want {
		t.Errorf("the last line is %q, want %q", lines[len(lines)-1], want)
	}
	log := strings.Split(strings.TrimSpace(errOut), "\n")
	if len(log) != 2 || !strings.Contains(log[0], "level=WARN") || !strings.Contains(log[1], "level=INFO") || strings.Count(errOut, " trace_id=") != 2 {
		t.Errorf("log:\n%s", errOut)
	}
}

// Indentation is what shows who is whose parent, and the bars are within their parents'.
func TestNesting(t *testing.T) {
	out, _ := tell(t)
	cold := strings.Split(strings.Split(out, "\n\n")[1], "\n")[2:]
	for i, want := range []string{"read", "  smartauth.token", "    smartauth.disc", "    smartauth.sign", "    smartauth.exch", "  HTTP"} {
		if !strings.HasPrefix(cold[i], "   "+want) {
			t.Errorf("line %d is %q", i+1, cold[i])
		}
	}
	// 15 ms discovery, 30 ms exchange and 15 ms FHIR.
	for i, want := range []string{
		"▕████████████████████████████████▏  60.0 ms",
		"▕████████████████████████        ▏  45.0 ms",
		"▕████████                        ▏  15.0 ms",
		"▕        ▏                       ▏   0.0 ms",
		"▕        ████████████████        ▏  30.0 ms",
		"▕                        ████████▏  15.0 ms",
	} {
		if !strings.Contains(cold[i], want) {
			t.Errorf("line %d is %q, want %q", i+1, cold[i], want)
		}
	}
}

// texts returns what a picture says, but for times.
func texts(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(list, "\n")
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if text, ok := token.(xml.CharData); ok && !strings.HasSuffix(string(text), " ms") {
			list = append(list, strings.TrimSpace(string(text)))
		}
	}
}

// The README's picture is what the example draws.
func TestPicture(t *testing.T) {
	file := filepath.Join(t.TempDir(), "waterfall.svg")
	tell(t, "-svg", file)
	drawn, shown := texts(t, file), texts(t, filepath.Join("..", "..", "docs", "waterfall.svg"))
	if squeeze(drawn) != squeeze(shown) {
		t.Errorf("go run ./examples/tracing -svg docs/waterfall.svg draws\n%s\nand the file has\n%s", drawn, shown)
	}
	if !strings.Contains(drawn, "smartauth.token.acquire\nreason=rejected") {
		t.Errorf("drawn:\n%s", drawn)
	}
}

// squeeze leaves out empty lines, of which there are as many as lines on the axis.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// A collector that the environment names gets the spans and metrics that it is to get; traces are drawn if they go nowhere.
func TestOTLP(t *testing.T) {
	for name, c := range map[string]struct {
		env             map[string]string
		traces, metrics bool
	}{
		"both":         {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, true, true},
		"traces":       {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "/v1/traces"}, true, false},
		"metrics":      {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "/v1/metrics"}, false, true},
		"traces: none": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_TRACES_EXPORTER": "none"}, false, true},
	} {
		t.Run(name, func(t *testing.T) { testOTLP(t, c.env, c.traces, c.metrics) })
	}
}

func testOTLP(t *testing.T, env map[string]string, wantTraces, wantMetrics bool) {
	untold(t)
	var traces, metrics atomic.Bool
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" && bytes.Contains(body, []byte("smartauth.exchange")) {
			traces.Store(true)
		}
		if r.URL.Path == "/v1/metrics" && bytes.Contains(body, []byte("smartauth.token.acquisition.duration")) {
			metrics.Store(true)
		}
	}))
	defer collector.Close()
	for name, value := range env {
		if strings.HasSuffix(name, "_ENDPOINT") {
			value = collector.URL + value
		}
		t.Setenv(name, value)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	var out, errOut bytes.Buffer
	if code := run(t.Context(), nil, smarttest.Options{InMemory: true}, &out, &errOut); code != 0 {
		t.Fatalf("exit %d: %s", code, &errOut)
	}
	if traces.Load() != wantTraces || metrics.Load() != wantMetrics || strings.Contains(out.String(), "▕") == wantTraces || !strings.Contains(out.String(), "\ntraces: 10,") {
		t.Errorf("traces %t, metrics %t, output:\n%s", traces.Load(), metrics.Load(), &out)
	}
}

func TestArguments(t *testing.T) {
	untold(t)
	for _, c := range []struct {
		args string
		code int
		err  string
	}{
		{"-h", 0, "Usage"},
		{"-port 80", 2, "not defined"},
		{"all", 2, "not understood"},
		{"-metrics 192.0.2.1:9464", 2, "not a loopback address"},
		{"-metrics :9464", 2, "not a loopback address"},
		{"-metrics 127.0.0.1:no-port", 1, "no-port"},
	} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), strings.Fields(c.args), smarttest.Options{}, &out, &errOut); code != c.code || out.Len() > 0 || !strings.Contains(errOut.String(), c.err) {
			t.Errorf("%s: exit %d, %q, %q; want %d and a word about %q", c.args, code, &out, &errOut, c.code, c.err)
		}
	}
}
