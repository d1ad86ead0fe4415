package order

import (
	"fmt"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
)

// AttemptID identifies a payment attempt. Its Compact form is the
// out_trade_no that the channel knows it by.
type AttemptID = ident.Of[Attempt]

// Attempt is one try to pay an order through one channel.
type Attempt struct {
	ID          AttemptID
	Channel     string
	Status      AttemptStatus
	Disposition Disposition // of a SUCCESS: what the money was good for
	Amount      int64       // what was asked for, minor units
	Currency    string
	ExpireAt    time.Time // the channel takes no payment after it
	CreatedAt   time.Time

	TradeNo      string // the channel's own number
	PaidAmount   int64
	PaidCurrency string
	PaidAt       time.Time
	Reason       string // why it failed or was closed
}

// AttemptStatus is where an attempt stands.
type AttemptStatus string

// The statuses of an attempt.
const (
	AttemptInit    AttemptStatus = "init"
	AttemptPaying  AttemptStatus = "paying" // claimed: the channel may have been called
	AttemptSuccess AttemptStatus = "success"
	AttemptFailed  AttemptStatus = "failed"
	AttemptClosed  AttemptStatus = "closed"
	AttemptVoid    AttemptStatus = "void"
)

// Disposition is what became of the money of a successful attempt.
type Disposition string

// Only Applied moves the order; the others go back to the buyer.
const (
	Applied   Disposition = "applied"
	Late      Disposition = "late"
	Duplicate Disposition = "duplicate"
	Mismatch  Disposition = "mismatch"
)

// open says that the channel may still take the buyer's money for it.
func (a *Attempt) open() bool { return a.Status == AttemptInit || a.Status == AttemptPaying }

// Receipt is what a channel says of money it took.
type Receipt struct {
	Attempt  AttemptID
	Channel  string
	TradeNo  string
	Amount   int64
	Currency string
	PaidAt   time.Time
}

// HoldMismatch is the hold of an order that was paid with the wrong sum.
const HoldMismatch = "payment_mismatch"

// Pay opens an attempt through a channel and claims it (P1, P2): once this is
// committed the channel may be called. An attempt needs time to be paid: one
// minute before the order expires, or half of a shorter payment window, no new
// one is let in.
func (o *Order) Pay(channel string, by Actor, now time.Time) (*Attempt, error) {
	switch {
	case o.Status != PendingPay:
		return nil, &Refusal{"pay", o.Status, "only an order that is pending_pay takes a payment"}
	case o.ExpireAt.Sub(now) < min(time.Minute, o.ExpireAt.Sub(o.CreatedAt)/2):
		return nil, &Refusal{"pay", o.Status, "it expires too soon; make a new order"}
	case len(o.Attempts) >= maxAttempts:
		return nil, &Refusal{"pay", o.Status, fmt.Sprintf("it has had %d attempts; make a new order", maxAttempts)}
	}
	a := &Attempt{
		ID:      ident.WithPart[Attempt](o.ID, partAttempt+byte(len(o.Attempts))),
		Channel: channel, Status: AttemptPaying,
		Amount: o.Amount, Currency: o.Currency, ExpireAt: o.ExpireAt, CreatedAt: now,
	}
	o.Attempts = append(o.Attempts, a)
	o.record(EventAttemptOpened, by, now, Detail{Attempt: a.ID, Channel: channel, Amount: a.Amount})
	return a, nil
}

// Receive books money that a channel took (P5 to P8, P10). The channel's word
// is final: an attempt that we hold failed or closed can still turn out paid.
func (o *Order) Receive(r Receipt, now time.Time) error {
	a := o.Attempt(r.Attempt)
	if a == nil {
		return &Refusal{"book a payment on", o.Status, "it has no attempt " + r.Attempt.Compact()}
	}
	if a.Status == AttemptSuccess {
		return ErrAlready // P10
	}
	if r.Amount < 0 {
		return &Refusal{"book a payment on", o.Status, fmt.Sprintf("the channel says that it took %d: look at the channel", r.Amount)}
	}
	r.TradeNo, r.Currency = plain(r.TradeNo), plain(r.Currency)
	a.Status, a.Reason = AttemptSuccess, ""
	a.TradeNo, a.PaidAmount, a.PaidCurrency, a.PaidAt = r.TradeNo, r.Amount, r.Currency, r.PaidAt
	by := ByChannel(a.Channel)
	d := Detail{Attempt: a.ID, Channel: a.Channel, TradeNo: r.TradeNo, Amount: r.Amount, Currency: r.Currency}
	switch {
	case r.Channel != a.Channel || r.Amount != a.Amount || r.Currency != a.Currency || r.TradeNo == "":
		a.Disposition = Mismatch // P8
		o.Hold = HoldMismatch
		d.Reason = fmt.Sprintf("asked for %d %s, got %d %s", a.Amount, a.Currency, r.Amount, r.Currency)
		o.record(EventMismatch, by, now, d)
	case o.applied() != nil:
		a.Disposition = Duplicate // P7
		o.record(EventDuplicatePayment, by, now, d)
		o.refund(a, a.PaidAmount, "paid twice", now)
	case o.Status == Closed:
		a.Disposition = Late // P6
		o.record(EventLatePayment, by, now, d)
		o.refund(a, a.PaidAmount, "paid after the order was closed", now)
	default:
		a.Disposition = Applied // P5
		o.paid(a, by, now, d)
		return nil
	}
	o.settleClosing(now)
	return nil
}

// paid takes O4: the money is the order's.
func (o *Order) paid(a *Attempt, by Actor, now time.Time, d Detail) {
	o.move(Paid)
	o.PaidAt = a.PaidAt
	o.Delivery = &Delivery{Status: Notifying}
	for _, sibling := range o.Attempts {
		if sibling.Status == AttemptInit {
			sibling.Status = AttemptVoid // P3
		}
	}
	o.record(EventPaid, by, now, d)
}

// FailAttempt notes that the channel definitely refused an attempt (P4). A
// timeout or a fault of the channel's is not a refusal.
func (o *Order) FailAttempt(id AttemptID, reason string, now time.Time) error {
	return o.endAttempt(id, AttemptFailed, EventAttemptFailed, reason, now)
}

// CloseAttempt notes that an attempt can no longer be paid: the channel has
// closed it, or its time at the channel has passed (P9).
func (o *Order) CloseAttempt(id AttemptID, reason string, now time.Time) error {
	return o.endAttempt(id, AttemptClosed, EventAttemptClosed, reason, now)
}

func (o *Order) endAttempt(id AttemptID, to AttemptStatus, t EventType, reason string, now time.Time) error {
	a := o.Attempt(id)
	switch {
	case a == nil:
		return &Refusal{"settle an attempt of", o.Status, "it has no attempt " + id.Compact()}
	case !a.open():
		return ErrAlready
	}
	reason = plain(reason)
	a.Status, a.Reason = to, reason
	o.record(t, ByChannel(a.Channel), now, Detail{Attempt: id, Channel: a.Channel, Reason: reason})
	o.settleClosing(now)
	return nil
}
