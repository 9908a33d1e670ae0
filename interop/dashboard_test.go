package interop

import (
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	rulesFile     = "../otel/alerts/smartauth.rules.yml"
	rulesTestFile = "../otel/alerts/smartauth.rules.test.yml"
)

// expected is what a panel or an alert shows in the course of the example: values within bounds, always, and of the label, if
// there is one, each of these at some time with a value above the least.
type expected struct {
	least, most float64
	label       string
	values      []string
}

var rates = expected{0, 200, "", nil}

func (e expected) by(label string, values ...string) expected {
	e.label, e.values = label, values
	return e
}

var expectedPanels = map[string]expected{
	"Token acquisitions":             rates.by("smartauth_refresh_reason", "expiring", "expired", "rejected"),
	"Acquisition duration":           {0.01, 5, "smartauth_refresh_reason", []string{"expiring", "rejected"}},
	"Failed acquisitions":            rates.by("error_type", "connection"),
	"Hit ratio":                      {0, 1, "", nil},
	"Tokens by source":               rates.by("smartauth_token_source", "cache", "network", "shared", "stale"),
	"Wait for another's acquisition": {0.005, 5, "", nil},
	"Remaining lifetime":             {0, 300, "server_address", []string{"127.0.0.1"}},
	"Rejections":                     rates.by("smartauth_outcome", "recovered", "suppressed"),
	"Requests without the token":     rates.by("smartauth_skip_reason", "foreign_origin", "opt_out", "own_authorization"),
	"Clock offset":                   {-2, 21, "server_address", []string{"127.0.0.1"}},
}

var expectedAlerts = map[string]expected{
	"SmartauthRefreshFailing": {-1, 60, "", nil}, // the token may have ended by then
	"SmartauthCallersFail":    {0, 1000, "", nil},
	"SmartauthTokensRefused":  {0, 1000, "", nil},
	"SmartauthCallsRefused":   {0, 2, "", nil},
	"SmartauthClockOff":       {15, 21, "", nil},
}

// open is a query that has not shown all that is expected of it.
type open struct {
	name, expr string
	expected
	missing map[string]bool
}

func newOpen(name, expr string, e expected) *open {
	o := &open{name, expr, e, map[string]bool{}}
	if e.label == "" {
		o.missing[""] = true
	}
	for _, v := range e.values {
		o.missing[v] = true
	}
	return o
}

// shown evaluates the query, and tells whether all has been seen.
func (o *open) shown(t *testing.T, p *prometheus) bool {
	t.Helper()
	for _, s := range p.query(t, o.expr) {
		if math.IsNaN(s.value) { // of a histogram without an entry in this time
			continue
		}
		if s.value < o.least || s.value > o.most {
			t.Errorf("%s: %v is not between %v and %v: %s", o.name, s.value, o.least, o.most, o.expr)
		}
		if s.value > o.least {
			delete(o.missing, s.labels[o.label])
		}
	}
	return len(o.missing) == 0
}

func panels(t *testing.T) []*open {
	t.Helper()
	var list []*open
	for title, exprs := range panelQueries(t, "10s", ".+") {
		e, known := expectedPanels[title]
		if !known {
			t.Errorf("panel %q: nothing is expected of it", title)
		}
		for _, expr := range exprs {
			list = append(list, newOpen(title, expr, e))
		}
	}
	return list
}

func alertQueries(t *testing.T, p *prometheus) []*open {
	t.Helper()
	var list []*open
	for _, r := range p.rules(t) {
		e, known := expectedAlerts[r.Name]
		if !known {
			t.Errorf("alert %s: nothing is expected of it", r.Name)
		}
		list = append(list, newOpen(r.Name, r.Query, e))
	}
	if len(list) != len(expectedAlerts) {
		t.Errorf("%d alerts, and %d are expected", len(list), len(expectedAlerts))
	}
	return list
}

func TestAlertRulesAreValid(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
}

func TestAlertsFire(t *testing.T) {
	promtool(t, "test", "rules", rulesTestFile)
}

var minutes = regexp.MustCompile(`(\[|for: )(\d+)m`)

// fastRules returns a copy of the rules with a fortieth of their times, as the life of the example goes by faster.
func fastRules(t *testing.T) string {
	t.Helper()
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fast.rules.yml")
	if err := os.WriteFile(file, minutes.ReplaceAllFunc(rules, func(found []byte) []byte {
		m := minutes.FindSubmatch(found)
		n, _ := strconv.Atoi(string(m[2])) // they are digits
		return fmt.Appendf(nil, "%s%dms", m[1], n*1500)
	}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What a real Prometheus scrapes of the example is what dashboard and alerts ask for.
func TestDashboardAndAlerts(t *testing.T) {
	program := filepath.Join(t.TempDir(), "tracing")
	build := exec.Command("go", "build", "-C", "../examples/tracing", "-o", program, ".")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the example: %v\n%s", err, out)
	}
	address := freeAddress(t)
	p := startPrometheus(t, address, fastRules(t))
	queries := append(panels(t), alertQueries(t, p)...)
	if t.Failed() {
		return
	}

	example := exec.CommandContext(t.Context(), program, "-metrics", address, "-for", "55s")
	example.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT=", "OTEL_TRACES_EXPORTER=")
	lines := start(t, example)
	var down time.Time // since when the authorization server is
	var firing *alert
	for deadline := time.Now().Add(50 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if down.IsZero() && printed(lines, "  the authorization server is down") {
			down = time.Now()
		}
		queries = slices.DeleteFunc(queries, func(q *open) bool { return q.shown(t, p) })
		for _, a := range p.alerts(t) {
			if a.Labels["alertname"] == "SmartauthRefreshFailing" && a.State == "firing" {
				firing = &a
			}
		}
		if len(queries) == 0 && firing != nil {
			break
		}
		if time.Now().After(deadline) {
			for _, q := range queries {
				t.Errorf("%s has not shown %s %v: %s", q.name, q.label, slices.Collect(maps.Keys(q.missing)), q.expr)
			}
			t.Fatalf("alert for the refresh that fails: %v", firing)
		}
	}
	if down.IsZero() || firing.ActiveAt.Before(down) {
		t.Errorf("the refresh was said to fail at %v, and the server was down from %v", firing.ActiveAt, down)
	}
	if summary := firing.Annotations["summary"]; summary != address+" cannot renew its access token from 127.0.0.1" {
		t.Errorf("summary %q", summary)
	}
	for _, r := range p.rules(t) {
		if r.Health != "ok" {
			t.Errorf("rule %s: %s", r.Name, r.LastError)
		}
	}
}

// printed tells whether line is among those that have come.
func printed(lines <-chan string, line string) bool {
	for {
		select {
		case l := <-lines:
			if l == line {
				return true
			}
		default:
			return false
		}
	}
}
