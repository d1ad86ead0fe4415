package workers

import (
	"context"
	"fmt"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// channelClose makes sure that an open attempt of a closing or paid order can
// no longer be paid. When the buyer was faster, the money is booked. While the
// channel cannot be reached the attempt stays open: unknown is not closed.
type channelClose struct{ Deps }

func (channelClose) Kind() tasks.Kind { return tasks.ChannelClose }

func (w channelClose) Prepare(ctx context.Context, rows []tasks.Row) (Do, error) {
	orders, err := w.orders(ctx, rows)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, row tasks.Row) tasks.Settlement {
		id := ident.As[order.Attempt](row.Subject)
		a, channel, err := w.attempt(orders[row.Order()], id)
		if err != nil {
			return never(row, err)
		}
		if a.Status != order.AttemptPaying {
			return done(row, nil)
		}
		p, err := channel.Close(ctx, id.Compact())
		if err != nil {
			return later(row, err)
		}
		now := w.Now()
		switch p.State {
		case payment.Paid:
			return done(row, receive(id, p, now))
		case payment.Closed, payment.Refunded: // money that came and went again at the channel is no money
			return done(row, func(o *order.Order) error { return o.CloseAttempt(id, string(p.State)+" at the channel", now) })
		case payment.NotFound, payment.Pending:
			if now.After(a.ExpireAt) && p.State == payment.NotFound {
				return done(row, func(o *order.Order) error { return o.CloseAttempt(id, "expired at the channel", now) })
			}
		}
		return later(row, fmt.Errorf("close %s: the channel says %s", id.Compact(), p.State))
	}, nil
}
