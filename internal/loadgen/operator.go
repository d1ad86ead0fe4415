package loadgen

import (
	"context"
	"fmt"

	"github.com/orderflow/orderflow/producer/api"
)

// The steps of orders that an operator must help. They are found by the buyer,
// who waits until they are held.

const (
	note = "a step of the traffic's operator"

	heldAbnormal = "refund_abnormal"
	heldMismatch = "payment_mismatch"
	heldConflict = "delivery_conflict"
)

// isHeld waits until the order is held for a reason.
func (b *buyer) isHeld(hold string) (*api.Order, error) {
	return b.sees("held for a "+hold, 0, func(o *api.Order) bool { return o.Hold == hold })
}

// retries has a refund asked for again that was abnormal once.
func retries(b *buyer) error {
	r, err := b.abnormalRefund("times=1")
	if err != nil {
		return err
	}
	return b.step(func(ctx context.Context) error {
		_, err := b.t.operator.RetryRefund(ctx, r.ID, note)
		return err
	})
}

// paysOut notes that a refund was paid out past the channel.
func paysOut(b *buyer) error {
	r, err := b.abnormalRefund("")
	if err != nil {
		return err
	}
	return b.step(func(ctx context.Context) error {
		_, err := b.t.operator.PayOutRefund(ctx, r.ID, api.PayOut{Voucher: "BANK-" + r.ID, Note: note})
		return err
	})
}

// abnormalRefund takes an order to a refund that the channel cannot make.
func (b *buyer) abnormalRefund(how string) (*api.Refund, error) {
	if err := pays("fail", "fault=refund_abnormal&"+how)(b); err != nil {
		return nil, err
	}
	o, err := b.isHeld(heldAbnormal)
	if err != nil {
		return nil, err
	}
	for i, r := range o.Refunds {
		if r.Status == "abnormal" {
			return &o.Refunds[i], nil
		}
	}
	return nil, fmt.Errorf("order %s is held for an abnormal refund, and has none", o.ID)
}

// accepts takes a payment of the wrong amount for the order.
func accepts(b *buyer) error {
	if err := pays("deliver", "fault=wrong_amount")(b); err != nil {
		return err
	}
	o, err := b.isHeld(heldMismatch)
	if err != nil {
		return err
	}
	return b.step(func(ctx context.Context) error {
		_, err := b.t.operator.AcceptPayment(ctx, o.ID, b.order.Payment.ID, note)
		return err
	})
}

// decides lets the delivery stand that was reported when the money was on its
// way back; when the channel was asked for it already, the refund stands.
func decides(demo string) func(*buyer) error {
	return func(b *buyer) error {
		if err := callsOff(demo, "delivering")(b); err != nil {
			return err
		}
		if _, err := b.isHeld(heldConflict); err != nil {
			return err
		}
		err := b.resolves("delivered")
		if isProblem(err, api.NotAllowed) {
			return b.resolves("refunded")
		}
		return err
	}
}

func (b *buyer) resolves(outcome string) error {
	return b.step(func(ctx context.Context) error {
		_, err := b.t.operator.ResolveConflict(ctx, b.order.ID, api.Resolution{Outcome: outcome, Note: note})
		return err
	})
}
