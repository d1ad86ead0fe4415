package producer

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
)

// askTime bounds the channels' answers about payments that are open beside a
// new one.
const askTime = 5 * time.Second

// claim lets a payment that is init go to its channel, unless the order turns
// out to be paid or closed: then it is void. The channels of the payments that
// are open beside it are asked first, so that hardly any buyer pays twice.
func (s *server) claim(ctx context.Context, o *order.Order, id order.AttemptID) (claimed *order.Order, err error) {
	c, paid := callOf(ctx), s.arrived(ctx, o)
	err = s.opt.Store.Update(ctx, o.ID, nil, func(locked *order.Order) error {
		claimed = locked
		for _, r := range paid {
			_ = locked.Receive(r, s.now()) // booked meanwhile; or refused, which is left to payment:query
		}
		if locked.Attempt(id).Status != order.AttemptInit {
			return nil
		}
		return locked.Claim(id, c.principal.Actor(), s.now())
	})
	if err != nil {
		return nil, fmt.Errorf("claim payment %s: %w", id.Compact(), err)
	}
	return claimed, nil
}

// arrived asks, side by side, what became of o's open payments, and returns
// what was paid. A channel that does not answer in time keeps nobody waiting:
// should the money have come all the same, the second payment goes back.
func (s *server) arrived(ctx context.Context, o *order.Order) (paid []order.Receipt) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answers, errs := make([]payment.Payment, len(o.Attempts)), make([]error, len(o.Attempts))
	var asked sync.WaitGroup
	for i, a := range o.Attempts {
		if a.Status == order.AttemptPaying {
			asked.Go(func() { answers[i], errs[i] = s.query(ctx, a) })
		}
	}
	asked.Wait()
	for i, a := range o.Attempts {
		if errs[i] != nil {
			callOf(ctx).failed(errs[i])
		}
		if p := answers[i]; p.State == payment.Paid {
			paid = append(paid, order.Receipt{
				Attempt: a.ID, Channel: a.Channel, TradeNo: p.TradeNo, Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt,
			})
		}
	}
	return paid
}

// query runs on a goroutine of its own, where nobody else would catch a panic.
func (s *server) query(ctx context.Context, a *order.Attempt) (p payment.Payment, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("query payment %s: panic: %v\n%s", a.ID.Compact(), broken, debug.Stack())
		}
	}()
	ch, err := s.opt.Channels.Channel(a.Channel)
	if err != nil {
		return p, err
	}
	if p, err = ch.Query(ctx, a.ID.Compact()); err != nil {
		return payment.Payment{}, fmt.Errorf("query payment %s: %w", a.ID.Compact(), err)
	}
	return p, nil
}

// void is why a payment that was asked for comes to nothing.
func void(o *order.Order) error {
	why := "it was closed meanwhile, and this payment came to nothing"
	if o.Received() > 0 {
		why = "an earlier payment turned out to be paid, and this one came to nothing"
	}
	return &order.Refusal{Step: "pay", Status: o.Status, Why: why}
}
