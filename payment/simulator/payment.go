package simulator

import (
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// Payment is what the channel knows of one payment. A payment that was closed
// before anybody opened it has only its number and its state.
type Payment struct {
	OutTradeNo string        `json:"out_trade_no"`
	State      payment.State `json:"state,omitempty"` // pending, paid or closed, as last written: see StateAt
	Asked      int64         `json:"asked,omitempty"` // minor units
	Currency   string        `json:"currency,omitempty"`
	Subject    string        `json:"subject,omitempty"`
	NotifyURL  string        `json:"notify_url,omitempty"`
	ExpireAt   time.Time     `json:"expire_at,omitzero"`

	TradeNo string    `json:"trade_no,omitempty"`
	Amount  int64     `json:"amount,omitempty"` // what was paid
	PaidAt  time.Time `json:"paid_at,omitzero"`
	Faults  Faults    `json:"faults,omitzero"`  // those chosen when it was paid
	Mended  bool      `json:"mended,omitempty"` // refunds end well whatever the faults say
	Spoilt  int       `json:"spoilt,omitempty"` // refunds that a fault let end badly
	Shorts  int       `json:"shorts,omitempty"` // refunds that were refused for a short balance
	Told    bool      `json:"told,omitempty"`   // the merchant has heard that it is paid
	Changed time.Time `json:"changed,omitzero"` // when anything here last changed

	Refunds   []Refund   `json:"refunds,omitempty"`
	Callbacks []Callback `json:"callbacks,omitempty"` // only ever added to
}

// refused is a refusal, for a buyer or for the merchant.
type refused struct {
	status  int
	code    string
	message string
}

func (r *refused) Error() string { return r.code + ": " + r.message }

// StateAt is what became of the payment by now: one that nobody paid in time is
// closed, and one of which all went back is refunded.
func (p *Payment) StateAt(now time.Time) payment.State {
	switch {
	case p.State == "":
		return payment.NotFound
	case p.State == payment.Pending && !now.Before(p.ExpireAt):
		return payment.Closed
	case p.State == payment.Paid && p.Refunded() == p.Amount:
		return payment.Refunded
	}
	return p.State
}

// Refunded is the money that went back to the buyer.
func (p *Payment) Refunded() (sum int64) {
	for _, r := range p.Refunds {
		if r.State == payment.RefundDone {
			sum += r.Amount
		}
	}
	return sum
}

// open makes the payment known and says whether a buyer may pay it now.
func (p *Payment) open(t sandbox.Ticket, now time.Time) error {
	expireAt := time.UnixMilli(t.ExpireAt).UTC()
	if p.State == "" && now.Before(expireAt) {
		p.State = payment.Pending
		p.fill(t)
	}
	switch {
	case p.Asked != 0 && (p.Asked != t.Amount || p.Currency != t.Currency):
		return &refused{http.StatusConflict, "PAYMENT_DIFFERS", "This payment was asked for before with another amount."}
	case p.State == payment.Paid:
		return &refused{http.StatusConflict, "ALREADY_PAID", "This payment is already paid."}
	case p.State == payment.Closed:
		return &refused{http.StatusGone, "CLOSED", "The merchant has closed this payment. Please order again."}
	case p.State == "" || !now.Before(p.ExpireAt):
		return &refused{http.StatusGone, "EXPIRED", "The time to pay has passed. Please order again."}
	}
	return nil
}

// fill takes what the ticket asks for; the first ticket counts.
func (p *Payment) fill(t sandbox.Ticket) {
	if p.Asked != 0 {
		return
	}
	p.Asked, p.Currency, p.Subject, p.NotifyURL = t.Amount, t.Currency, t.Subject, t.NotifyURL
	p.ExpireAt = time.UnixMilli(t.ExpireAt).UTC()
}

// pay takes the buyer's money. chosen faults stay with the payment; general
// ones count beside them.
func (p *Payment) pay(t sandbox.Ticket, chosen, general Faults, now time.Time) error {
	faults := chosen.with(general)
	if err := p.open(t, now); err != nil && (!faults.Late || !isGone(err)) {
		return err
	}
	p.fill(t)
	p.State, p.TradeNo, p.PaidAt, p.Faults = payment.Paid, newNumber(), now.UTC().Truncate(time.Millisecond), chosen
	p.Amount = p.Asked
	if faults.WrongAmount {
		p.Amount = wrongAmount(p.Asked)
	}
	p.emit(sandbox.Event{
		EventID: newNumber(), Type: string(payment.PaymentSucceeded), OutTradeNo: p.OutTradeNo,
		TradeNo: p.TradeNo, Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt,
	}, p.NotifyURL, faults, now)
	return nil
}

func wrongAmount(asked int64) int64 {
	if asked == 1 {
		return 2
	}
	return asked - 1
}

// close makes sure that the payment cannot be made any more. One that nobody
// has opened yet is closed as well, unless the channel takes no note of those.
func (p *Payment) close(leaveUnseen bool) error {
	switch {
	case p.State == payment.Pending, p.State == "" && !leaveUnseen:
		p.State = payment.Closed
		return nil
	}
	return p.tell()
}

// tell notes that the merchant is being told that the payment is paid.
func (p *Payment) tell() error {
	if p.State != payment.Paid || p.Told {
		return errAsIs
	}
	p.Told = true
	return nil
}

// clone is a copy that shares nothing that changes.
func (p *Payment) clone() Payment {
	c := *p
	c.Refunds = slices.Clone(p.Refunds)
	c.Callbacks = slices.Clone(p.Callbacks)
	return c
}

// newNumber is a number of the channel's own; numbers sort by the time they
// were made. It panics only when the system's random source fails.
func newNumber() string {
	id := uuid.Must(uuid.NewV7())
	return hex.EncodeToString(id[:])
}
