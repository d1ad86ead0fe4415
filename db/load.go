package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

const (
	orderColumns = `id, merchant_id, buyer_id, coalesce(merchant_order_no, ''), currency, amount, fee_bps, status, hold, version,
	items, metadata, delivery, deliver_within, revoke_within, created_at, expire_at, paid_at, cancel_at, closed_at, delivered_at, completed_at`
	attemptColumns = `id, channel, status, disposition, amount, currency, expire_at, created_at,
	trade_no, paid_amount, paid_currency, paid_at, reason`
	refundColumns = `id, attempt_id, status, amount, reason, problem, voucher, created_at, done_at`
)

// queueOrders queues the reading of whole orders: three statements, in one
// round trip. found is filled when the batch has been read; orders that do not
// exist are not in it. ids must be distinct.
func queueOrders(b *pgx.Batch, ids []order.ID) (found map[order.ID]*order.Order) {
	return queueWhole(b, ids, "")
}

// queueLocked locks orders, and then reads them whole. They are locked in the
// order of their ids, so that no two batches wait for each other. A row of the
// outbox is only ever waited for after its order.
func queueLocked(b *pgx.Batch, ids []order.ID) (found map[order.ID]*order.Order) {
	return queueWhole(b, ids, " ORDER BY id FOR UPDATE OF o")
}

func queueWhole(b *pgx.Batch, ids []order.ID, lock string) (found map[order.ID]*order.Order) {
	found = make(map[order.ID]*order.Order, len(ids))
	if len(ids) == 0 {
		return found
	}
	first, last := bytesOf(ids), make([][16]byte, len(ids))
	for i, id := range ids {
		last[i] = [16]byte(ident.WithPart[order.Order](id, 0xff))
	}
	b.Queue(`SELECT `+orderColumns+` FROM unnest($1::uuid[]) AS v (id) JOIN orders o USING (id)`+lock, first).Query(func(rows pgx.Rows) error {
		return each(rows, scanOrder, func(o *order.Order) { found[o.ID] = o })
	})
	b.Queue(parts(attemptColumns, "attempts"), first, last).Query(func(rows pgx.Rows) error {
		return each(rows, scanAttempt, func(a *order.Attempt) {
			if o := found[order.Family(a.ID)]; o != nil {
				o.Attempts = append(o.Attempts, a)
			}
		})
	})
	b.Queue(parts(refundColumns, "refunds"), first, last).Query(func(rows pgx.Rows) error {
		return each(rows, scanRefund, func(r *order.Refund) {
			if o := found[order.Family(r.ID)]; o != nil {
				o.Refunds = append(o.Refunds, r)
			}
		})
	})
	return found
}

// parts reads the parts of some orders: their ids follow the order's own, a
// range of the primary key. The LIMIT, over what any order can have, tells the
// planner that a range is small; without it a batch of twenty reads the table.
func parts(columns, table string) string {
	return `SELECT p.* FROM unnest($1::uuid[], $2::uuid[]) AS o (first, last) CROSS JOIN LATERAL (
		SELECT ` + columns + ` FROM ` + table + ` WHERE id > o.first AND id <= o.last ORDER BY id LIMIT 127) p`
}

// Order reads one order as a whole. order.ErrNotFound when there is none.
func (d *DB) Order(ctx context.Context, id order.ID) (*order.Order, error) {
	list, err := d.ordersByID(ctx, []order.ID{id})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("order %s: %w", id, order.ErrNotFound)
	}
	return list[0], nil
}

// Orders reads the orders that f chooses, newest first.
func (d *DB) Orders(ctx context.Context, f order.Filter) ([]*order.Order, error) {
	ids, err := d.OrderIDs(ctx, f)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return d.ordersByID(ctx, ids)
}

// ordersByID reads whole orders, in the order of ids; what is not there is left
// out.
func (d *DB) ordersByID(ctx context.Context, ids []order.ID) ([]*order.Order, error) {
	b := &pgx.Batch{}
	found := queueOrders(b, distinctIDs(ids))
	if err := d.hot.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	list := make([]*order.Order, 0, len(ids))
	for _, id := range ids {
		if o := found[id]; o != nil {
			list = append(list, o)
		}
	}
	return list, nil
}

// distinctIDs are ids, each once, in the order in which they came.
func distinctIDs(ids []order.ID) []order.ID {
	seen := make(map[order.ID]bool, len(ids))
	out := make([]order.ID, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

func each[T any](rows pgx.Rows, scan func(pgx.Rows) (T, error), do func(T)) error {
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return err
		}
		do(v)
	}
	return rows.Err()
}

// deliveryJSON is how the delivery lies in its column.
type deliveryJSON struct {
	Status      order.DeliveryStatus `json:"status"`
	AcceptedAt  time.Time            `json:"accepted_at,omitzero"`
	DeliveredAt time.Time            `json:"delivered_at,omitzero"`
	Proof       string               `json:"proof,omitempty"`
	Reason      string               `json:"reason,omitempty"`
	DeliverBy   time.Time            `json:"deliver_by,omitzero"`
	Overdue     int                  `json:"overdue,omitempty"`
	RevokeBy    time.Time            `json:"revoke_by,omitzero"`
	Untold      bool                 `json:"untold,omitempty"`
	Unanswered  bool                 `json:"unanswered,omitempty"`
	Claim       string               `json:"claim,omitempty"`
	ClaimAt     time.Time            `json:"claim_at,omitzero"`
	ResolvedAt  time.Time            `json:"resolved_at,omitzero"`
}

func scanOrder(rows pgx.Rows) (*order.Order, error) {
	var (
		o                                       order.Order
		id                                      uuid.UUID
		items, metadata, delivery               []byte
		deliverWithin, revokeWithin             int64
		paid, canceled, closed, delivered, done *time.Time
	)
	err := rows.Scan(&id, &o.MerchantID, &o.BuyerID, &o.MerchantOrderNo, &o.Currency, &o.Amount, &o.FeeBps, (*string)(&o.Status), &o.Hold, &o.Version,
		&items, &metadata, &delivery, &deliverWithin, &revokeWithin, &o.CreatedAt, &o.ExpireAt, &paid, &canceled, &closed, &delivered, &done)
	if err != nil {
		return nil, err
	}
	o.ID = order.ID(id)
	o.CreatedAt, o.ExpireAt = o.CreatedAt.UTC(), o.ExpireAt.UTC()
	o.DeliverWithin, o.RevokeWithin = time.Duration(deliverWithin)*time.Second, time.Duration(revokeWithin)*time.Second
	o.CancelAt = timeOf(canceled)
	o.PaidAt, o.ClosedAt, o.DeliveredAt, o.CompletedAt = timeOf(paid), timeOf(closed), timeOf(delivered), timeOf(done)
	if err := json.Unmarshal(items, &o.Items); err != nil {
		return nil, fmt.Errorf("items of order %s: %w", o.ID, err)
	}
	if metadata != nil {
		if err := json.Unmarshal(metadata, &o.Metadata); err != nil {
			return nil, fmt.Errorf("metadata of order %s: %w", o.ID, err)
		}
	}
	if delivery != nil {
		var d deliveryJSON
		if err := json.Unmarshal(delivery, &d); err != nil {
			return nil, fmt.Errorf("delivery of order %s: %w", o.ID, err)
		}
		o.Delivery = (*order.Delivery)(&d)
	}
	return &o, nil
}

func scanAttempt(rows pgx.Rows) (*order.Attempt, error) {
	var (
		a    order.Attempt
		id   uuid.UUID
		paid *time.Time
	)
	err := rows.Scan(&id, &a.Channel, (*string)(&a.Status), (*string)(&a.Disposition), &a.Amount, &a.Currency, &a.ExpireAt, &a.CreatedAt,
		&a.TradeNo, &a.PaidAmount, &a.PaidCurrency, &paid, &a.Reason)
	a.ID, a.PaidAt = order.AttemptID(id), timeOf(paid)
	a.ExpireAt, a.CreatedAt = a.ExpireAt.UTC(), a.CreatedAt.UTC()
	return &a, err
}

func scanRefund(rows pgx.Rows) (*order.Refund, error) {
	var (
		r           order.Refund
		id, attempt uuid.UUID
		doneAt      *time.Time
	)
	err := rows.Scan(&id, &attempt, (*string)(&r.Status), &r.Amount, &r.Reason, &r.Problem, &r.Voucher, &r.CreatedAt, &doneAt)
	r.ID, r.Attempt, r.DoneAt = order.RefundID(id), order.AttemptID(attempt), timeOf(doneAt)
	r.CreatedAt = r.CreatedAt.UTC()
	return &r, err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func bytesOf[T any](ids []ident.Of[T]) [][16]byte {
	out := make([][16]byte, len(ids))
	for i, id := range ids {
		out[i] = [16]byte(id)
	}
	return out
}

// OrdersByID reads whole orders in one round trip; what is not there is left
// out.
func (d *DB) OrdersByID(ctx context.Context, ids []order.ID) (map[order.ID]*order.Order, error) {
	list, err := d.ordersByID(ctx, ids)
	byID := make(map[order.ID]*order.Order, len(list))
	for _, o := range list {
		byID[o.ID] = o
	}
	return byID, err
}
