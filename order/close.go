package order

import "time"

// Expire closes an order that was not paid in time (O2, then O3).
func (o *Order) Expire(now time.Time) error {
	if o.Status == PendingPay && now.Before(o.ExpireAt) {
		return &Refusal{"expire", o.Status, "it may be paid until " + o.ExpireAt.Format(time.RFC3339)}
	}
	return o.close("not paid in time", System, now)
}

// Cancel calls an unpaid order off (O2, then O3). It may still end paid, when
// the buyer's money was already on its way.
func (o *Order) Cancel(reason string, by Actor, now time.Time) error {
	if o.Status != PendingPay && o.Status != Closing && o.Status != Closed {
		return &Refusal{"cancel", o.Status, "it has been paid"}
	}
	return o.close(reason, by, now)
}

func (o *Order) close(reason string, by Actor, now time.Time) error {
	if o.Status != PendingPay {
		return ErrAlready
	}
	for _, a := range o.Attempts {
		if a.Status == AttemptInit {
			a.Status = AttemptVoid
		}
	}
	o.move(Closing)
	o.record(EventClosing, by, now, Detail{Reason: reason})
	o.settleClosing(now)
	return nil
}

// settleClosing takes O3 once no attempt of a closing order can bring money.
func (o *Order) settleClosing(now time.Time) {
	if o.Status != Closing {
		return
	}
	for _, a := range o.Attempts {
		if a.open() {
			return
		}
	}
	o.move(Closed)
	o.ClosedAt = now
	o.record(EventClosed, System, now, Detail{})
}
