package db

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// Requeue makes a row due now, dead or alive, as if it had never been tried,
// and notes on its order's timeline who wanted it and why. A row that belongs
// to no order is requeued as well. Copies of it in Redis are of the generation
// before and do nothing. order.ErrNotFound when it is not owed, or no longer. A
// row whose time is somebody's right (tasks.Kind.Granted) is refused before it.
func (d *DB) Requeue(ctx context.Context, k tasks.Key, by order.Actor, why string, now time.Time) error {
	return wrap(d.again(ctx, func(tx pgx.Tx) error {
		o, err := lockOrder(ctx, tx, k.Order())
		if err != nil {
			return err
		}
		var due time.Time
		var waits bool
		err = tx.QueryRow(ctx, `SELECT due_at, dead_at IS NULL AND attempts = 0 AND due_at > $3 FROM outbox WHERE kind = $1 AND subject = $2 FOR UPDATE`,
			string(k.Kind), [16]byte(k.Subject), now).Scan(&due, &waits)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return hurry(ctx, tx, k, now)
		case err != nil:
			return err
		case waits && k.Kind.Granted():
			return &order.Refusal{Step: "requeue " + string(k.Kind), Why: "nothing of it has failed: it has until " + due.UTC().Format(time.RFC3339)}
		}
		if _, err := tx.Exec(ctx, `UPDATE outbox SET generation = generation + 1, attempts = 0, dead_at = NULL, promoted_at = NULL, due_at = $3
			WHERE kind = $1 AND subject = $2`, string(k.Kind), [16]byte(k.Subject), now); err != nil {
			return err
		}
		if o == nil {
			return nil
		}
		before := o.Clone()
		o.Requeued(k.String(), by, why, now)
		w := newWrites(now, tasks.Terms{}) // that it was requeued makes no task necessary
		w.changes(before, o)
		b := &pgx.Batch{}
		w.queue(b)
		return tx.SendBatch(ctx, b).Close()
	}), "requeue "+k.String())
}

// hurry has a notice told at once to those for whom it waits, as if none had
// failed; order.ErrNotFound when it waits for nobody. An endpoint that is paused
// or fails is not told for that.
func hurry(ctx context.Context, tx pgx.Tx, k tasks.Key, now time.Time) error {
	if k.Kind != tasks.DeliveryNotify && k.Kind != tasks.MerchantNotify {
		return order.ErrNotFound
	}
	rows, err := tx.Query(ctx, `UPDATE deliveries SET due_at = $2, attempts = 0 WHERE notice_id = $1 AND NOT in_flight RETURNING endpoint_id`, [16]byte(k.Subject), now)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[merchant.EndpointID])
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return order.ErrNotFound
	}
	w := newWrites(now, tasks.Terms{})
	for _, id := range ids {
		w.ring(id, now)
	}
	b := &pgx.Batch{}
	w.queue(b)
	return tx.SendBatch(ctx, b).Close()
}

// lockOrder reads an order whose row it locks first, as everybody does before
// a row of the outbox; nil when there is none.
func lockOrder(ctx context.Context, tx pgx.Tx, id order.ID) (*order.Order, error) {
	b := &pgx.Batch{}
	found := queueLocked(b, []order.ID{id})
	err := tx.SendBatch(ctx, b).Close()
	return found[id], err
}
