package db

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

type deliveryModel struct {
	bun.BaseModel `bun:"table:deliveries,alias:d"`

	NoticeID   uuid.UUID           `bun:"notice_id,pk"`
	EndpointID merchant.EndpointID `bun:"endpoint_id,pk"`
	Type       string              `bun:"type"`
	DueAt      time.Time           `bun:"due_at"`
	InFlight   bool                `bun:"in_flight"`
	Generation int                 `bun:"generation"`
	Attempts   int                 `bun:"attempts"`
	Reason     merchant.Reason     `bun:"reason"`
	LastError  string              `bun:"last_error"`
	CreatedAt  time.Time           `bun:"created_at"`
	RecoveryID merchant.RecoveryID `bun:"recovery_id,nullzero"`
	Asked      bool                `bun:"asked"`
}

func (d deliveryModel) delivery() merchant.Delivery {
	return merchant.Delivery{
		NoticeID: d.NoticeID.String(), EndpointID: d.EndpointID, Type: d.Type, DueAt: d.DueAt.UTC(), InFlight: d.InFlight, Generation: d.Generation,
		Attempts: d.Attempts, Reason: d.Reason, LastError: d.LastError, CreatedAt: d.CreatedAt.UTC(),
		Recovery: d.RecoveryID, Asked: d.Asked,
	}
}

// reasonOf is why a delivery d waits: what is true of its endpoint e comes first.
const reasonOf = `CASE WHEN e.paused OR ` + stateOf + ` = 'disabled' THEN 'held' WHEN ` + stateOf + ` = 'paused' THEN 'paused'
	WHEN (e.health->>'not_before')::timestamptz > now() THEN 'throttled' ELSE d.reason END`

// NoticeDeliveries lists for whom a notice waits.
func (d *DB) NoticeDeliveries(ctx context.Context, noticeID string) ([]merchant.Delivery, error) {
	key, err := uuid.Parse(noticeID)
	if err != nil {
		return nil, wrap(order.ErrNotFound, "notice: its id is a UUID")
	}
	return d.deliveries(ctx, key, key)
}

// OrderDeliveries lists what of an order its merchant's endpoints have yet to
// acknowledge.
func (d *DB) OrderDeliveries(ctx context.Context, id order.ID) ([]merchant.Delivery, error) {
	last := id
	last[len(last)-1] = 0xff
	return d.deliveries(ctx, uuid.UUID(id), uuid.UUID(last))
}

func (d *DB) deliveries(ctx context.Context, from, to uuid.UUID) ([]merchant.Delivery, error) {
	var rows []deliveryModel
	err := d.NewSelect().Model(&rows).
		ColumnExpr("d.notice_id, d.endpoint_id, d.type, d.due_at, d.in_flight, d.generation, d.attempts, d.last_error, d.created_at, d.recovery_id, d.asked").ColumnExpr(reasonOf+" AS reason").
		Join("LEFT JOIN endpoints e ON e.id = d.endpoint_id").
		Where("d.notice_id BETWEEN ? AND ?", from, to).Order("d.notice_id", "d.endpoint_id").Scan(ctx)
	return col(rows, deliveryModel.delivery), wrap(err, "list deliveries")
}

// queueDeliveries writes for whom notices wait from now on, and rings for them.
// Who waits already goes on waiting as before; if only because somebody asked
// for it, then in its own right from now on.
func (w *writes) queueDeliveries(b *pgx.Batch) {
	if list := w.deliveries; len(list) > 0 {
		slices.SortFunc(list, compareDeliveries)
		b.Queue(`INSERT INTO deliveries AS d (notice_id, endpoint_id, type, due_at, in_flight, reason, last_error, created_at)
			SELECT *, $8::timestamptz FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::boolean[], $6::text[], $7::text[])
			ON CONFLICT (notice_id, endpoint_id) DO UPDATE SET asked = false WHERE d.asked`,
			col(list, func(d merchant.Delivery) string { return d.NoticeID }), col(list, func(d merchant.Delivery) [16]byte { return d.EndpointID }),
			col(list, func(d merchant.Delivery) string { return d.Type }), col(list, func(d merchant.Delivery) time.Time { return d.DueAt }),
			col(list, func(d merchant.Delivery) bool { return d.InFlight }), col(list, func(d merchant.Delivery) string { return string(d.Reason) }),
			col(list, func(d merchant.Delivery) string { return d.LastError }), w.now)
	}
}

func compareDeliveries(x, y merchant.Delivery) int {
	return cmp.Or(cmp.Compare(x.NoticeID, y.NoticeID), bytes.Compare(x.EndpointID[:], y.EndpointID[:]))
}

// ring has an endpoint's backlog looked at, at a time: the earliest counts.
func (w *writes) ring(id merchant.EndpointID, at time.Time) {
	if due, rung := w.bells[id]; !rung || at.Before(due) {
		w.bells[id] = at
	}
}

// bell is the row that an endpoint's backlog is looked at by. A new reason makes
// no new generation: whoever settles it finds out, while it is locked, what there
// is to do, so nothing that was rung for meanwhile is passed over.
const bell = `INSERT INTO outbox AS o (kind, subject, due_at, promoted_at, created_at) SELECT kind, subject, due_at, CASE WHEN $5 AND due_at <= $4 THEN $4::timestamptz END, $4
		FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS v (kind, subject, due_at)
	ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, promoted_at = excluded.promoted_at, attempts = 0, last_error = '', dead_at = NULL
		WHERE o.due_at > excluded.due_at OR o.dead_at IS NOT NULL
	RETURNING subject, promoted_at IS NOT NULL`

// queueBells rings. What is due at once is among w.due when the batch has been sent.
func (w *writes) queueBells(b *pgx.Batch) {
	if len(w.bells) == 0 {
		return
	}
	var list []tasks.Due
	for id, at := range w.bells {
		list = append(list, tasks.Due{Key: tasks.About(tasks.EndpointDeliver, id), At: at})
	}
	slices.SortFunc(list, func(x, y tasks.Due) int { return compareKeys(x.Key, y.Key) })
	b.Queue(bell, col(list, func(d tasks.Due) string { return string(d.Kind) }), col(list, func(d tasks.Due) [16]byte { return d.Subject }),
		col(list, func(d tasks.Due) time.Time { return d.At }), w.now, w.dispatched).Query(func(rows pgx.Rows) error {
		var (
			subject  [16]byte
			promoted bool
		)
		_, err := pgx.ForEachRow(rows, []any{&subject, &promoted}, func() error {
			if promoted {
				w.due = append(w.due, tasks.Key{Kind: tasks.EndpointDeliver, Subject: subject})
			}
			return nil
		})
		return err
	})
}

// handOn owes anew, to whatever endpoint there is, the orders that an endpoint
// which is gone should have heard of: without that nothing is delivered. All else
// only it wanted to know, or was asked for to be told to it once more. Its recovery ends.
func handOn(ctx context.Context, tx bun.IDB, id merchant.EndpointID, now time.Time) error {
	_, err := tx.NewRaw("UPDATE recoveries SET state = ?, ended_at = ? WHERE endpoint_id = ? AND state = ?", merchant.RecoveryCancelled, now, id, merchant.RecoveryRunning).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw(`WITH gone AS (DELETE FROM deliveries WHERE endpoint_id = ? RETURNING notice_id, type, asked)
		INSERT INTO outbox (kind, subject, due_at, generation, created_at) SELECT ?, notice_id, ?, 1, ? FROM gone WHERE type = ? AND NOT asked ON CONFLICT DO NOTHING`,
		id, tasks.DeliveryNotify, now, now, merchant.OrderPaid).Exec(ctx)
	return err
}

// ringNow rings outside a group commit; the relay hears it.
func ringNow(ctx context.Context, tx bun.IDB, id merchant.EndpointID, now time.Time) error {
	_, err := tx.NewRaw(`INSERT INTO outbox AS o (kind, subject, due_at, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, promoted_at = NULL, dead_at = NULL WHERE o.due_at > excluded.due_at OR o.dead_at IS NOT NULL`,
		tasks.EndpointDeliver, id, now, now).Exec(ctx)
	return err
}
