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

// Open says that the channel may still take the buyer's money for it, or could
// once it is claimed.
func (a *Attempt) Open() bool { return a.Status == AttemptInit || a.Status == AttemptPaying }

// Receipt is what a channel says of money it took.
type Receipt struct {
	Attempt  AttemptID
	Channel  string
	TradeNo  string
	Amount   int64
	Currency string
	PaidAt   time.Time
}

// noCurrency is ISO 4217's code for what has no currency.
const noCurrency = "XXX"

// Pay lets an attempt in through a channel (P1). When no other is open it is
// claimed in the same step (P2): once this is committed the channel may be
// called. Otherwise it is init: first ask the channels of the open ones, then
// Claim it.
//
// An attempt needs time to be paid: one minute before the order expires, or
// half of a shorter payment window, no new one is let in.
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
		Channel: channel,
		Amount:  o.Amount, Currency: o.Currency, ExpireAt: o.ExpireAt, CreatedAt: now,
	}
	a.move(AttemptInit)
	alone := !o.paying()
	o.Attempts = append(o.Attempts, a)
	if alone {
		o.claim(a, by, now)
	} else {
		o.record(EventAttemptAsked, by, now, a.detail())
	}
	return a, nil
}

// Claim takes P2 for an attempt that is init: once this is committed the
// channel may be called.
func (o *Order) Claim(id AttemptID, by Actor, now time.Time) error {
	a := o.Attempt(id)
	switch {
	case a == nil:
		return o.noAttempt(id)
	case a.Status == AttemptVoid:
		return &Refusal{"pay", o.Status, "the payment came to nothing: the order was closed, or paid by another"}
	case a.Status != AttemptInit:
		return ErrAlready
	}
	o.claim(a, by, now)
	return nil
}

func (o *Order) claim(a *Attempt, by Actor, now time.Time) {
	a.move(AttemptPaying)
	o.record(EventAttemptOpened, by, now, a.detail())
}

// voidAsked takes P3: attempts that no channel was asked about come to nothing.
func (o *Order) voidAsked(now time.Time) {
	for _, a := range o.Attempts {
		if a.Status == AttemptInit {
			a.move(AttemptVoid)
			o.record(EventAttemptVoid, System, now, a.detail())
		}
	}
}

// paying says whether a channel may still take money for the order.
func (o *Order) paying() bool {
	for _, a := range o.Attempts {
		if a.Status == AttemptPaying {
			return true
		}
	}
	return false
}

func (a *Attempt) detail() Detail {
	return Detail{Attempt: a.ID, Channel: a.Channel, Amount: a.Amount, Currency: a.Currency}
}

func (o *Order) noAttempt(id AttemptID) error {
	return &Refusal{"settle a payment of", o.Status, "it has no payment " + id.Compact()}
}

// Receive books money that a channel took (P5 to P8, P10). The channel's word
// is final: an attempt that we hold failed or closed can still turn out paid.
func (o *Order) Receive(r Receipt, now time.Time) error {
	a := o.Attempt(r.Attempt)
	if a == nil {
		return o.noAttempt(r.Attempt)
	}
	switch a.Status {
	case AttemptSuccess:
		return ErrAlready // P10
	case AttemptInit, AttemptVoid:
		return &Refusal{"book a payment on", o.Status, "no channel was asked for " + r.Attempt.Compact() + ": look at the channel"}
	}
	if r.Amount < 0 {
		return &Refusal{"book a payment on", o.Status, fmt.Sprintf("the channel says that it took %d: look at the channel", r.Amount)}
	}
	r.TradeNo = plain(r.TradeNo)
	if !isCurrency(r.Currency) {
		r.Currency = noCurrency
	}
	a.move(AttemptSuccess)
	a.Reason = ""
	a.TradeNo, a.PaidAmount, a.PaidCurrency, a.PaidAt = r.TradeNo, r.Amount, r.Currency, r.PaidAt
	by := ByChannel(a.Channel)
	d := Detail{Attempt: a.ID, Channel: a.Channel, TradeNo: r.TradeNo, Amount: r.Amount, Currency: r.Currency}
	switch {
	case r.Channel != a.Channel || r.Amount != a.Amount || r.Currency != a.Currency || r.TradeNo == "":
		a.Disposition = Mismatch // P8
		d.Reason = fmt.Sprintf("asked for %s, got %s", Money(a.Amount, a.Currency), Money(r.Amount, r.Currency))
		o.record(EventMismatch, by, now, d)
	case o.applied() != nil:
		a.Disposition = Duplicate // P7
		o.record(EventDuplicatePayment, by, now, d)
		o.refund(a, a.PaidAmount, "paid twice", System, now)
	case o.Status == Closed:
		a.Disposition = Late // P6
		o.record(EventLatePayment, by, now, d)
		o.refund(a, a.PaidAmount, "paid after the order was closed", System, now)
	default:
		a.Disposition = Applied // P5
		o.paid(a, by, now, d)
		return nil
	}
	o.settleClosing(now)
	return nil
}

// paid takes O4: the money is the order's. An order that was called off while
// it was being paid is called off all the same (O8); its merchant was never
// told, so there is nothing to stop (O9).
func (o *Order) paid(a *Attempt, by Actor, now time.Time, d Detail) {
	o.move(Paid)
	o.PaidAt = a.PaidAt
	o.Delivery = &Delivery{DeliverBy: ceilSecond(now.Add(o.DeliverWithin))}
	o.Delivery.move(Notifying)
	o.record(EventPaid, by, now, d)
	o.voidAsked(now)
	if !o.CancelAt.IsZero() {
		o.Delivery.Untold = true
		o.callOff("called off while it was being paid", System, now)
		o.revoked("the merchant was never told", System, now)
	}
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
		return o.noAttempt(id)
	case a.Status == AttemptInit:
		return &Refusal{"settle a payment of", o.Status, "no channel was asked for " + id.Compact()}
	case a.Status != AttemptPaying:
		return ErrAlready
	}
	reason = plain(reason)
	a.move(to)
	a.Reason = reason
	o.record(t, ByChannel(a.Channel), now, Detail{Attempt: id, Channel: a.Channel, Reason: reason})
	o.settleClosing(now)
	return nil
}
