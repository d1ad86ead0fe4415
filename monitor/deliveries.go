package monitor

import (
	"context"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
	"github.com/prometheus/client_golang/prometheus"
)

// Deliveries counts what merchants' endpoints have yet to take, and the endpoints;
// *db.DB is one.
type Deliveries interface {
	DeliveryCounts(context.Context) (tasks.DeliveryCounts, error)
}

// deliveriesCollector reports backlogs and endpoints. A reason or state that
// nothing is in is reported as zero.
type deliveriesCollector struct {
	reading[tasks.DeliveryCounts]
	troubles *troubles

	up, waiting, oldest, endpoints *prometheus.Desc
}

func newDeliveriesCollector(d Deliveries, t *troubles) *deliveriesCollector {
	return &deliveriesCollector{
		reading:   reading[tasks.DeliveryCounts]{fresh: scrapeFresh, limit: scrapeLimit, ask: d.DeliveryCounts},
		troubles:  t,
		up:        desc("deliveries_up", "Whether what waits for endpoints could be counted."),
		waiting:   desc("deliveries_waiting", "Notices that wait for an endpoint.", "reason"),
		oldest:    desc("deliveries_oldest_timestamp_seconds", "Since when the oldest of them waits.", "reason"),
		endpoints: desc("endpoints", "Merchants' endpoints.", "state"),
	}
}

// Describe is of prometheus.Collector.
func (c *deliveriesCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.waiting, c.oldest, c.endpoints} {
		to <- d
	}
}

// Collect is of prometheus.Collector.
func (c *deliveriesCollector) Collect(to chan<- prometheus.Metric) {
	counts, err := c.get()
	c.troubles.note("deliveries", err)
	gauge(to, c.up, truth(err == nil))
	if err != nil {
		return
	}
	for _, reason := range merchant.Reasons() {
		n := counts.Waiting[reason]
		gauge(to, c.waiting, float64(n.Count), string(reason))
		if !n.Oldest.IsZero() {
			gauge(to, c.oldest, float64(n.Oldest.UnixMilli())/1000, string(reason))
		}
	}
	for _, state := range append(merchant.States(), tasks.HeldByHand) {
		gauge(to, c.endpoints, float64(counts.Endpoints[state]), string(state))
	}
}
