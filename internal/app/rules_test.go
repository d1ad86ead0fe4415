package app

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// rule is an alerting rule of monitor/alerts.yml.
type rule struct {
	Alert       string
	Expr        string
	For         time.Duration
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Description, Runbook string }
}

// rules are those of monitor/alerts.yml, which has nothing else.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	strictly(t, "../../monitor/alerts.yml", &file)
	for _, g := range file.Groups {
		require.Regexp(t, `^orderflow-[a-z]+$`, g.Name)
		require.NotEmpty(t, g.Rules, g.Name)
		all = append(all, g.Rules...)
	}
	return all
}

// strictly reads a file of YAML that has no fields but those wanted.
func strictly(t *testing.T, name string, into any) {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	require.NoError(t, d.Decode(into))
	require.ErrorIs(t, d.Decode(new(any)), io.EOF)
}

// asked is a metric that a rule asks for, and what it takes for granted of it.
type asked struct {
	metric string
	labels []string
	values map[string][]string
}

// asks reads what a rule's expression asks for.
func (r rule) asks(t *testing.T) (all []asked) {
	t.Helper()
	e, err := metricsql.Parse(r.Expr)
	require.NoError(t, err, r.Alert)
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			require.Len(t, e.LabelFilterss, 1, r.Alert)
			all = append(all, asks(t, e.LabelFilterss[0]))
		case *metricsql.AggrFuncExpr:
			// The metrics inside were visited before it. What it groups by is theirs.
			require.Contains(t, []string{"", "by"}, e.Modifier.Op, r.Alert)
			inside := 0
			metricsql.VisitAll(e, func(e metricsql.Expr) {
				if _, ok := e.(*metricsql.MetricExpr); ok {
					inside++
				}
			})
			for i := range all[len(all)-inside:] {
				a := &all[len(all)-inside+i]
				a.labels = append(a.labels, e.Modifier.Args...)
			}
		}
	})
	require.NotEmpty(t, all, r.Alert)
	return all
}

func asks(t *testing.T, filters []metricsql.LabelFilter) asked {
	t.Helper()
	a := asked{values: map[string][]string{}}
	for _, f := range filters {
		if f.Label == "__name__" {
			require.False(t, f.IsRegexp || f.IsNegative, f.Value)
			a.metric = f.Value
			continue
		}
		a.labels = append(a.labels, f.Label)
		a.values[f.Label] = append(a.values[f.Label], strings.Split(f.Value, "|")...)
	}
	return a
}

// Somebody reads it at night, and has this text alone.
func TestEveryRuleSaysWhatToDo(t *testing.T) {
	t.Parallel()
	sections := anchors(t, "../../docs/operations.md")
	seen := map[string]bool{}
	for _, r := range rules(t) {
		require.Regexp(t, `^Orderflow([A-Z][a-z]+)+$`, r.Alert)
		require.False(t, seen[r.Alert], "%s is there twice", r.Alert)
		seen[r.Alert] = true
		require.Contains(t, []string{"page", "ticket"}, r.Labels.Severity, r.Alert)
		require.NotEmpty(t, r.Annotations.Summary, r.Alert)
		require.Less(t, len(r.Annotations.Summary), 100, "%s: more than a telephone shows", r.Alert)
		require.Greater(t, len(r.Annotations.Description), 100, r.Alert)
		anchor, ok := strings.CutPrefix(r.Annotations.Runbook, "docs/operations.md#")
		require.True(t, ok, r.Alert)
		require.Contains(t, sections, anchor, r.Alert)
	}
	require.Greater(t, len(seen), 20)
}

// anchors are where a page's headings can be linked to.
func anchors(t *testing.T, name string) (all []string) {
	t.Helper()
	page, err := os.ReadFile(name)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(page), -1) {
		words := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(words, " ", "-"))
	}
	return all
}

// The runbook's table says what to watch; the rules do so.
func TestEveryMetricToWatchHasItsRule(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "\n| metric | worry when | rings as |\n|---|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	uses := map[string][]string{}
	for _, r := range rules(t) {
		for _, a := range r.asks(t) {
			uses[r.Alert] = append(uses[r.Alert], family(a.metric))
		}
	}
	watched, rings := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		require.Len(t, cells, 3, line)
		var metrics []string
		for _, metric := range regexp.MustCompile(`orderflow_[a-z_]+`).FindAllString(cells[0], -1) {
			metrics = append(metrics, family(metric))
		}
		names := regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(cells[2], -1)
		unruled := map[string]bool{}
		for _, metric := range metrics {
			watched[metric], unruled[metric] = true, true
		}
		for _, n := range names {
			used := uses["Orderflow"+n[1]]
			rings["Orderflow"+n[1]] = true
			require.True(t, slices.ContainsFunc(metrics, func(m string) bool { return slices.Contains(used, m) }), "%s does not watch %v", n[1], metrics)
			for _, metric := range used {
				delete(unruled, metric)
			}
		}
		require.Empty(t, unruled, "none of its rules asks for it: %s", line)
	}
	for name, used := range uses {
		require.True(t, rings[name], "%s is not in the table", name)
		for _, metric := range used {
			require.True(t, watched[metric], "%s asks for %s, which is not in the table", name, metric)
		}
	}
	require.Len(t, rings, len(uses))
}

// family is the metric that a series is part of.
func family(metric string) string {
	return strings.TrimSuffix(strings.TrimSuffix(metric, "_bucket"), "_count")
}

// A rule that asks for what nobody serves never rings.
func TestEveryRuleAsksForWhatIsServed(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	endpoints, err := m.seller.Endpoints(t.Context(), devMerchant)
	require.NoError(t, err)
	_, err = m.seller.PauseEndpoint(t.Context(), devMerchant, endpoints.Endpoints[0].ID)
	require.NoError(t, err)
	m.paid(m.create().Payment, "")
	var served map[string]map[string][]string
	m.until("something is held, and a queue is used", func() bool {
		served = m.scrape()
		return slices.Contains(served["orderflow_deliveries_oldest_timestamp_seconds"]["reason"], "held") && served["orderflow_asynq_queue_latency_seconds"] != nil
	})
	// A reason that nothing waits for has no oldest.
	served["orderflow_deliveries_oldest_timestamp_seconds"] = served["orderflow_deliveries_waiting"]
	for _, r := range rules(t) {
		for _, a := range r.asks(t) {
			require.Contains(t, served, a.metric, r.Alert)
			for _, label := range a.labels {
				if label != "instance" { // it is Prometheus's
					require.Contains(t, served[a.metric], label, "%s: %s", r.Alert, a.metric)
				}
				require.Subset(t, served[a.metric][label], a.values[label], "%s: %s{%s}", r.Alert, a.metric, label)
			}
		}
	}
}

// scrape is every metric that is served, with its labels and their values.
func (m *market) scrape() map[string]map[string][]string {
	m.Helper()
	a := m.send(http.MethodGet, m.cfg.BaseURL()+"/metrics", "", "Authorization", "Bearer "+devOperatorKey)
	require.Equal(m, http.StatusOK, a.status, a.body)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.body))
	require.NoError(m, err)
	served := map[string]map[string][]string{}
	for name, f := range families {
		labels := map[string][]string{}
		for _, metric := range f.GetMetric() {
			for _, l := range metric.GetLabel() {
				labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
			}
		}
		if f.GetType() != dto.MetricType_HISTOGRAM {
			served[name] = labels
			continue
		}
		served[name+"_count"], served[name+"_bucket"] = labels, maps.Clone(labels)
		for _, b := range f.GetMetric()[0].GetHistogram().GetBucket() {
			served[name+"_bucket"]["le"] = append(served[name+"_bucket"]["le"], fmt.Sprint(b.GetUpperBound()))
		}
	}
	return served
}

// ringing is a file of promtool's.
type ringing struct {
	RuleFiles          []string `yaml:"rule_files"`
	EvaluationInterval string   `yaml:"evaluation_interval"`
	Tests              []struct {
		Name, Interval string
		InputSeries    []struct{ Series, Values string } `yaml:"input_series"`
		Moments        []struct {
			Expr    string
			Time    time.Duration `yaml:"eval_time"`
			Samples []struct {
				Labels string
				Value  float64
			} `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

// Each rule rings on series that are wrong, and not before they are. What its text
// speaks of is there by then.
func TestEveryRuleRings(t *testing.T) {
	t.Parallel()
	var file ringing
	strictly(t, "../../monitor/alerts_test.yml", &file)
	texts := map[string]string{}
	for _, r := range rules(t) {
		texts[r.Alert] = r.Annotations.Summary + r.Annotations.Description
	}
	rang := map[string]bool{}
	for _, test := range file.Tests {
		quiet := false
		for _, moment := range test.Moments {
			for _, s := range moment.Samples {
				require.True(t, quiet, "%s: it is not seen to be quiet before", test.Name)
				labels := labelsOf(t, s.Labels)
				rang[labels["alertname"]] = true
				for _, named := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(texts[labels["alertname"]], -1) {
					require.Contains(t, labels, named[1], test.Name)
				}
			}
			quiet = quiet || len(moment.Samples) == 0
		}
	}
	for name := range texts {
		require.True(t, rang[name], "no test in which %s rings", name)
	}

	t.Run("as Prometheus sees it", func(t *testing.T) {
		t.Parallel()
		promtool, err := exec.LookPath("promtool")
		if err != nil {
			t.Skip("no promtool on PATH: what Prometheus makes of the rules is not tested here")
		}
		for _, args := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal", "../../monitor/alerts.yml"}, {"test", "rules", "../../monitor/alerts_test.yml"}} {
			out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
			require.NoError(t, err, string(out))
		}
	})
}

// labelsOf are the labels of a series that is written out.
func labelsOf(t *testing.T, series string) map[string]string {
	t.Helper()
	e, err := metricsql.Parse(series)
	require.NoError(t, err)
	labels := map[string]string{}
	for _, f := range e.(*metricsql.MetricExpr).LabelFilterss[0] {
		labels[f.Label] = f.Value
	}
	return labels
}
