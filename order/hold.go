package order

import "time"

// The holds of an order. One that is held is not completed, and waits for an
// operator: see `orderflow order held`.
const (
	HoldMismatch       = "payment_mismatch"  // paid with the wrong sum: accept it or give it back
	HoldRefundAbnormal = "refund_abnormal"   // the channel cannot give the money back: find another way
	HoldConflict       = "delivery_conflict" // delivered, says the merchant, and the money is on its way back
)

// Holds lists every hold.
func Holds() []string { return []string{HoldMismatch, HoldRefundAbnormal, HoldConflict} }

// hold is why an operator must look at o; "" when nobody must.
func (o *Order) hold() string {
	if o.Delivery.conflict() {
		return HoldConflict
	}
	if o.Unplaced() != nil {
		return HoldMismatch
	}
	for _, r := range o.Refunds {
		if r.Status == RefundAbnormal {
			return HoldRefundAbnormal
		}
	}
	return ""
}

// Unplaced is a payment of the wrong sum that waits for a decision; nil when
// there is none.
func (o *Order) Unplaced() *Attempt {
	for _, a := range o.Attempts {
		if o.unplaced(a) {
			return a
		}
	}
	return nil
}

// unplaced says that a's money is neither the order's nor on its way back.
func (o *Order) unplaced(a *Attempt) bool {
	if a.Disposition != Mismatch || a.PaidAmount == 0 {
		return false
	}
	for _, r := range o.Refunds {
		if r.Attempt == a.ID && r.live() {
			return false
		}
	}
	return true
}

// AcceptMismatch makes money of the wrong sum the order's after all: the
// operator's way out of P8.
func (o *Order) AcceptMismatch(id AttemptID, by Actor, why string, now time.Time) error {
	a := o.Attempt(id)
	switch {
	case a == nil:
		return o.noAttempt(id)
	case a.Disposition == Applied:
		return ErrAlready
	case !o.unplaced(a):
		return &Refusal{"accept a payment of", o.Status, "the payment is no mismatch that waits for a decision"}
	case o.Status != PendingPay && o.Status != Closing:
		return &Refusal{"accept a payment of", o.Status, "only an order that still waits for its money takes it; give the payment back"}
	case a.PaidCurrency != o.Currency:
		return &Refusal{"accept a payment of", o.Status, "it is in " + a.PaidCurrency + ", the order in " + o.Currency + "; give it back"}
	}
	d := Detail{Attempt: a.ID, Channel: a.Channel, TradeNo: a.TradeNo, Amount: a.PaidAmount, Currency: a.PaidCurrency}
	a.Disposition = Applied
	accepted := d
	accepted.Reason = why
	o.record(EventMismatchAccepted, by, now, accepted)
	o.paid(a, by, now, d)
	return nil
}

// ReturnMismatch gives money of the wrong sum back (P8): after half an hour, or
// as soon as an operator says so.
func (o *Order) ReturnMismatch(id AttemptID, by Actor, why string, now time.Time) error {
	a := o.Attempt(id)
	switch {
	case a == nil:
		return o.noAttempt(id)
	case a.Disposition == Mismatch && !o.unplaced(a), a.Disposition == Applied && by == System:
		return ErrAlready
	case a.Disposition != Mismatch:
		return &Refusal{"give back a payment of", o.Status, "the payment is no mismatch"}
	}
	o.refund(a, a.PaidAmount, why, by, now)
	return nil
}

// ResolveConflict decides a delivery that was reported when its money was
// already on its way back (D9). Delivered, the refund is called back, as long as
// no channel was asked for it, and the order is delivered; otherwise the refund
// stands and the merchant's claim is noted.
func (o *Order) ResolveConflict(delivered bool, by Actor, why string, now time.Time) error {
	const step = "resolve a conflict of"
	d := o.Delivery
	switch {
	case d == nil || d.ClaimAt.IsZero():
		return &Refusal{step, o.Status, "there is none: nobody reported a delivery after the refund began"}
	case !d.conflict() && delivered == (d.Status == DeliveryDone):
		return ErrAlready
	case !d.conflict():
		return &Refusal{step, o.Status, "it was decided the other way"}
	case delivered && (o.Status != Refunding || o.asked()):
		return &Refusal{step, o.Status, "the channel was already asked for the refund, which stands: resolve it as refunded"}
	}
	d.ResolvedAt = now
	if !delivered {
		o.record(EventConflictResolved, by, now, Detail{Proof: d.Claim, Reason: why})
		return nil
	}
	for _, r := range o.Refunds {
		if r.Status == RefundCreated && r.Attempt == o.applied().ID {
			o.cancelRefund(r, by, why, now)
		}
	}
	o.delivered(d.Claim, by, now, Detail{Proof: d.Claim, Reason: why})
	return nil
}

// asked says whether a channel was asked for a refund of the order's own money.
func (o *Order) asked() bool {
	for _, r := range o.Refunds {
		if r.Attempt == o.applied().ID && r.live() && r.Status != RefundCreated {
			return true
		}
	}
	return false
}

// Requeued notes that an operator had a task of the order tried again.
func (o *Order) Requeued(task string, by Actor, why string, now time.Time) {
	o.record(EventRequeued, by, now, Detail{Task: task, Reason: why})
}
