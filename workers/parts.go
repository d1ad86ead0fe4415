package workers

import (
	"context"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// onAttempts prepares tasks about payment attempts: it reads their orders in
// one query and finds, for each row, the attempt and its channel. A row for
// which there is none is for an operator: no further try can help.
func (d Deps) onAttempts(ctx context.Context, rows []tasks.Row,
	try func(ctx context.Context, row tasks.Row, a *order.Attempt, ch payment.Channel) tasks.Settlement,
) (Do, error) {
	orders, err := d.orders(ctx, rows)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, row tasks.Row) tasks.Settlement {
		a, ch, err := d.attempt(orders[row.Order()], ident.As[order.Attempt](row.Subject))
		if err != nil {
			return never(row, err)
		}
		return try(ctx, row, a, ch)
	}, nil
}

// onRefunds is the same for tasks about refunds; a is the payment that r gives
// back.
func (d Deps) onRefunds(ctx context.Context, rows []tasks.Row,
	try func(ctx context.Context, row tasks.Row, r *order.Refund, a *order.Attempt, ch payment.Channel) tasks.Settlement,
) (Do, error) {
	orders, err := d.orders(ctx, rows)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, row tasks.Row) tasks.Settlement {
		o, id := orders[row.Order()], ident.As[order.Refund](row.Subject)
		if o == nil || o.Refund(id) == nil {
			return never(row, fmt.Errorf("refund %s: %w", id.Compact(), order.ErrNotFound))
		}
		a, ch, err := d.attempt(o, o.Refund(id).Attempt)
		if err != nil {
			return never(row, err)
		}
		return try(ctx, row, o.Refund(id), a, ch)
	}, nil
}

// orders reads the orders of a bundle's rows.
func (d Deps) orders(ctx context.Context, rows []tasks.Row) (map[order.ID]*order.Order, error) {
	ids := make([]order.ID, len(rows))
	for i, r := range rows {
		ids[i] = r.Order()
	}
	return d.Store.OrdersByID(ctx, ids)
}

func (d Deps) attempt(o *order.Order, id order.AttemptID) (*order.Attempt, payment.Channel, error) {
	if o == nil || o.Attempt(id) == nil {
		return nil, nil, fmt.Errorf("attempt %s: %w", id.Compact(), order.ErrNotFound)
	}
	a := o.Attempt(id)
	ch, err := d.Channels.Channel(a.Channel)
	return a, ch, err
}

// expiryGrace is how long after an expiry a question is put that counts on it:
// what was paid in the last moment is there, and the channel's clock may be a
// little behind ours.
const expiryGrace = 5 * time.Second

// unpayable says why an attempt can no longer be paid, by what the channel
// answered to a question put at asked (P9); "" while it can. What the channel
// has not heard of can be paid until it expires, and an answer to an earlier
// question says nothing about that.
func unpayable(a *order.Attempt, p payment.Payment, asked time.Time) string {
	switch {
	case p.State == payment.Closed, p.State == payment.Refunded: // money that came and went again is no money
		return string(p.State) + " at the channel"
	case p.State == payment.NotFound && asked.After(a.ExpireAt):
		return "expired at the channel"
	}
	return ""
}

// laterBy is later, except that the ladder does not step over a moment: what
// could come after the first of them that is still ahead comes at it.
func laterBy(row tasks.Row, err error, now time.Time, moments ...time.Time) tasks.Settlement {
	s := later(row, err)
	longest, _ := mustSpec(row.Kind).Retry.After(row.Attempts+1, 1)
	for _, m := range moments {
		if wait := m.Sub(now); wait > 0 && wait < longest {
			s.Verdict = tasks.LaterIn(wait, err)
			return s
		}
	}
	return s
}
