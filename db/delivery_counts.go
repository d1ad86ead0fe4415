package db

import (
	"context"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// DeliveryCounts counts what waits for endpoints, and the endpoints. Of what waits
// it reads the oldest tasks.CountMost, so that a metrics page may ask every few
// seconds.
func (d *DB) DeliveryCounts(ctx context.Context) (c tasks.DeliveryCounts, err error) {
	c = tasks.DeliveryCounts{Waiting: map[merchant.Reason]tasks.Waits{}, Endpoints: map[merchant.State]int{}}
	var waits []struct {
		Reason merchant.Reason
		Count  int
		Oldest time.Time
	}
	first := d.NewSelect().Table("deliveries").Column("endpoint_id", "reason", "created_at").Order("notice_id").Limit(tasks.CountMost)
	err = d.NewSelect().TableExpr("(?) AS d", first).Join("LEFT JOIN endpoints e ON e.id = d.endpoint_id").
		ColumnExpr(reasonOf+" AS reason").ColumnExpr("count(*) AS count").ColumnExpr("min(d.created_at) AS oldest").GroupExpr("1").Scan(ctx, &waits)
	if err != nil {
		return c, wrap(err, "count deliveries")
	}
	for _, w := range waits {
		c.Waiting[w.Reason] = tasks.Waits{Count: w.Count, Oldest: w.Oldest.UTC()}
	}
	var states []struct {
		State merchant.State
		Count int
	}
	err = d.NewSelect().TableExpr("endpoints AS e").ColumnExpr("CASE WHEN e.paused THEN ? ELSE "+stateOf+" END AS state", tasks.HeldByHand).
		ColumnExpr("count(*) AS count").GroupExpr("1").Scan(ctx, &states)
	for _, s := range states {
		c.Endpoints[s.State] = s.Count
	}
	return c, wrap(err, "count endpoints")
}
