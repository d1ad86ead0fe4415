package order

import "time"

// Expire closes an order that was not paid in time (O2, then O3).
func (o *Order) Expire(now time.Time) error {
	if o.Status == PendingPay && now.Before(o.ExpireAt) {
		return &Refusal{"expire", o.Status, "it may be paid until " + o.ExpireAt.Format(time.RFC3339)}
	}
	return o.close("not paid in time", System, now)
}

// Cancel calls an order off. Unpaid, it closes (O2, then O3), and may still turn
// out paid when the buyer's money was already on its way. Paid and not yet
// delivered, its merchant is asked to stop (O8).
func (o *Order) Cancel(reason string, by Actor, now time.Time) error {
	switch o.Status {
	case Delivered, Completed:
		return &Refusal{"cancel", o.Status, "the goods are with the buyer; ask for a refund"}
	case Paid, Delivering:
		o.CancelAt = now
		o.callOff(reason, by, now)
		return nil
	case PendingPay:
		o.CancelAt = now
	case Closing:
		if o.CancelAt.IsZero() { // its time was over; should it turn out paid all the same, it is called off
			o.CancelAt = now
			o.record(EventClosing, by, now, Detail{Reason: reason})
			return nil
		}
	}
	return o.close(reason, by, now)
}

func (o *Order) close(reason string, by Actor, now time.Time) error {
	if o.Status != PendingPay {
		return ErrAlready
	}
	o.move(Closing)
	o.record(EventClosing, by, now, Detail{Reason: reason})
	o.voidAsked(now)
	o.settleClosing(now)
	return nil
}

// settleClosing takes O3 once no attempt of a closing order can bring money.
func (o *Order) settleClosing(now time.Time) {
	if o.Status != Closing {
		return
	}
	for _, a := range o.Attempts {
		if a.Open() {
			return
		}
	}
	o.move(Closed)
	o.ClosedAt = now
	o.record(EventClosed, System, now, Detail{})
}
