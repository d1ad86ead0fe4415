package order_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/order/ordertest"
)

// Whatever happened to an order, with nobody but the timers and channels that
// answer in the end, it ends, or it is held and an operator must look. All of
// its payments' money is then placed.
func TestEveryLifeEndsOrIsHeld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var o *order.Order
		now := noon
		ordertest.Live(t, func(s ordertest.Step) {
			if s.Moved() {
				o, now = s.After.Clone(), s.Now
				o.Forget()
			}
		})
		closes := rapid.Bool().Draw(t, "the channel closes refunds")
		for range 200 {
			now = now.Add(100 * 24 * time.Hour)
			if !onItsOwn(t, o, now, closes) {
				break
			}
		}
		switch o.Status {
		case order.Closed, order.Completed, order.Refunded:
		default:
			if o.Hold == "" {
				t.Fatalf("it is %s for ever, and nobody is told", o.Status)
			}
		}
		for _, a := range o.Attempts {
			if a.Open() {
				t.Fatalf("payment %s is %s for ever", a.ID.Compact(), a.Status)
			}
			var back int64
			for _, r := range o.Refunds {
				if r.Attempt == a.ID && r.Status == order.RefundSuccess {
					back += r.Amount
				}
			}
			if a.Disposition != order.Applied && back != a.PaidAmount && o.Hold == "" {
				t.Fatalf("%d of %d of a payment that is %s went back, and nobody is told", back, a.PaidAmount, a.Disposition)
			}
		}
	})
}

// onItsOwn takes each step that a timer or a channel takes, and says whether
// one was taken.
func onItsOwn(t *rapid.T, o *order.Order, now time.Time, closes bool) (moved bool) {
	try := func(err error) {
		switch {
		case err == nil:
			moved = true
		case !errors.Is(err, order.ErrAlready) && !errors.Is(err, order.ErrNotAllowed):
			t.Fatal(err)
		}
	}
	try(o.Expire(now))
	try(o.Overdue(now))
	try(o.RevokeUnanswered(now))
	for _, a := range o.Attempts {
		try(o.CloseAttempt(a.ID, "closed", now))
		try(o.ReturnMismatch(a.ID, order.System, "nobody accepted it", now))
	}
	for _, r := range o.Refunds {
		try(o.SubmitRefund(r.ID, now))
		if r.Status != order.RefundProcessing {
			continue
		}
		if closes {
			try(o.CloseRefund(r.ID, "closed", now))
		} else {
			try(o.SucceedRefund(r.ID, now))
		}
	}
	try(o.Complete(order.System, now))
	return moved
}
