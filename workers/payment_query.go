package workers

import (
	"context"
	"errors"
	"fmt"

	"github.com/orderflow/orderflow/internal/ident"
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
		if a.Status == order.AttemptSuccess || a.Status == order.AttemptVoid {
			return done(row, nil)
		}
		p, err := channel.Query(ctx, id.Compact())
		if err != nil {
			return later(row, err)
		}
		now := w.Now()
		switch p.State {
		case payment.Paid:
			return done(row, receive(id, p, now))
		case payment.Closed, payment.Refunded: // money that came and went again at the channel is no money
			if a.Status == order.AttemptPaying {
				s := later(row, nil)
				s.Apply = func(o *order.Order) error {
					if err := o.CloseAttempt(id, string(p.State)+" at the channel", now); !errors.Is(err, order.ErrAlready) {
						return err
					}
					return nil // closed by another try: money can still come late
				}
				return s
			}
		}
		if now.After(a.ExpireAt.Add(w.Terms.PollAfterClose)) && a.Status != order.AttemptPaying {
			return done(row, nil)
		}
		return later(row, nil)
	}, nil
}

// attempt finds an attempt and its channel. An error is for an operator: no
// further try can help before he has acted.
func (d Deps) attempt(o *order.Order, id order.AttemptID) (*order.Attempt, payment.Channel, error) {
	if o == nil || o.Attempt(id) == nil {
		return nil, nil, fmt.Errorf("attempt %s: %w", id.Compact(), order.ErrNotFound)
	}
	a := o.Attempt(id)
	channel, err := d.Channels.Channel(a.Channel)
	return a, channel, err
}
