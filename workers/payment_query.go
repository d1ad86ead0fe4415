package workers

import (
	"context"
	"errors"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// paymentQuery asks the channel what became of an attempt: a callback that
// never comes is found this way. It goes on after the attempt was closed, until
// the channel's own expiry and a day more, because money can come late.
type paymentQuery struct{ Deps }

func (paymentQuery) Kind() tasks.Kind { return tasks.PaymentQuery }

func (w paymentQuery) Prepare(ctx context.Context, rows []tasks.Row) (Do, error) {
	return w.onAttempts(ctx, rows, w.query)
}

func (w paymentQuery) query(ctx context.Context, row tasks.Row, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	if a.Status == order.AttemptSuccess || a.Status == order.AttemptVoid {
		return done(row, nil)
	}
	p, err := ch.Query(ctx, a.ID.Compact())
	if err != nil {
		return later(row, err)
	}
	now, paying := w.Now(), a.Status == order.AttemptPaying
	switch {
	case p.State == payment.Paid:
		return done(row, receive(a.ID, p, now))
	case paying && (p.State == payment.Closed || p.State == payment.Refunded):
		// Money that came and went again at the channel is no money.
		s := later(row, nil)
		s.Apply = func(o *order.Order) error {
			if err := o.CloseAttempt(a.ID, string(p.State)+" at the channel", now); !errors.Is(err, order.ErrAlready) {
				return err
			}
			return nil // closed by another try: money can still come late
		}
		return s
	case !paying && now.After(a.ExpireAt.Add(w.Terms.PollAfterClose)):
		return done(row, nil)
	}
	return later(row, nil)
}
