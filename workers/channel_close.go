package workers

import (
	"context"
	"fmt"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// channelClose makes sure that an open attempt of a closing or paid order can
// no longer be paid (P9). When the buyer was faster, the money is booked. While
// the channel cannot be reached the attempt stays open: unknown is not closed.
// A close that finds nothing settles nothing: the buyer's link is good until it
// expires, and then the channel is queried.
type channelClose struct{ Deps }

func (channelClose) Kind() tasks.Kind { return tasks.ChannelClose }

func (w channelClose) Prepare(ctx context.Context, rows []tasks.Row) (Do, error) {
	return w.onAttempts(ctx, rows, w.shut)
}

func (w channelClose) shut(ctx context.Context, row tasks.Row, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	if a.Status != order.AttemptPaying {
		return done(row, nil)
	}
	asked := w.Now()
	p, err := ch.Close(ctx, a.ID.Compact())
	if err == nil && p.State == payment.NotFound && asked.After(a.ExpireAt) {
		p, err = ch.Query(ctx, a.ID.Compact())
	}
	now, why := w.Now(), unpayable(a, p, asked)
	switch {
	case err != nil:
	case p.State == payment.Paid:
		return done(row, receive(a.ID, p, now))
	case why != "":
		return done(row, func(o *order.Order) error { return o.CloseAttempt(a.ID, why, now) })
	default:
		err = fmt.Errorf("close %s: the channel says %s", a.ID.Compact(), p.State)
	}
	return laterBy(row, err, now, a.ExpireAt.Add(expiryGrace))
}
