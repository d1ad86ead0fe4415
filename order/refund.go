package order

import (
	"fmt"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
)

// RefundID identifies a refund. Its Compact form is the out_refund_no that the
// channel knows it by, the same on every retry.
type RefundID = ident.Of[Refund]

// Refund is money on its way back to the buyer. Its currency is that of the
// payment that it gives back.
type Refund struct {
	ID        RefundID
	Attempt   AttemptID // the payment it gives back
	Status    RefundStatus
	Amount    int64  // minor units
	Reason    string // why it is given back
	Problem   string // of an abnormal or closed one: what the channel says
	Voucher   string // of one paid out past the channel: the proof
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
	RefundClosed     RefundStatus = "closed"   // the channel closed it: no money moved, another takes its place
	RefundCanceled   RefundStatus = "canceled" // called back before any channel was asked
)

// live says that the refund's money is back, or on its way.
func (r *Refund) live() bool { return r.Status != RefundClosed && r.Status != RefundCanceled }

// refund opens a refund of a's money (R1). What it gives back is reserved by
// being there: no other refund can be of the same money.
func (o *Order) refund(a *Attempt, amount int64, reason string, by Actor, now time.Time) *Refund {
	r := &Refund{
		ID:      ident.WithPart[Refund](o.ID, partRefund+byte(len(o.Refunds))),
		Attempt: a.ID, Amount: amount, Reason: reason, CreatedAt: now,
	}
	r.move(RefundCreated)
	o.Refunds = append(o.Refunds, r)
	o.recordRefund(EventRefundCreated, r, by, now, Detail{Reason: reason})
	return r
}

// AskRefund opens a refund of a part of a delivered order's money, or with
// amount 0 of all that is left (O13). It is reserved at once: refunds that are
// asked for side by side never exceed what was received.
func (o *Order) AskRefund(amount int64, reason string, by Actor, now time.Time) (*Refund, error) {
	const step = "refund"
	room := o.room()
	if amount == 0 {
		amount = room
	}
	switch {
	case o.Status == Paid, o.Status == Delivering:
		return nil, &Refusal{step, o.Status, "cancel it: its merchant is asked to stop the delivery first"}
	case o.Status != Delivered && o.Status != Completed:
		return nil, &Refusal{step, o.Status, "only a delivered order is refunded on request"}
	case room == 0:
		return nil, &Refusal{step, o.Status, "all of its money has gone back, or is on its way"}
	case amount < 0 || amount > room:
		return nil, &Refusal{step, o.Status, fmt.Sprintf("%s can still be given back, %s were asked for", Money(room, o.Currency), Money(amount, o.Currency))}
	case o.elective() >= maxElective:
		return nil, &Refusal{step, o.Status, fmt.Sprintf("%d refunds of it were asked for or called back, which is the most", maxElective)}
	}
	return o.refund(o.applied(), amount, reason, by, now), nil
}

// SubmitRefund claims a refund (R2): once this is committed the channel may be
// asked for it. While an operator must decide whether the goods were delivered
// after all, it is not.
func (o *Order) SubmitRefund(id RefundID, now time.Time) error {
	r := o.Refund(id)
	switch {
	case r == nil:
		return o.noRefund(id)
	case r.Status != RefundCreated:
		return ErrAlready
	case o.Delivery.conflict() && r.Attempt == o.applied().ID:
		return &Refusal{"refund", o.Status, "it is held: " + HoldConflict}
	}
	r.move(RefundProcessing)
	o.recordRefund(EventRefundSubmitted, r, System, now, Detail{})
	return nil
}

// SucceedRefund notes that the money is back with the buyer (R4), and with it
// the order refunded when that was all of it (O12, O14).
func (o *Order) SucceedRefund(id RefundID, now time.Time) error {
	r := o.Refund(id)
	switch {
	case r == nil:
		return o.noRefund(id)
	case r.Status == RefundSuccess:
		return ErrAlready
	case !r.live():
		return &Refusal{"refund", o.Status, fmt.Sprintf("the channel says that refund %s, which is %s, is done: look at the channel", id.Compact(), r.Status)}
	}
	o.succeed(EventRefundSucceeded, r, ByChannel(o.Attempt(r.Attempt).Channel), now, Detail{})
	return nil
}

func (o *Order) succeed(t EventType, r *Refund, by Actor, now time.Time, d Detail) {
	r.move(RefundSuccess)
	r.DoneAt, r.Problem = now, ""
	o.recordRefund(t, r, by, now, d)
	switch o.Status {
	case Refunding, Delivered, Completed:
		if o.refunded() == o.Received() {
			o.move(Refunded)
			o.record(EventRefunded, System, now, Detail{Amount: o.refunded(), Currency: o.Currency})
		}
	}
}

// AbnormalRefund notes that the channel cannot give the money back (R5): an
// operator must find another way.
func (o *Order) AbnormalRefund(id RefundID, problem string, now time.Time) error {
	r, err := o.submitted(id)
	switch {
	case err != nil:
		return err
	case r.Status != RefundProcessing:
		return ErrAlready
	}
	r.move(RefundAbnormal)
	r.Problem = plain(problem)
	o.recordRefund(EventRefundAbnormal, r, ByChannel(o.Attempt(r.Attempt).Channel), now, Detail{Reason: r.Problem})
	return nil
}

// CloseRefund notes that the channel closed a refund and moved no money (R7).
// The money is still owed, so another refund takes its place; when the channel
// has closed several, an operator must find another way (R5).
func (o *Order) CloseRefund(id RefundID, problem string, now time.Time) error {
	r, err := o.submitted(id)
	switch {
	case err != nil:
		return err
	case r.Status != RefundProcessing && r.Status != RefundAbnormal:
		return ErrAlready
	case o.replaced(r.Attempt) >= maxReplaced:
		return o.AbnormalRefund(id, problem, now)
	}
	a := o.Attempt(r.Attempt)
	r.move(RefundClosed)
	r.Problem = plain(problem)
	o.recordRefund(EventRefundClosed, r, ByChannel(a.Channel), now, Detail{Reason: r.Problem})
	o.refund(a, r.Amount, r.Reason, System, now)
	return nil
}

// submitted is a refund that a channel was asked for.
func (o *Order) submitted(id RefundID) (*Refund, error) {
	r := o.Refund(id)
	switch {
	case r == nil:
		return nil, o.noRefund(id)
	case r.Status == RefundCreated:
		return nil, &Refusal{"give up a refund of", o.Status, "its channel was not asked yet"}
	}
	return r, nil
}

// RetryRefund has an abnormal refund asked for once more, with the same number
// (R6): the buyer's account was mended.
func (o *Order) RetryRefund(id RefundID, by Actor, why string, now time.Time) error {
	r := o.Refund(id)
	switch {
	case r == nil:
		return o.noRefund(id)
	case r.Status == RefundProcessing, r.Status == RefundSuccess:
		return ErrAlready
	case r.Status != RefundAbnormal:
		return notAbnormal("retry a refund of", o, r)
	}
	r.move(RefundProcessing)
	r.Problem = ""
	o.recordRefund(EventRefundRetried, r, by, now, Detail{Reason: why})
	return nil
}

// ResumeRefund notes that the channel is at an abnormal refund again (R6), which
// nobody has asked it for: until it has done with it, it is not paid out by hand.
func (o *Order) ResumeRefund(id RefundID, now time.Time) error {
	r, err := o.submitted(id)
	switch {
	case err != nil:
		return err
	case r.Status != RefundAbnormal:
		return ErrAlready
	}
	r.move(RefundProcessing)
	r.Problem = ""
	o.recordRefund(EventRefundResumed, r, ByChannel(o.Attempt(r.Attempt).Channel), now, Detail{})
	return nil
}

// PayOutRefund notes that an abnormal refund was paid out past the channel, by
// a bank transfer say (R6). voucher proves it. Only the same voucher again is
// the same step again: any other word about money that is home, or that the
// channel is being asked for, may be of money that went twice.
func (o *Order) PayOutRefund(id RefundID, voucher string, by Actor, why string, now time.Time) error {
	const step = "pay out a refund of"
	r := o.Refund(id)
	switch {
	case r == nil:
		return o.noRefund(id)
	case voucher == "":
		return &Refusal{step, o.Status, "the voucher is missing: the number of the transfer"}
	case r.Status == RefundSuccess && r.Voucher == voucher:
		return ErrAlready
	case r.Status == RefundSuccess && r.Voucher != "":
		return &Refusal{step, o.Status, "refund " + id.Compact() + " was paid out with " + r.Voucher + ": was it paid twice?"}
	case r.Status == RefundSuccess:
		return &Refusal{step, o.Status, "the channel has brought refund " + id.Compact() + " home: was it paid twice?"}
	case r.Status == RefundProcessing:
		return &Refusal{step, o.Status, "the channel is being asked for refund " + id.Compact() + ": wait for its answer, or it is paid twice"}
	case r.Status != RefundAbnormal:
		return notAbnormal(step, o, r)
	}
	r.Voucher = voucher
	o.succeed(EventRefundPaidOut, r, by, now, Detail{Proof: voucher, Reason: why})
	return nil
}

func notAbnormal(step string, o *Order, r *Refund) error {
	return &Refusal{step, o.Status, "refund " + r.ID.Compact() + " is " + string(r.Status) + ", not abnormal"}
}

// CancelRefund calls a refund back before any channel was asked for it (R8).
func (o *Order) CancelRefund(id RefundID, by Actor, why string, now time.Time) error {
	const step = "call back a refund of"
	r := o.Refund(id)
	switch {
	case r == nil:
		return o.noRefund(id)
	case r.Status == RefundCanceled:
		return ErrAlready
	case r.Status != RefundCreated:
		return &Refusal{step, o.Status, "refund " + id.Compact() + " is " + string(r.Status) + ": only one that no channel was asked for is called back"}
	}
	switch o.Attempt(r.Attempt).Disposition {
	case Applied:
		if o.Status == Refunding {
			return &Refusal{step, o.Status, "the goods are not delivered, so its money goes back"}
		}
	case Late, Duplicate:
		return &Refusal{step, o.Status, "the money is the buyer's: it came too late, or twice"}
	case Mismatch: // it waits for an operator again; each time takes an id of those that there are
		if o.count(r.Attempt, RefundCanceled) >= maxReplaced || o.elective() >= maxElective {
			return &Refusal{step, o.Status, "it was called back before, or others of the order were: let the money go, or take it for the order"}
		}
	}
	o.cancelRefund(r, by, why, now)
	return nil
}

func (o *Order) cancelRefund(r *Refund, by Actor, why string, now time.Time) {
	r.move(RefundCanceled)
	o.recordRefund(EventRefundCanceled, r, by, now, Detail{Reason: why})
}

// recordRefund records an event about r.
func (o *Order) recordRefund(t EventType, r *Refund, by Actor, now time.Time, d Detail) {
	a := o.Attempt(r.Attempt)
	d.Refund, d.Attempt, d.Channel, d.Disposition, d.Amount, d.Currency = r.ID, a.ID, a.Channel, a.Disposition, r.Amount, a.PaidCurrency
	o.record(t, by, now, d)
}

func (o *Order) noRefund(id RefundID) error {
	return &Refusal{"settle a refund of", o.Status, "it has no refund " + id.Compact()}
}

// room is what of the order's own money can still be given back: received, less
// what went back, less what is reserved.
func (o *Order) room() int64 { return o.Received() - o.refunded() - o.reserved() }

// refunded is what went back of the money that moved the order.
func (o *Order) refunded() int64 {
	return o.sum(func(r *Refund) bool { return r.Status == RefundSuccess })
}

// reserved is what is on its way back of it.
func (o *Order) reserved() int64 {
	return o.sum(func(r *Refund) bool { return r.live() && r.Status != RefundSuccess })
}

// sum adds up those refunds of the order's own money that are counted.
func (o *Order) sum(counted func(*Refund) bool) (sum int64) {
	a := o.applied()
	for _, r := range o.Refunds {
		if a != nil && r.Attempt == a.ID && counted(r) {
			sum += r.Amount
		}
	}
	return sum
}

// replaced counts the refunds of a payment that the channel closed.
func (o *Order) replaced(id AttemptID) int { return o.count(id, RefundClosed) }

// count counts the refunds of a payment in a status.
func (o *Order) count(id AttemptID, s RefundStatus) (n int) {
	for _, r := range o.Refunds {
		if r.Attempt == id && r.Status == s {
			n++
		}
	}
	return n
}

// elective counts the refunds that are there by somebody's choice: those of the
// order's own money, and those that were called back.
func (o *Order) elective() (n int) {
	own := o.applied()
	for _, r := range o.Refunds {
		if own != nil && r.Attempt == own.ID && r.Status != RefundClosed || r.Status == RefundCanceled {
			n++
		}
	}
	return n
}
