package otelsmart_test

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

var code = regexp.MustCompile("`[^`]+`")

// codes are what is in backticks in text, in order.
func codesIn(text string) []string {
	found := code.FindAllString(text, -1)
	for i := range found {
		found[i] = strings.Trim(found[i], "`")
	}
	slices.Sort(found)
	return found
}

// table returns the rows of the README's table under the heading, by their first column.
func table(t *testing.T, heading string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("README.md has no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if name := codesIn(cells[0]); strings.HasPrefix(line, "| `") {
			rows[name[0]] = cells[1:]
		}
	}
	return rows
}

// story goes through all that an Observer can tell of.
func story(w *world) {
	for _, fault := range []smarttest.Fault{
		{Times: 1, Status: http.StatusServiceUnavailable},
		{Status: 400, Body: `{"error":"invalid_scope"}`},
		{Delay: time.Second},
		{Hang: true},
	} {
		w.Fail(smarttest.Discovery, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
		w.Fail(smarttest.TokenEndpoint, fault)
		w.src = w.source(w.cfg)
		for range 2 {
			go func() { _, _ = w.src.Token(w.Context()) }()
		}
		time.Sleep(20 * time.Second)
		for range 2 {
			_, _ = w.src.Token(w.Context())
		}
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		time.Sleep(275 * time.Second)
		_, _ = w.src.Token(w.Context())
		time.Sleep(time.Second)
		_, _ = w.src.Token(w.Context())
		time.Sleep(time.Minute)
		w.Clear()
		if token, err := w.src.Token(w.Context()); err == nil {
			w.src.Invalidate(token)
			_, _ = w.src.Token(w.Context())
		}
		w.metrics() // before this Source gives way to the next
	}
	w.cfg.Signer = brokenSigner{w.cfg.Signer, http.ErrAbortHandler}
	_, _ = w.source(w.cfg).Token(w.Context())
	for _, o := range []smartauth.Outcome{smartauth.OutcomeRecovered, smartauth.OutcomeFailed, smartauth.OutcomeSuppressed} {
		w.src.Rejected(w.Context(), smartauth.Rejection{Outcome: o})
	}
	for _, r := range []smartauth.SkipReason{smartauth.SkipForeignOrigin, smartauth.SkipForeignRedirect, smartauth.SkipOwnAuthorization, smartauth.SkipOptOut} {
		w.src.BearerSkipped(w.Context(), smartauth.BearerSkipped{Reason: r})
	}
}

// told is what has attributes: a span or a metric, by name.
type told map[string]map[string]bool

func (t told) add(name string, attributes []attribute.KeyValue, values told) {
	if t[name] == nil {
		t[name] = map[string]bool{}
	}
	for _, a := range attributes {
		key := string(a.Key)
		t[name][key] = true
		if values[key] == nil {
			values[key] = map[string]bool{}
		}
		values[key][a.Value.String()] = true
	}
}

func TestReadme(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		story(w)
		spans, metrics, values := told{}, told{}, told{}
		listed := table(w.T, "Spans")
		for _, s := range w.recorder.Ended() {
			spans.add(s.Name(), s.Attributes(), values)
			if row := listed[s.Name()]; len(row) != 3 || row[0] != s.SpanKind().String() {
				w.Fatalf("%s is listed as %v", s.Name(), row)
			}
		}
		same(w, "spans", spans, listed, 2)

		listed = table(w.T, "Metrics")
		for name, m := range w.metrics() {
			instrument, sets := points(m)
			for _, set := range sets {
				metrics.add(name, set.ToSlice(), values)
			}
			if row := listed[name]; len(row) != 4 || row[0] != instrument || row[1] != "`"+m.Unit+"`" || row[3] != m.Description {
				w.Fatalf("%s, a %s in %s, %q, is listed as %q", name, instrument, m.Unit, m.Description, row)
			}
		}
		same(w, "metrics", metrics, listed, 2)

		listed = table(w.T, "Attributes")
		if got, want := slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(listed)); !slices.Equal(got, want) {
			w.Errorf("attributes %v, listed %v", got, want)
		}
		for _, key := range []string{"smartauth.grant_type", "smartauth.token.source", "smartauth.refresh.reason", "smartauth.outcome",
			"smartauth.skip.reason", "http.request.method"} {
			if got, want := slices.Sorted(maps.Keys(values[key])), codesIn(listed[key][0]); !slices.Equal(got, want) {
				w.Errorf("%s: %v, listed %v", key, got, want)
			}
		}
		for v := range values["error.type"] {
			if !slices.Contains(codesIn(listed["error.type"][0]), v) && !regexp.MustCompile(`^[345]\d\d$`).MatchString(v) {
				w.Errorf("error.type %s is not listed", v)
			}
		}
	}, otelsmart.WithClientID())
}

// same fails the test unless the names, and for each its attributes, are those in the column.
func same(w *world, what string, got told, listed map[string][]string, column int) {
	w.Helper()
	if names, want := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(listed)); !slices.Equal(names, want) {
		w.Errorf("%s %v, listed %v", what, names, want)
	}
	for name, attributes := range got {
		if keys, want := slices.Sorted(maps.Keys(attributes)), codesIn(listed[name][column]); !slices.Equal(keys, want) {
			w.Errorf("%s has %v, listed are %v", name, keys, want)
		}
	}
}

// points returns what the instrument was, and the attributes of all that it has.
func points(m metricdata.Metrics) (instrument string, sets []attribute.Set) {
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
		return "counter", sets
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
		return "gauge", sets
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
		return "histogram", sets
	}
	return "", nil
}
