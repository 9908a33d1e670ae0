package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// prometheus is a running one that scrapes one target.
type prometheus struct{ origin string }

// debian returns the program of that name from Debian's package. A missing one is a failure, as with Node.js.
func debian(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("no %s on the PATH: on Debian or Ubuntu, apt-get install --no-install-recommends prometheus", program)
	}
	return path
}

// startPrometheus scrapes target, and evaluates the rules, twice a second.
func startPrometheus(t *testing.T, target, rules string) *prometheus {
	t.Helper()
	rules, err := filepath.Abs(rules)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs: [{job_name: smartauth, static_configs: [{targets: [%q]}]}]
`, rules, target), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	start(t, exec.CommandContext(t.Context(), debian(t, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn"))
	p := &prometheus{"http://" + address}
	within(t, 20*time.Second, "Prometheus is ready", func() bool {
		resp, err := http.Get(p.origin + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// freeAddress returns one of loopback that nobody listens on, for programs that cannot tell which they took.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start starts cmd and ends it with the test. It returns the lines that cmd prints, those that nobody takes in time excepted.
func start(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	var log strings.Builder
	cmd.Stderr = &log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case lines <- s.Text():
			default:
			}
		}
	}()
	t.Cleanup(func() { // after the test's context has ended, and cmd with it
		<-read
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), log.String())
		}
	})
	return lines
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(d); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// get asks the HTTP API of Prometheus.
func (p *prometheus) get(t *testing.T, path string, data any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.origin+"/api/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v %s", path, err, answer.Error)
	}
}

// sample is one value of a query's result.
type sample struct {
	labels map[string]string
	value  float64
}

func (p *prometheus) query(t *testing.T, expr string) []sample {
	t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	p.get(t, "query?query="+url.QueryEscape(expr), &data)
	var list []sample
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s has the value %q", expr, text)
		}
		list = append(list, sample{r.Metric, value})
	}
	return list
}

type alert struct {
	Labels, Annotations map[string]string
	State               string
	ActiveAt            time.Time
}

func (p *prometheus) alerts(t *testing.T) []alert {
	t.Helper()
	var data struct{ Alerts []alert }
	p.get(t, "alerts", &data)
	return data.Alerts
}

type rule struct{ Name, Query, Health, LastError string }

func (p *prometheus) rules(t *testing.T) []rule {
	t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	p.get(t, "rules", &data)
	var list []rule
	for _, g := range data.Groups {
		list = append(list, g.Rules...)
	}
	return list
}
