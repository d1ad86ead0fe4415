package workers

import (
	"context"
	"fmt"

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
	return w.onAttempts(ctx, rows, w.shut)
}

func (w channelClose) shut(ctx context.Context, row tasks.Row, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	if a.Status != order.AttemptPaying {
		return done(row, nil)
	}
	p, err := ch.Close(ctx, a.ID.Compact())
	if err != nil {
		return later(row, err)
	}
	now := w.Now()
	closed := func(why string) tasks.Settlement {
		return done(row, func(o *order.Order) error { return o.CloseAttempt(a.ID, why+" at the channel", now) })
	}
	switch {
	case p.State == payment.Paid:
		return done(row, receive(a.ID, p, now))
	case p.State == payment.Closed, p.State == payment.Refunded: // money that came and went again is no money
		return closed(string(p.State))
	case p.State == payment.NotFound && now.After(a.ExpireAt):
		return closed("expired")
	}
	return later(row, fmt.Errorf("close %s: the channel says %s", a.ID.Compact(), p.State))
}
