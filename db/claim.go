package db

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// Claim takes those of an endpoint's deliveries that may be tried now: as many
// as its window has room for over all processes, those due first, and those of a
// recovery only where that leaves room. Each is the claimer's until its lease ends.
// Of an endpoint that is gone, what waited is handed on.
func (s *Store) Claim(ctx context.Context, id merchant.EndpointID, now time.Time) (c tasks.Claim, err error) {
	err = s.crossing(ctx, func(ctx context.Context, tx bun.Tx) error {
		c = tasks.Claim{}
		row, err := lockEndpoint(ctx, tx, id)
		if errors.Is(err, order.ErrNotFound) {
			return handOn(ctx, tx, id, now)
		}
		if err != nil {
			return err
		}
		c.Endpoint = row.endpoint()
		if c.Endpoint.Paused {
			return nil
		}
		inFlight, err := tx.NewSelect().Model((*deliveryModel)(nil)).Where("endpoint_id = ? AND in_flight AND due_at > ?", id, now).Count(ctx)
		if err != nil {
			return err
		}
		n, probes := c.Endpoint.Health.Within(s.opt.EndpointWindow).Admits(int(inFlight), now)
		if n == 0 {
			return nil
		}
		if c.Deliveries, err = claim(ctx, tx, id, n, probes, now); err != nil || len(c.Deliveries) == 0 {
			return err
		}
		c.Endpoint.Secrets, err = s.open(row, now)
		return err
	})
	return c, wrap(err, "claim deliveries of endpoint "+id.String())
}

func claim(ctx context.Context, tx bun.Tx, id merchant.EndpointID, n int, probes bool, now time.Time) ([]merchant.Delivery, error) {
	first := func(which string) *bun.SelectQuery { // each by an index of its own: see 0009_recovery.up.sql
		q := tx.NewSelect().Model((*deliveryModel)(nil)).Column("notice_id").Where("endpoint_id = ?", id).Where(which).
			Order("due_at").Limit(int64(n)).For("UPDATE SKIP LOCKED")
		if probes { // what is in flight is somebody's; all else will do
			return q.Where("due_at <= ? OR NOT in_flight", now)
		}
		return q.Where("due_at <= ?", now)
	}
	var rows []deliveryModel
	err := tx.NewRaw(`WITH usual AS (?), recovered AS (?), first AS (
			SELECT notice_id, 0 AS turn FROM usual UNION ALL SELECT notice_id, 1 FROM recovered ORDER BY turn LIMIT ?
		) UPDATE deliveries d SET in_flight = true, due_at = ?, generation = generation + 1
		WHERE endpoint_id = ? AND notice_id IN (SELECT notice_id FROM first) RETURNING d.*`,
		first("recovery_id IS NULL"), first("recovery_id IS NOT NULL"), n, now.Add(merchant.LeaseOf), id).Scan(ctx, &rows)
	return col(rows, deliveryModel.delivery), err
}

// lockEndpoint keeps an endpoint as it is until the transaction ends.
func lockEndpoint(ctx context.Context, tx bun.Tx, id merchant.EndpointID) (*endpointModel, error) {
	var row endpointModel
	if err := tx.NewSelect().Model(&row).Where("id = ?", id).For("NO KEY UPDATE").Scan(ctx); err != nil {
		return nil, found(err)
	}
	return &row, nil
}
