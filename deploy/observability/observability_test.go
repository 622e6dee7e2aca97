// Package observability holds the alerts and the dashboard against Prometheus' own parser, what is measured, and the runbook.
package observability_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the list of metrics in docs/operations.md anew")

// A rule is one alert.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// A group is one of Prometheus' groups of rules.
type group struct {
	Name  string
	Rules []rule
}

// rules are what the operator hands to Prometheus: the file's spec.
func rules(t *testing.T) (spec []byte, all []rule) {
	t.Helper()
	text, err := os.ReadFile("rules.yaml")
	require.NoError(t, err)
	var object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Spec       struct{ Groups []group }
		Rest       map[string]any `yaml:",inline"`
	}
	require.NoError(t, yaml.Unmarshal(text, &object))
	require.Equal(t, "monitoring.coreos.com/v1 PrometheusRule", object.APIVersion+" "+object.Kind)
	for _, g := range object.Spec.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	var raw struct{ Spec map[string]any }
	require.NoError(t, yaml.Unmarshal(text, &raw))
	spec, err = yaml.Marshal(raw.Spec)
	require.NoError(t, err)
	return spec, all
}

// promtool runs Prometheus' own tool in a folder with these files.
func promtool(t *testing.T, files map[string][]byte, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	require.NoError(t, err, "promtool is missing: `make tools` installs it (Debian's package prometheus)")
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestAlertsFireWhenTheyShouldAndElseDont(t *testing.T) {
	spec, _ := rules(t)
	tests, err := os.ReadFile("rules_test.yaml")
	require.NoError(t, err)
	files := map[string][]byte{"rules.yaml": spec, "rules_test.yaml": tests}
	promtool(t, files, "check", "rules", "rules.yaml")
	promtool(t, files, "test", "rules", "rules_test.yaml")
}

func TestEveryAlertIsSeenToFireAndToKeepStill(t *testing.T) {
	text, err := os.ReadFile("rules_test.yaml")
	require.NoError(t, err)
	var file struct {
		Tests []struct {
			Checks []struct {
				Alertname string
				Fires     []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	fires, still := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Checks {
			if len(c.Fires) > 0 {
				fires[c.Alertname] = true
			} else {
				still[c.Alertname] = true
			}
		}
	}
	_, all := rules(t)
	for _, r := range all {
		require.True(t, fires[r.Alert], "no test sees %s fire", r.Alert)
		require.True(t, still[r.Alert], "no test sees %s keep still", r.Alert)
	}
	require.Len(t, fires, len(all), "a test is of an alert that is not there")
}

func TestEveryAlertSaysHowBadItIsAndAsksForWhatExists(t *testing.T) {
	known := series(t)
	_, all := rules(t)
	for _, r := range all {
		exist(t, known, r.Expr)
		require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
	}
}

func TestEveryAlertHasItsSectionInTheRunbook(t *testing.T) {
	_, all := rules(t)
	var want []string
	for _, r := range all {
		want = append(want, r.Alert)
	}
	var sections []string
	bodies := regexp.MustCompile(`(?m)^### (Millrace\w+)\n\n((?:[^#\n].*\n|\n)+)`).FindAllStringSubmatch(runbook(t), -1)
	for _, s := range bodies {
		sections = append(sections, s[1])
		require.Contains(t, s[2], "**Do.**", "the section of %s says what to do", s[1])
	}
	require.Equal(t, want, sections, "in the order of rules.yaml")
}

const runbookFile = "../../docs/operations.md"

func runbook(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(runbookFile)
	require.NoError(t, err)
	return string(text)
}

// `go test ./deploy/observability -update` writes the lists anew.
func TestTheRunbookListsWhatIsMeasured(t *testing.T) {
	want := runbook(t)
	for _, who := range []struct{ name, metrics string }{
		{"worker", workerMetrics(t)},
		{"scaler", scalerMetrics(t)},
		{"gateway", gatewayMetrics(t)},
	} {
		list, all := "| metric | kind | what it is |\n| --- | --- | --- |\n", read(who.metrics)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			list += fmt.Sprintf("| `%s` | %s | %s |\n", name, all[name].kind, all[name].help)
		}
		begin, end := fmt.Sprintf("<!-- %s: generated -->\n", who.name), fmt.Sprintf("<!-- %s: end -->\n", who.name)
		head, rest, ok := strings.Cut(want, begin)
		require.True(t, ok, begin)
		_, tail, ok := strings.Cut(rest, end)
		require.True(t, ok, end)
		want = head + begin + list + end + tail
	}
	if *update {
		require.NoError(t, os.WriteFile(runbookFile, []byte(want), 0o644))
	}
	require.Equal(t, want, runbook(t))
}

// A panel is one of the dashboard's pictures.
type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ H, W, X, Y int }
	Targets                  []struct{ RefID, Expr, LegendFormat string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
}

func dashboard(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var d struct {
		UID, Title string
		Panels     []panel
	}
	require.NoError(t, json.Unmarshal(text, &d))
	require.Equal(t, "Millrace", d.Title)
	require.NotEmpty(t, d.Panels)
	return d.Panels
}

// filled is a query of the dashboard with its variables chosen.
func filled(query string) string {
	return strings.NewReplacer("$__rate_interval", "5m", "$namespace", "render", "$class", "light|gpu").Replace(query)
}

func TestEveryQueryOfTheDashboardIsReadAndAsksForWhatExists(t *testing.T) {
	known := series(t)
	var records []map[string]string
	asked := ""
	for _, p := range dashboard(t) {
		for _, target := range p.Targets {
			exist(t, known, target.Expr)
			query := filled(target.Expr)
			require.NotContains(t, query, "$", p.Title)
			records = append(records, map[string]string{"record": fmt.Sprintf("query:%d", len(records)), "expr": query})
			asked += query + "\n"
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": records}}})
	require.NoError(t, err)
	promtool(t, map[string][]byte{"queries.yaml": text}, "check", "rules", "queries.yaml")
	_, alerts := rules(t)
	for _, r := range alerts {
		asked += r.Expr + "\n"
	}
	for name := range allMetrics(t) {
		if name != "millrace_build_info" {
			require.Contains(t, asked, name, "no picture and no alert asks for it")
		}
	}
}

func TestThePicturesOfTheDashboardStandBesideEachOther(t *testing.T) {
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range dashboard(t) {
		require.False(t, ids[p.ID], "two pictures are number %d", p.ID)
		ids[p.ID] = true
		require.NotEmpty(t, p.Title)
		if p.Type != "row" {
			require.NotEmpty(t, p.Targets, p.Title)
			require.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
		}
		g := p.GridPos
		require.LessOrEqual(t, g.X+g.W, 24, p.Title)
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies over it", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

func TestKubeStateMetricsIsToldOfWhatTheAlertAsksFor(t *testing.T) {
	text, err := os.ReadFile("kube-state-metrics.yaml")
	require.NoError(t, err)
	var config struct {
		Spec struct {
			Resources []struct{ Metrics []struct{ Name string } }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &config))
	require.Equal(t, "kube_customresource_"+config.Spec.Resources[0].Metrics[0].Name, foreign[len(foreign)-1])
}

func TestTheMonitorsFindThePortOfThePods(t *testing.T) {
	text, err := os.ReadFile("monitors.yaml")
	require.NoError(t, err)
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	var ports []string
	for {
		var m struct {
			Spec struct {
				Pods     []struct{ Port string } `yaml:"podMetricsEndpoints"`
				Services []struct{ Port string } `yaml:"endpoints"`
				Selector struct {
					Labels map[string]string `yaml:"matchLabels"`
				}
			}
		}
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.Equal(t, "millrace", m.Spec.Selector.Labels["app.kubernetes.io/name"])
		for _, e := range append(m.Spec.Pods, m.Spec.Services...) {
			ports = append(ports, m.Spec.Selector.Labels["app.kubernetes.io/component"]+" "+e.Port)
		}
	}
	require.Equal(t, []string{"worker status", "gateway status", "scaler status"}, ports)
}
