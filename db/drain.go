package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// drainBatch settles looks at endpoints' backlogs. When the next one is due is
// found out while the row is locked, so that a delivery which is written meanwhile
// either is seen here or rings after it. Which look it was does not matter, as it
// is settled by what there is: of two that were beside each other, the one that
// ends last has seen all.
func (s *Store) drainBatch(ctx context.Context, conn *pgxpool.Conn, list []*tasks.Settlement) ([]error, []tasks.Key, error) {
	now := s.now()
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	live := queueOwed(b, col(list, func(t *tasks.Settlement) change { return settling(t) }))
	next := queueLooks(b, list, s.opt.EndpointWindow, now)
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, err
	}
	w := s.writes()
	answers := make([]error, len(list))
	for i, t := range list {
		if _, alive := live[t.Row.Key]; !alive {
			answers[i] = tasks.ErrGone
			continue
		}
		delete(live, t.Row.Key) // a second try of the same row comes too late
		w.outbox[t.Row.Key] = nil
		if at, ok := next[merchant.EndpointID(t.Row.Subject)]; ok {
			row, _ := tasks.Anew(at.Sub(now)).Next(t.Row, now)
			w.outbox[t.Row.Key] = &row
		}
	}
	b = &pgx.Batch{}
	w.queue(b)
	b.Queue("COMMIT")
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, fmt.Errorf("settle looks at backlogs: %w", err)
	}
	return answers, w.due, nil
}

// queueLooks reads when each backlog is to be looked at next. Those that are to
// wait for somebody's hand, or have nothing in them, are left out. What waits for an
// endpoint that is gone is to be handed on: see Claim.
func queueLooks(b *pgx.Batch, list []*tasks.Settlement, window int, now time.Time) map[merchant.EndpointID]time.Time {
	next := map[merchant.EndpointID]time.Time{}
	b.Queue(`SELECT v.id, coalesce(e.health, '{}'),
			least((SELECT d.due_at FROM deliveries d WHERE d.endpoint_id = v.id AND d.recovery_id IS NULL ORDER BY d.due_at LIMIT 1),
				(SELECT d.due_at FROM deliveries d WHERE d.endpoint_id = v.id AND d.recovery_id IS NOT NULL ORDER BY d.due_at LIMIT 1)),
			(SELECT count(*) FROM deliveries d WHERE d.endpoint_id = v.id AND d.in_flight AND d.due_at > $2),
			(SELECT d.due_at FROM deliveries d WHERE d.endpoint_id = v.id AND d.in_flight AND d.due_at > $2 ORDER BY d.due_at LIMIT 1)
		FROM unnest($1::uuid[]) AS v (id) LEFT JOIN endpoints e ON e.id = v.id WHERE NOT coalesce(e.paused, false)`,
		col(list, func(t *tasks.Settlement) [16]byte { return t.Row.Subject }), now).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var (
				id              merchant.EndpointID
				health          healthModel
				backlog         merchant.Backlog
				dueAt, leaseEnd *time.Time
			)
			if err := rows.Scan(&id, &health, &dueAt, &backlog.InFlight, &leaseEnd); err != nil {
				return err
			}
			backlog.DueAt, backlog.LeaseEndsAt = timeOf(dueAt), timeOf(leaseEnd)
			if at, ok := merchant.Health(health).Within(window).Look(backlog); ok {
				next[id] = at
			}
		}
		return rows.Err()
	})
	return next
}
