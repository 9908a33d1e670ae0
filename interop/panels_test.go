package interop

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// panelQueries returns the queries of the dashboard by the panel's title, with its variables as Grafana would replace them.
func panelQueries(t *testing.T, rateInterval, job string) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("../otel/dashboards/smartauth.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title, Description string
			Targets            []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := map[string][]string{}
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 || p.Description == "" {
			t.Errorf("panel %q has no query, or is not described", p.Title)
		}
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", rateInterval, "$job", job).Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("panel %q has a variable that is not known here: %s", p.Title, expr)
			}
			queries[p.Title] = append(queries[p.Title], expr)
		}
	}
	return queries
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(debian(t, "promtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Everything as promtool test rules reads it.
type (
	inputSeries struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	wantedSample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
	exprTest struct {
		Expr     string         `json:"expr"`
		EvalTime string         `json:"eval_time"`
		Samples  []wantedSample `json:"exp_samples"`
	}
)

// panelInput is a minute's worth for each value, of ten minutes. Another job's must not be seen.
var panelInput = []inputSeries{
	{`smartauth_token_acquisition_duration_seconds_count{job="fhir", smartauth_refresh_reason="expiring"}`, "0+60x10"},
	{`smartauth_token_acquisition_duration_seconds_count{job="fhir", smartauth_refresh_reason="expiring", error_type="503"}`, "0+120x10"},
	{`smartauth_token_acquisition_duration_seconds_count{job="fhir", smartauth_refresh_reason="rejected", error_type="401"}`, "0+180x10"},
	{`smartauth_token_acquisition_duration_seconds_count{job="other", smartauth_refresh_reason="rejected", error_type="401"}`, "0+180x10"},
	{`smartauth_token_acquisition_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expiring", le="1"}`, "0+60x10"},
	{`smartauth_token_acquisition_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expiring", le="2"}`, "0+114x10"},
	{`smartauth_token_acquisition_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expiring", le="3"}`, "0+120x10"},
	{`smartauth_token_acquisition_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expiring", le="+Inf"}`, "0+120x10"},
	{`smartauth_token_acquisition_duration_seconds_bucket{job="other", smartauth_refresh_reason="expiring", le="+Inf"}`, "0+120x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expired", le="1"}`, "0+60x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="rejected", le="1"}`, "0+0x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expired", le="2"}`, "0+114x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="rejected", le="2"}`, "0+0x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expired", le="3"}`, "0+120x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="rejected", le="3"}`, "0+0x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="fhir", smartauth_refresh_reason="expired", le="+Inf"}`, "0+120x10"},
	{`smartauth_token_wait_duration_seconds_bucket{job="other", smartauth_refresh_reason="expired", le="+Inf"}`, "0+120x10"},
	{`smartauth_token_requests_total{job="fhir", smartauth_token_source="cache"}`, "0+60x10"},
	{`smartauth_token_requests_total{job="fhir", smartauth_token_source="network"}`, "0+60x10"},
	{`smartauth_token_requests_total{job="fhir", smartauth_token_source="network", error_type="401"}`, "0+60x10"},
	{`smartauth_token_requests_total{job="fhir", smartauth_token_source="none", error_type="cool_down"}`, "0+60x10"},
	{`smartauth_token_requests_total{job="other", smartauth_token_source="cache"}`, "0+60x10"},
	{`smartauth_token_remaining_seconds{job="fhir", instance="a", server_address="auth", server_port="1"}`, "99x10"},
	{`smartauth_token_remaining_seconds{job="fhir", instance="a", server_address="auth", server_port="2"}`, "77x10"},
	{`smartauth_token_remaining_seconds{job="other", instance="a", server_address="auth", server_port="2"}`, "66x10"},
	{`smartauth_rejections_total{job="fhir", smartauth_outcome="recovered", server_address="a"}`, "0+60x10"},
	{`smartauth_rejections_total{job="fhir", smartauth_outcome="recovered", server_address="b"}`, "0+60x10"},
	{`smartauth_rejections_total{job="fhir", smartauth_outcome="failed", server_address="a"}`, "0+180x10"},
	{`smartauth_rejections_total{job="other", smartauth_outcome="failed", server_address="a"}`, "0+180x10"},
	{`smartauth_bearer_skipped_total{job="fhir", smartauth_skip_reason="opt_out", server_address="a"}`, "0+60x10"},
	{`smartauth_bearer_skipped_total{job="fhir", smartauth_skip_reason="opt_out", server_address="b"}`, "0+60x10"},
	{`smartauth_bearer_skipped_total{job="other", smartauth_skip_reason="opt_out", server_address="b"}`, "0+60x10"},
	{`smartauth_clock_offset_seconds{job="fhir", instance="a", server_address="auth"}`, "-4x10"},
	{`smartauth_clock_offset_seconds{job="other", instance="a", server_address="auth"}`, "-5x10"},
}

// panelSamples are what the queries of each panel give for that, in their order.
var panelSamples = map[string][][]wantedSample{
	"Token acquisitions": {{{`{smartauth_refresh_reason="expiring"}`, 3}, {`{smartauth_refresh_reason="rejected"}`, 3}}},
	"Acquisition duration": {
		{{`{smartauth_refresh_reason="expiring"}`, 1}}, {{`{smartauth_refresh_reason="expiring"}`, 2}}, {{`{smartauth_refresh_reason="expiring"}`, 2.8}},
	},
	"Failed acquisitions": {{{`{error_type="503"}`, 2}, {`{error_type="401"}`, 3}}},
	"Hit ratio":           {{{`{}`, 0.25}}},
	"Tokens by source": {{
		{`{smartauth_token_source="cache"}`, 1}, {`{smartauth_token_source="network"}`, 2}, {`{smartauth_token_source="none"}`, 1},
	}},
	"Wait for another's acquisition": {{{`{}`, 1}}, {{`{}`, 2}}, {{`{}`, 2.8}}},
	"Remaining lifetime":             {{{`{instance="a", server_address="auth"}`, 77}}},
	"Rejections":                     {{{`{smartauth_outcome="recovered"}`, 2}, {`{smartauth_outcome="failed"}`, 3}}},
	"Requests without the token":     {{{`{smartauth_skip_reason="opt_out"}`, 2}}},
	"Clock offset":                   {{{`{job="fhir", instance="a", server_address="auth"}`, -4}}},
}

// promtoolTest lets promtool evaluate the expressions.
func promtoolTest(t *testing.T, input []inputSeries, tests []exprTest) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"evaluation_interval": "1m", "tests": []any{
		map[string]any{"interval": "1m", "input_series": input, "promql_expr_test": tests},
	}}) // which is YAML, too
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.yml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", file)
}

func TestPanels(t *testing.T) {
	queries := panelQueries(t, "5m", "fhir.*")
	if got, want := slices.Sorted(maps.Keys(queries)), slices.Sorted(maps.Keys(panelSamples)); !slices.Equal(got, want) {
		t.Fatalf("panels %q, want %q", got, want)
	}
	var tests []exprTest
	for title, exprs := range queries {
		if len(exprs) != len(panelSamples[title]) {
			t.Fatalf("panel %q has %d queries, want %d", title, len(exprs), len(panelSamples[title]))
		}
		for i, expr := range exprs {
			tests = append(tests, exprTest{"round(" + expr + ", 0.001)", "10m", panelSamples[title][i]})
		}
	}
	promtoolTest(t, panelInput, tests)
}

// Where nothing came from memory, the ratio is 0 and no gap.
func TestHitRatioWithoutHits(t *testing.T) {
	promtoolTest(t, []inputSeries{{`smartauth_token_requests_total{job="fhir", smartauth_token_source="none"}`, "0+60x10"}},
		[]exprTest{{panelQueries(t, "5m", "fhir.*")["Hit ratio"][0], "10m", []wantedSample{{`{}`, 0}}}})
}
