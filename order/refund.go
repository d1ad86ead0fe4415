package order

import (
	"time"

	"github.com/orderflow/orderflow/internal/ident"
)

// RefundID identifies a refund. Its Compact form is the out_refund_no that the
// channel knows it by, the same on every retry.
type RefundID = ident.Of[Refund]

// Refund is money on its way back to the buyer.
type Refund struct {
	ID        RefundID
	Attempt   AttemptID // the payment it gives back
	Status    RefundStatus
	Amount    int64 // minor units
	Reason    string
	CreatedAt time.Time
	DoneAt    time.Time
}

// RefundStatus is where a refund stands.
type RefundStatus string

// The statuses of a refund.
const (
	RefundCreated    RefundStatus = "created"
	RefundProcessing RefundStatus = "processing" // claimed: the channel may have been asked
	RefundSuccess    RefundStatus = "success"
	RefundAbnormal   RefundStatus = "abnormal" // the channel cannot; an operator must
)

// HoldRefundAbnormal is the hold of an order whose refund the channel cannot
// bring home.
const HoldRefundAbnormal = "refund_abnormal"

// refund opens a refund of a's money (R1). What it gives back is reserved by
// being there: no other refund can be of the same money.
func (o *Order) refund(a *Attempt, amount int64, reason string, now time.Time) {
	r := &Refund{
		ID:      ident.WithPart[Refund](o.ID, partRefund+byte(len(o.Refunds))),
		Attempt: a.ID, Status: RefundCreated, Amount: amount, Reason: reason, CreatedAt: now,
	}
	o.Refunds = append(o.Refunds, r)
	o.record(EventRefundCreated, System, now, Detail{Refund: r.ID, Attempt: a.ID, Channel: a.Channel, Amount: amount, Reason: reason})
}

// SubmitRefund claims a refund (R2): once this is committed the channel may be
// asked for it.
func (o *Order) SubmitRefund(id RefundID, now time.Time) error {
	r := o.Refund(id)
	switch {
	case r == nil:
		return &Refusal{"refund", o.Status, "it has no refund " + id.Compact()}
	case r.Status != RefundCreated:
		return ErrAlready
	}
	r.Status = RefundProcessing
	o.record(EventRefundSubmitted, System, now, Detail{Refund: id, Amount: r.Amount})
	return nil
}

// SucceedRefund notes that the money is back with the buyer (R4), and with it
// the order refunded when that was all of it (O12).
func (o *Order) SucceedRefund(id RefundID, now time.Time) error {
	r := o.Refund(id)
	switch {
	case r == nil:
		return &Refusal{"refund", o.Status, "it has no refund " + id.Compact()}
	case r.Status == RefundSuccess:
		return ErrAlready
	}
	r.Status, r.DoneAt = RefundSuccess, now
	a := o.Attempt(r.Attempt)
	o.record(EventRefundSucceeded, ByChannel(a.Channel), now, Detail{Refund: id, Attempt: a.ID, Channel: a.Channel, Amount: r.Amount})
	if o.Status == Refunding && o.refunded() == o.Received() {
		o.move(Refunded)
		o.record(EventRefunded, System, now, Detail{Amount: o.refunded()})
	}
	return nil
}

// AbnormalRefund notes that the channel cannot give the money back (R5): an
// operator must find another way.
func (o *Order) AbnormalRefund(id RefundID, reason string, now time.Time) error {
	r := o.Refund(id)
	switch {
	case r == nil:
		return &Refusal{"refund", o.Status, "it has no refund " + id.Compact()}
	case r.Status == RefundCreated:
		return &Refusal{"give up a refund of", o.Status, "its channel was not asked yet"}
	case r.Status != RefundProcessing:
		return ErrAlready
	}
	reason = plain(reason)
	r.Status, r.Reason = RefundAbnormal, reason
	o.Hold = HoldRefundAbnormal
	o.record(EventRefundAbnormal, ByChannel(o.Attempt(r.Attempt).Channel), now, Detail{Refund: id, Amount: r.Amount, Reason: reason})
	return nil
}

// refunded is what went back of the money that moved the order.
func (o *Order) refunded() int64 {
	a := o.applied()
	var sum int64
	for _, r := range o.Refunds {
		if a != nil && r.Attempt == a.ID && r.Status == RefundSuccess {
			sum += r.Amount
		}
	}
	return sum
}

// refunding says whether a refund of the order's own money is still open.
func (o *Order) refunding() bool {
	a := o.applied()
	for _, r := range o.Refunds {
		if a != nil && r.Attempt == a.ID && r.Status != RefundSuccess {
			return true
		}
	}
	return false
}
