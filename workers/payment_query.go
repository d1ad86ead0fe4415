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
// the channel's own expiry and a day more, because money can come late. Whatever
// the ladder says, one question is put right after the expiry, and one at the
// end: the last look is never before it.
type paymentQuery struct{ Deps }

func (paymentQuery) Kind() tasks.Kind { return tasks.PaymentQuery }

func (w paymentQuery) Prepare(ctx context.Context, rows []tasks.Row) (Do, error) {
	return w.onAttempts(ctx, rows, w.query)
}

func (w paymentQuery) query(ctx context.Context, row tasks.Row, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	if a.Status == order.AttemptSuccess || a.Status == order.AttemptVoid {
		return done(row, nil)
	}
	asked, end := w.Now(), a.ExpireAt.Add(w.Terms.PollAfterClose)
	p, err := ch.Query(ctx, a.ID.Compact())
	now, paying, why := w.Now(), a.Status == order.AttemptPaying, unpayable(a, p, asked)
	again := laterBy(row, err, now, a.ExpireAt.Add(expiryGrace), end.Add(expiryGrace))
	switch {
	case err != nil:
	case p.State == payment.Paid:
		return done(row, receive(a.ID, p, now))
	case paying && why != "":
		again.Apply = func(o *order.Order) error {
			if err := o.CloseAttempt(a.ID, why, now); !errors.Is(err, order.ErrAlready) {
				return err
			}
			return nil // closed by another try: money can still come late
		}
	case !paying && asked.After(end):
		return done(row, nil)
	}
	return again
}
