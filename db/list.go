package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/order"
)

const (
	// listTime bounds a search: one for orders of a rare status alone may have to
	// pass over very many.
	listTime = 3 * time.Second
	// maxEvents is more than an order's parts can make.
	maxEvents = 5000
)

// OrderIDs finds a page of orders, newest first. The same filter gives the same
// page again, whatever has been created since: pages go by id, not by number.
func (d *DB) OrderIDs(ctx context.Context, f order.Filter) ([]order.ID, error) {
	q := d.NewSelect().Table("orders").Column("id").Order("id DESC").Limit(page(f.Limit))
	if f.MerchantID != "" {
		q.Where("merchant_id = ?", f.MerchantID)
	}
	if f.BuyerID != "" {
		q.Where("buyer_id = ?", f.BuyerID)
	}
	if f.Status != "" {
		q.Where("status = ?", f.Status)
	}
	if f.Held || f.Hold != "" {
		q.Where("hold <> ''") // the very words of the index orders_held
	}
	if f.Hold != "" {
		q.Where("hold = ?", f.Hold)
	}
	if !f.Before.IsZero() {
		q.Where("id < ?", f.Before)
	}
	var ids []order.ID
	err := search(ctx, q, &ids, "ask for one merchant or one buyer")
	return ids, wrap(err, "list orders")
}

// search reads what may lie among very many rows, within listTime.
func search(ctx context.Context, q *bun.SelectQuery, into any, instead string) error {
	limited, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	err := q.Scan(limited, into)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("not found within %s; %s: %w", listTime, instead, order.ErrBusy)
	}
	return err
}

type eventModel struct {
	bun.BaseModel `bun:"table:order_events,alias:ev"`

	OrderID order.ID        `bun:"order_id,pk"`
	Seq     int             `bun:"seq,pk"`
	Type    order.EventType `bun:"type"`
	Status  order.Status    `bun:"status"`
	Actor   order.Actor     `bun:"actor"`
	At      time.Time       `bun:"at"`
	Detail  order.Detail    `bun:"detail,type:jsonb"`
}

func (e eventModel) event() order.Event {
	return order.Event{Seq: e.Seq, Type: e.Type, Status: e.Status, Actor: e.Actor, At: e.At.UTC(), Detail: e.Detail}
}

// Events reads an order's timeline, oldest first. Every order has one, so
// none means that there is no such order: order.ErrNotFound.
func (d *DB) Events(ctx context.Context, id order.ID) ([]order.Event, error) {
	var rows []eventModel
	err := d.NewSelect().Model(&rows).Where("order_id = ?", id).Order("seq").Limit(maxEvents).Scan(ctx)
	if err == nil && len(rows) == 0 {
		err = order.ErrNotFound
	}
	if err != nil {
		return nil, wrap(err, "events of order "+id.String())
	}
	return col(rows, eventModel.event), nil
}
