package monitor

import (
	"net/http"
	"time"

	"github.com/orderflow/orderflow/tasks"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Metrics is everything that the process counts. Its methods take plain
// values, so that whoever counts declares the one or two that he calls and
// needs no import. All are safe for concurrent use; none fails.
type Metrics struct {
	registry *prometheus.Registry
	stops    []func()

	requests      *prometheus.HistogramVec
	callbacks     *prometheus.CounterVec
	tasks         *prometheus.HistogramVec
	closeLateness prometheus.Histogram
	notices       *prometheus.HistogramVec
	toMerchant    prometheus.Histogram
	inFlight      *prometheus.GaugeVec
	detached      prometheus.Counter
	begun         prometheus.Histogram
	acknowledged  prometheus.Histogram
	connections   *prometheus.CounterVec
	alerts        *prometheus.CounterVec
	promoted      prometheus.Counter
	putBack       prometheus.Counter
	epochs        prometheus.Counter
	batches       prometheus.Histogram
	commits       prometheus.Histogram
	refused       *prometheus.CounterVec
	intake        *prometheus.GaugeVec
	intakeLimits  *prometheus.GaugeVec
	intakeShare   prometheus.Gauge

	kinds                                []tasks.Kind
	routes, channels, verdicts, notified *label
}

// Sources is what is read at a scrape, rather than counted. Each may be left
// out.
type Sources struct {
	Queues Queues
	Outbox Outbox
	// Deliveries is what waits for merchants' endpoints.
	Deliveries Deliveries
	Log        *zap.Logger
}

// NewMetrics makes metrics with a registry of their own. Stop them at the end.
func NewMetrics(from Sources) *Metrics {
	registry := prometheus.NewRegistry()
	m := build(registry, from)
	m.registry = registry
	return m
}

func build(registry prometheus.Registerer, from Sources) *Metrics {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := newInstruments(registry)
	troubles := newTroubles(from.Log)
	if from.Queues != nil {
		c := newQueueCollector(from.Queues, troubles)
		registry.MustRegister(c)
		m.stops = append(m.stops, c.reading.stop)
	}
	if from.Outbox != nil {
		c := newOutboxCollector(from.Outbox, troubles)
		registry.MustRegister(c)
		m.stops = append(m.stops, c.reading.stop)
	}
	if from.Deliveries != nil {
		c := newDeliveriesCollector(from.Deliveries, troubles)
		registry.MustRegister(c)
		m.stops = append(m.stops, c.reading.stop)
	}
	return m
}

// Handler answers /metrics. Who may read it is decided outside.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // one bad series hides no other
		MaxRequestsInFlight: 8,
	})
}

// Stop ends the readings; what was read last stays to be seen.
func (m *Metrics) Stop() {
	for _, stop := range m.stops {
		stop()
	}
}

// HTTPRequest counts a request that was answered. route is the pattern that it
// matched, never its path.
func (m *Metrics) HTTPRequest(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(m.routes.of(route), among(methods(), method), codeClass(status)).Observe(seconds(took))
}

// Callback counts a channel's callback and what was made of it, such as
// "accepted", "repeated" or "forged".
func (m *Metrics) Callback(channel, verdict string) {
	m.callbacks.WithLabelValues(m.channels.of(channel), m.verdicts.of(verdict)).Inc()
}

// TaskDone counts a try of one row: done, later, dead, gone (there was no such
// row any more) or panic.
func (m *Metrics) TaskDone(kind tasks.Kind, outcome string, took time.Duration) {
	m.tasks.WithLabelValues(among(m.kinds, kind), among(outcomes(), outcome)).Observe(seconds(took))
}

// OrderClosed counts an unpaid order that was closed so long after it was due.
func (m *Metrics) OrderClosed(late time.Duration) { m.closeLateness.Observe(seconds(late)) }

// NoticeAttempt counts a try to deliver a notice. outcome is a class such as
// "delivered", "refused" or "timeout".
func (m *Metrics) NoticeAttempt(outcome string, took time.Duration) {
	m.notices.WithLabelValues(m.notified.of(outcome)).Observe(seconds(took))
}

// NoticesInFlight counts tries to deliver a notice that begin in a lane, or with a
// negative number end.
func (m *Metrics) NoticesInFlight(lane tasks.Lane, by int) {
	m.inFlight.WithLabelValues(among(tasks.Lanes(), lane)).Add(float64(by))
	if lane == tasks.DetachedLane && by > 0 {
		m.detached.Add(float64(by))
	}
}

// NoticeBegun counts a notice that is sent to an endpoint for the first time, so
// long after it was written.
func (m *Metrics) NoticeBegun(after time.Duration) { m.begun.Observe(seconds(after)) }

// NoticeAcknowledged counts a notice that an endpoint has taken, so long after it
// was written.
func (m *Metrics) NoticeAcknowledged(after time.Duration) { m.acknowledged.Observe(seconds(after)) }

// NoticeConnection counts a connection that a notice went by: one that was open, or
// one that was made for it, or was to be.
func (m *Metrics) NoticeConnection(reused bool) {
	m.connections.WithLabelValues(connectionKinds()[int(truth(reused))]).Inc()
}

// connectionKinds are a connection that was made, and one that was open.
func connectionKinds() []string { return []string{"new", "reused"} }

// CallbackToMerchant counts a paid order whose merchant knows, so long after
// the channel's callback came.
func (m *Metrics) CallbackToMerchant(took time.Duration) { m.toMerchant.Observe(seconds(took)) }

// AlertSent counts an alert that every sender took. What could not be sent yet
// is a row of alert:send.
func (m *Metrics) AlertSent(name tasks.AlertName) {
	m.alerts.WithLabelValues(among(tasks.AlertNames(), name)).Inc()
}

// Promoted counts rows that the relay handed to asynq.
func (m *Metrics) Promoted(rows int) { m.promoted.Add(float64(max(rows, 0))) }

// PutBack counts rows that the relay took back from asynq.
func (m *Metrics) PutBack(rows int) { m.putBack.Add(float64(max(rows, 0))) }

// RedisEpoch counts a Redis that was found emptied, or new.
func (m *Metrics) RedisEpoch() { m.epochs.Inc() }

// Committed counts a group commit of so many changes.
func (m *Metrics) Committed(changes int, took time.Duration) {
	m.batches.Observe(float64(max(changes, 0)))
	m.commits.Observe(seconds(took))
}

// Refusal is why a new order was refused.
type Refusal string

// refusals are the reasons: it would wait too long to be written, or payments
// are confirmed too late.
func refusals() []Refusal { return []Refusal{"writing", "confirming"} }

// OrderRefused counts a new order that there was no room for.
func (m *Metrics) OrderRefused(why Refusal) {
	m.refused.WithLabelValues(among(refusals(), why)).Inc()
}

// Intake notes how long a new order would wait to be written, how long a payment
// to be confirmed, and what share of the new orders is refused.
func (m *Metrics) Intake(wait, lag time.Duration, share float64) {
	m.intake.WithLabelValues("writing").Set(seconds(wait))
	m.intake.WithLabelValues("confirming").Set(seconds(lag))
	m.intakeShare.Set(share)
}

// IntakeLimits notes beyond which of them new orders are refused.
func (m *Metrics) IntakeLimits(wait, lag time.Duration) {
	m.intakeLimits.WithLabelValues("writing").Set(seconds(wait))
	m.intakeLimits.WithLabelValues("confirming").Set(seconds(lag))
}

// seconds is never negative: clocks of two machines may disagree.
func seconds(d time.Duration) float64 { return max(d, 0).Seconds() }
