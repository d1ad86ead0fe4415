package monitor

import (
	"context"

	"github.com/orderflow/orderflow/tasks"
	"github.com/prometheus/client_golang/prometheus"
)

// TaskCount is what an Outbox counts.
type TaskCount = tasks.Count

// Outbox counts the work that is owed, kind by kind; *db.DB is one.
type Outbox interface {
	TaskCounts(context.Context) ([]TaskCount, error)
}

// outboxCollector reports the outbox. A kind that has no rows is reported as
// zero, so that an alert on it can end.
type outboxCollector struct {
	reading[[]TaskCount]
	troubles *troubles

	up, waiting, promoted, overdue, dead, oldest *prometheus.Desc
}

func newOutboxCollector(o Outbox, t *troubles) *outboxCollector {
	return &outboxCollector{
		reading:  reading[[]TaskCount]{fresh: scrapeFresh, limit: scrapeLimit, ask: o.TaskCounts},
		troubles: t,
		up:       desc("outbox_up", "Whether the outbox could be counted."),
		waiting:  desc("outbox_waiting_rows", "Rows not handed to asynq yet.", "kind"),
		promoted: desc("outbox_promoted_rows", "Rows handed to asynq.", "kind"),
		overdue:  desc("outbox_overdue_rows", "Rows that should have been done by now.", "kind"),
		dead:     desc("outbox_dead_rows", "Rows that wait for an operator.", "kind"),
		oldest:   desc("outbox_oldest_due_timestamp_seconds", "When the oldest live row was or is due.", "kind"),
	}
}

// Describe is of prometheus.Collector.
func (c *outboxCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.waiting, c.promoted, c.overdue, c.dead, c.oldest} {
		to <- d
	}
}

// Collect is of prometheus.Collector.
func (c *outboxCollector) Collect(to chan<- prometheus.Metric) {
	counts, err := c.get()
	c.troubles.note("outbox", err)
	gauge(to, c.up, truth(err == nil))
	if err != nil {
		return
	}
	for kind, n := range byKind(counts) {
		gauge(to, c.waiting, float64(n.Waiting), kind)
		gauge(to, c.promoted, float64(n.Promoted), kind)
		gauge(to, c.overdue, float64(n.Overdue), kind)
		gauge(to, c.dead, float64(n.Dead), kind)
		if !n.OldestDue.IsZero() {
			gauge(to, c.oldest, float64(n.OldestDue.UnixMilli())/1000, kind)
		}
	}
}

// byKind has every kind there is. A row of a kind that this release does not
// know is counted as "other".
func byKind(counts []TaskCount) map[string]TaskCount {
	kinds := map[string]TaskCount{}
	var known []tasks.Kind
	for _, spec := range tasks.Specs() {
		known = append(known, spec.Kind)
		kinds[string(spec.Kind)] = TaskCount{}
	}
	for _, n := range counts {
		kind := among(known, n.Kind)
		sum := kinds[kind]
		sum.Waiting += n.Waiting
		sum.Promoted += n.Promoted
		sum.Overdue += n.Overdue
		sum.Dead += n.Dead
		if sum.OldestDue.IsZero() || !n.OldestDue.IsZero() && n.OldestDue.Before(sum.OldestDue) {
			sum.OldestDue = n.OldestDue
		}
		kinds[kind] = sum
	}
	return kinds
}
