package monitor

import (
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
	"github.com/prometheus/client_golang/prometheus"
)

// How many values a label takes whose values are somebody else's.
const (
	mostRoutes   = 100
	mostChannels = 20
	mostVerdicts = 20
)

func newInstruments(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		routes: newLabel(mostRoutes), channels: newLabel(mostChannels),
		verdicts: newLabel(mostVerdicts), notified: newLabel(mostVerdicts),
		requests: histograms("http_request_duration_seconds", "Requests answered.", fast(), "route", "method", "code"),
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("callbacks_total"), Help: "Callbacks of payment channels.",
		}, []string{"channel", "verdict"}),
		tasks: histograms("task_duration_seconds", "Tries of tasks.", slow(), "kind", "outcome"),
		closeLateness: histogram("order_close_lateness_seconds", "From when an unpaid order was due to close until it was closed.",
			0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900),
		notices: histograms("notice_attempt_duration_seconds", "Tries to deliver a notice to a merchant.", slow(), "outcome"),
		toMerchant: histogram("callback_to_merchant_seconds", "From a payment's callback until the merchant had its notice.",
			0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
		inFlight:     gauges("notices_in_flight", "Tries to deliver a notice that are under way.", "lane"),
		begun:        histogram("notice_begun_seconds", "From when a notice was written until it was sent to an endpoint for the first time.", patient()...),
		acknowledged: histogram("notice_acknowledged_seconds", "From when a notice was written until an endpoint had taken it.", patient()...),
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("notice_connections_total"), Help: "Connections that tries to deliver a notice went by.",
		}, []string{"kind"}),
		detached: counter("notices_detached_total", "Tries to deliver a notice that took over a second and left their worker."),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("alerts_total"), Help: "Alerts sent to whoever is on duty.",
		}, []string{"name"}),
		promoted: counter("relay_promoted_total", "Outbox rows handed to asynq."),
		putBack:  counter("relay_put_back_total", "Outbox rows that came to nothing in asynq and were put back."),
		epochs:   counter("redis_epochs_total", "Times that Redis was found emptied, or new."),
		batches:  histogram("commit_batch_size", "Changes that shared one commit.", 1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
		commits:  histogram("commit_duration_seconds", "One group commit.", fast()...),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("orders_refused_total"), Help: "New orders that there was no room for.",
		}, []string{"reason"}),
		intake:       gauges("intake_estimate_seconds", "How long a new order would wait to be written, and a payment to be confirmed.", "reason"),
		intakeLimits: gauges("intake_limit_seconds", "The estimate beyond which new orders are refused.", "reason"),
		intakeShare:  prometheus.NewGauge(prometheus.GaugeOpts{Name: name("intake_refused_share"), Help: "The share of new orders that is refused."}),
	}
	registry.MustRegister(m.requests, m.callbacks, m.tasks, m.closeLateness, m.notices, m.toMerchant, m.inFlight, m.detached, m.begun, m.acknowledged, m.connections,
		m.alerts, m.promoted, m.putBack, m.epochs, m.batches, m.commits, m.refused, m.intake, m.intakeLimits, m.intakeShare)
	m.startAtZero()
	return m
}

// startAtZero makes the series of every task and alert there is: a rate misses
// the first of a series that begins with it, and a first panic is worth an
// alert.
func (m *Metrics) startAtZero() {
	for _, spec := range tasks.Specs() {
		m.kinds = append(m.kinds, spec.Kind)
		for _, outcome := range outcomes() {
			m.tasks.WithLabelValues(string(spec.Kind), outcome)
		}
	}
	for _, why := range refusals() {
		m.refused.WithLabelValues(string(why))
	}
	for _, lane := range tasks.Lanes() {
		m.inFlight.WithLabelValues(string(lane))
	}
	for _, class := range merchant.Classes() {
		m.notices.WithLabelValues(m.notified.of(string(class)))
	}
	for _, kind := range connectionKinds() {
		m.connections.WithLabelValues(kind)
	}
	for _, n := range tasks.AlertNames() {
		m.alerts.WithLabelValues(string(n))
	}
}

// fast is for what takes milliseconds, slow for what may call the outside,
// which a task gives up after 20 s.
func fast() []float64 {
	return []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
}

func slow() []float64 {
	return []float64{0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20}
}

// patient is for what may wait for a merchant: for days in the end.
func patient() []float64 {
	return []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 6 * 3600, 24 * 3600, 72 * 3600}
}

func name(s string) string { return "orderflow_" + s }

func counter(n, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name(n), Help: help})
}

func histogram(n, help string, buckets ...float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name(n), Help: help, Buckets: buckets})
}

func histograms(n, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name(n), Help: help, Buckets: buckets}, labels)
}

func gauges(n, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name(n), Help: help}, labels)
}

func desc(n, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name(n), help, labels, nil)
}

// gauge is a value that was read, not counted.
func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// total is a count that somebody else keeps.
func total(to chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
