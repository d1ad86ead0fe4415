package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// WalkRecovery takes a recovery a step further: it looks at the next notices of its
// time and puts those into the endpoint's backlog that are to be told, as long as
// there is not too much of it there. Behind the last it waits for what is there to
// end.
//
// A step is one transaction, and where it ended is in the recovery's row: walked by
// two at once, late, or by one who is killed, each notice is met once.
func (d *DB) WalkRecovery(ctx context.Context, id merchant.RecoveryID, now time.Time) (tasks.Walk, error) {
	step, err := d.walk(ctx, id, now)
	return step, wrap(err, "walk recovery "+id.String())
}

func (d *DB) walk(ctx context.Context, id merchant.RecoveryID, now time.Time) (tasks.Walk, error) {
	r, err := d.Recovery(ctx, id)
	if errors.Is(err, order.ErrNotFound) || err == nil && r.State != merchant.RecoveryRunning {
		return tasks.Walk{Over: true}, nil
	}
	if err != nil {
		return tasks.Walk{}, err
	}
	var row endpointModel
	err = found(d.NewSelect().Model(&row).Where("id = ?", r.EndpointID).Scan(ctx))
	switch {
	case errors.Is(err, order.ErrNotFound):
		return tasks.Walk{Over: true}, d.CancelRecovery(ctx, id, now)
	case err != nil:
		return tasks.Walk{}, err
	case r.Walked:
		return d.finish(ctx, r, now)
	}
	var untried int64
	if err := d.NewSelect().Table("deliveries").ColumnExpr("count(*)").Where("recovery_id = ? AND attempts = 0", id).Scan(ctx, &untried); err != nil {
		return tasks.Walk{}, err
	}
	n := r.Chunk(untried)
	if n == 0 {
		return tasks.Walk{Wait: r.Look(now)}, nil
	}
	// Read without a lock: it takes longer than others should wait.
	met, err := d.candidates(ctx, r, n)
	if err != nil {
		return tasks.Walk{}, err
	}
	c := chunk{Recovery: r, met: met, last: len(met) < n}
	for _, m := range met {
		if r.Wants(row.endpoint(), m) {
			c.wanted = append(c.wanted, m)
		}
	}
	var step tasks.Walk
	err = d.again(ctx, func(tx pgx.Tx) error {
		step, err = c.take(ctx, tx, now)
		return err
	})
	return step, err
}

// candidates are the next notices of a recovery's time. That is a range, and no key:
// it is not for the hot connections (decision 0011).
func (d *DB) candidates(ctx context.Context, r merchant.Recovery, n int) ([]merchant.Candidate, error) {
	rows, err := d.reading.Query(ctx, `SELECT n.id, n.type, n.created_at, coalesce(t.taken, false), coalesce(t.refused, false), coalesce(t.known, false),
			o.subject IS NOT NULL OR d.notice_id IS NOT NULL, coalesce(o.subject IS NOT NULL AND o.dead_at IS NULL AND o.generation = 0, false)
		FROM (
			SELECT id, type, created_at FROM notices WHERE merchant_id = $1 AND (created_at, id) > ($2, $3) AND created_at < $4 ORDER BY created_at, id LIMIT $5
		) n LEFT JOIN LATERAL (
			SELECT bool_or(ok AND endpoint_id = $6) AS taken, bool_or(http_status = 410 AND endpoint_id = $6) AS refused, bool_or(ok) AS known FROM notice_attempts WHERE notice_id = n.id
		) t ON true LEFT JOIN LATERAL ( -- an EXISTS would be planned as a read of them all
			SELECT notice_id FROM deliveries WHERE notice_id = n.id LIMIT 1
		) d ON true LEFT JOIN outbox o ON o.kind = CASE n.type WHEN $7 THEN $8 ELSE $9 END AND o.subject = n.id
		ORDER BY n.created_at, n.id`,
		r.MerchantID, r.After.At, r.After.ID, r.Until, n, r.EndpointID.String(), merchant.OrderPaid, string(tasks.DeliveryNotify), string(tasks.MerchantNotify))
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	var (
		list []merchant.Candidate
		id   uuid.UUID
		c    merchant.Candidate
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &c.Type, &c.At, &c.Taken, &c.Refused, &c.Known, &c.Owed, &c.Underway}, func() error {
		c.ID = id.String()
		list = append(list, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return list, nil
}

// chunk is a step of a recovery in the making.
type chunk struct {
	merchant.Recovery                      // as it was when the notices were read
	met, wanted       []merchant.Candidate // the notices, and those to be told
	last              bool                 // there are no more
}

// take puts what is wanted into the backlog and moves the recovery on. When somebody
// else has done so since the notices were read, it does nothing.
func (c *chunk) take(ctx context.Context, tx pgx.Tx, now time.Time) (tasks.Walk, error) {
	is, err := lockRecovery(ctx, tx, c.Recovery)
	if err != nil || is.State != merchant.RecoveryRunning {
		return tasks.Walk{Over: err == nil}, err
	}
	if is.After != c.After {
		return tasks.Walk{}, nil
	}
	queued, err := c.queue(ctx, tx, now)
	if err != nil {
		return tasks.Walk{}, err
	}
	to := c.After
	if n := len(c.met); n > 0 {
		to = c.met[n-1].Place
	}
	_, err = tx.Exec(ctx, `UPDATE recoveries SET checked = checked + $2, queued = queued + $3, at = $4, at_id = $5, walked = $6, moved_at = $7 WHERE id = $1`,
		[16]byte(c.ID), len(c.met), queued, to.At, to.ID, c.last, now)
	if err != nil || queued == 0 {
		return tasks.Walk{}, err
	}
	w := newWrites(now, tasks.Terms{})
	w.ring(c.EndpointID, now)
	b := &pgx.Batch{}
	w.queueBells(b)
	return tasks.Walk{}, tx.SendBatch(ctx, b).Close()
}

// queue writes the deliveries, due now in the order of the notices. What waits for
// the endpoint already in its own right goes behind all else as well, and keeps that
// right. What is in flight, or was resent by itself, is left alone.
func (c *chunk) queue(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, `INSERT INTO deliveries AS d (notice_id, endpoint_id, type, due_at, reason, created_at, recovery_id, asked)
		SELECT v.id, $3, v.type, $4::timestamptz - ($5 - v.n) * interval '1 microsecond', $6, $4, $7, true FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS v (id, type, n)
		WHERE $8 OR (SELECT true FROM notice_attempts t WHERE t.notice_id = v.id AND t.endpoint_id = $3 AND t.ok LIMIT 1) IS NULL ORDER BY v.id
		ON CONFLICT (notice_id, endpoint_id) DO UPDATE SET recovery_id = excluded.recovery_id, due_at = excluded.due_at, reason = excluded.reason, attempts = 0
			WHERE NOT d.in_flight AND d.recovery_id IS NULL AND NOT d.asked`,
		col(c.wanted, func(m merchant.Candidate) string { return m.ID }), col(c.wanted, func(m merchant.Candidate) string { return m.Type }),
		[16]byte(c.EndpointID), now, len(c.wanted), string(merchant.Recovered), [16]byte(c.ID), c.All)
	if err != nil {
		return 0, fmt.Errorf("queue deliveries: %w", err)
	}
	return tag.RowsAffected(), nil
}

// finish ends a recovery of which nothing waits any more.
func (d *DB) finish(ctx context.Context, r merchant.Recovery, now time.Time) (step tasks.Walk, err error) {
	if r.Waiting > 0 {
		return tasks.Walk{Wait: r.Look(now)}, nil
	}
	err = d.again(ctx, func(tx pgx.Tx) error {
		is, err := lockRecovery(ctx, tx, r)
		if err != nil || is.State != merchant.RecoveryRunning {
			step.Over = err == nil
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE recoveries r SET state = $2, ended_at = $3 WHERE id = $1 AND NOT EXISTS (SELECT FROM deliveries d WHERE d.recovery_id = r.id)`,
			[16]byte(r.ID), string(merchant.RecoveryDone), now)
		step.Over = tag.RowsAffected() > 0
		return err
	})
	return step, err
}

// lockRecovery keeps a recovery as it is, and its endpoint: everybody who tells that
// something holds it first. A recovery that is gone has no state.
func lockRecovery(ctx context.Context, tx pgx.Tx, r merchant.Recovery) (is merchant.Recovery, err error) {
	if _, err := tx.Exec(ctx, `SELECT FROM endpoints WHERE id = $1 FOR NO KEY UPDATE`, [16]byte(r.EndpointID)); err != nil {
		return is, err
	}
	var id uuid.UUID
	err = tx.QueryRow(ctx, `SELECT state, at, at_id FROM recoveries WHERE id = $1 FOR UPDATE`, [16]byte(r.ID)).Scan(&is.State, &is.After.At, &id)
	if errors.Is(err, pgx.ErrNoRows) {
		return is, nil
	}
	is.After.At, is.After.ID = is.After.At.UTC(), id.String()
	return is, err
}
