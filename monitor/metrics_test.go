package monitor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// lists is a Registerer that remembers what was registered, so that a metric
// which has no sample yet is not overlooked.
type lists struct {
	prometheus.Registerer
	all []prometheus.Collector
}

func (l *lists) MustRegister(cs ...prometheus.Collector) {
	l.all = append(l.all, cs...)
	l.Registerer.MustRegister(cs...)
}

func (l *lists) names(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, c := range l.all {
		descs := make(chan *prometheus.Desc, 1000)
		c.Describe(descs)
		close(descs)
		for d := range descs {
			m := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())
			require.NotNil(t, m, d.String())
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestDocNamesEveryMetric(t *testing.T) {
	t.Parallel()
	l := &lists{Registerer: prometheus.NewRegistry()}
	build(l, Sources{Queues: fakeQueues{}, Outbox: fakeOutbox{}, Deliveries: fakeDeliveries{}})
	var own []string
	for _, name := range l.names(t) {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		own = append(own, name)
	}
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	documented := regexp.MustCompile(`orderflow_[a-z_]+`).FindAllString(string(doc), -1)
	slices.Sort(documented)
	require.Equal(t, own, documented)
}

// countAll counts one of everything.
func countAll(m *Metrics) {
	m.HTTPRequest("POST /v1/orders", http.MethodPost, 201, time.Millisecond)
	m.Callback("sandbox", "accepted")
	m.TaskDone(tasks.OrderClose, "done", time.Millisecond)
	m.OrderClosed(time.Second)
	m.NoticeAttempt("delivered", time.Millisecond)
	m.NoticeBegun(time.Millisecond)
	m.NoticeAcknowledged(time.Second)
	m.NoticeConnection(true)
	m.CallbackToMerchant(time.Second)
	m.AlertSent(tasks.AlertTaskDead)
	m.Promoted(3)
	m.PutBack(2)
	m.RedisEpoch()
	m.Committed(17, time.Millisecond)
}

func TestMetricsFollowPrometheusStyle(t *testing.T) {
	t.Parallel()
	m := NewMetrics(Sources{
		Queues: fakeQueues{names: []string{"low"}},
		Outbox: fakeOutbox{counts: []TaskCount{{Kind: tasks.OrderClose, OldestDue: time.Now()}}},
	})
	defer m.Stop()
	countAll(m)
	families, err := m.registry.Gather()
	require.NoError(t, err)
	var own []*dto.MetricFamily
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "orderflow_") {
			own = append(own, f)
		}
	}
	require.Greater(t, len(own), 25)
	problems, err := promlint.NewWithMetricFamilies(own).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestEveryMethodCounts(t *testing.T) {
	t.Parallel()
	m := NewMetrics(Sources{})
	defer m.Stop()
	countAll(m)
	for series, want := range map[string]float64{
		`orderflow_http_request_duration_seconds{code="2xx",method="POST",route="POST /v1/orders"}`: 1,
		`orderflow_callbacks_total{channel="sandbox",verdict="accepted"}`:                           1,
		`orderflow_task_duration_seconds{kind="order:close",outcome="done"}`:                        1,
		`orderflow_task_duration_seconds{kind="order:close",outcome="panic"}`:                       0,
		`orderflow_order_close_lateness_seconds`:                                                    1,
		`orderflow_notice_attempt_duration_seconds{outcome="delivered"}`:                            1,
		`orderflow_callback_to_merchant_seconds`:                                                    1,
		`orderflow_alerts_total{name="task_dead"}`:                                                  1,
		`orderflow_relay_promoted_total`:                                                            3,
		`orderflow_relay_put_back_total`:                                                            2,
		`orderflow_redis_epochs_total`:                                                              1,
		`orderflow_commit_batch_size`:                                                               1,
		`orderflow_commit_duration_seconds`:                                                         1,
	} {
		got, ok := gathered(t, m)[series]
		require.True(t, ok, series)
		require.InDelta(t, want, got, 0, series)
	}
}

func TestLabelsStayFew(t *testing.T) {
	t.Parallel()
	m := NewMetrics(Sources{})
	defer m.Stop()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 500 {
				stranger := fmt.Sprintf("stranger-%d-%d", worker, i)
				m.HTTPRequest(stranger, stranger, i, -time.Second)
				m.Callback(stranger, stranger)
				m.TaskDone(tasks.Kind(stranger), stranger, time.Millisecond)
				m.AlertSent(tasks.AlertName(stranger))
				m.NoticeAttempt(stranger+"\xff", time.Millisecond)
				m.NoticeAttempt(strings.Repeat(stranger, 50), time.Millisecond)
			}
		})
	}
	all.Wait()
	values := map[string]map[string]bool{}
	families, err := m.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			for _, pair := range metric.GetLabel() {
				key := f.GetName() + " " + pair.GetName()
				if values[key] == nil {
					values[key] = map[string]bool{}
				}
				values[key][pair.GetValue()] = true
			}
		}
	}
	for key, most := range map[string]int{
		"orderflow_http_request_duration_seconds route":     mostRoutes + 1,
		"orderflow_http_request_duration_seconds method":    1,
		"orderflow_http_request_duration_seconds code":      5,
		"orderflow_callbacks_total channel":                 mostChannels + 1,
		"orderflow_callbacks_total verdict":                 mostVerdicts + 1,
		"orderflow_task_duration_seconds kind":              len(tasks.Specs()) + 1,
		"orderflow_task_duration_seconds outcome":           len(outcomes()) + 1,
		"orderflow_notice_attempt_duration_seconds outcome": len(merchant.Classes()) + 1,
		"orderflow_alerts_total name":                       len(tasks.AlertNames()) + 1,
	} {
		require.Len(t, values[key], most, key)
		require.True(t, values[key][other], key)
	}
}

func TestMetricsAreServed(t *testing.T) {
	t.Parallel()
	m := NewMetrics(Sources{})
	defer m.Stop()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), "go_goroutines ")
	require.Contains(t, w.Body.String(), "orderflow_redis_epochs_total 0")
}

// gathered is every series with its value; a histogram's is its count.
func gathered(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	require.NoError(t, err)
	series := map[string]float64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			series[f.GetName()+labelsOf(metric)] = valueOf(metric)
		}
	}
	return series
}

func labelsOf(m *dto.Metric) string {
	if len(m.GetLabel()) == 0 {
		return ""
	}
	var pairs []string
	for _, l := range m.GetLabel() {
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.GetHistogram() != nil:
		return float64(m.GetHistogram().GetSampleCount())
	case m.GetCounter() != nil:
		return m.GetCounter().GetValue()
	}
	return m.GetGauge().GetValue()
}
