// Package order is what an order is and which steps it may take.
//
// Everything here is pure: an Order is loaded, changed by a method named after
// the business step, and handed back; time and identifiers come in as values.
// A method either takes its step whole, recording the Events that tell what
// happened, or returns an error and has changed nothing. The store writes the
// order, its events, the stock movements, the ledger postings and the work
// that follows in one transaction; none of that is done here.
//
// The rows O1…O15, P1…P10, R1…R8 and D1…D9 named in comments are those of
// docs/state-machine.md.
package order

import (
	"time"

	"github.com/orderflow/orderflow/internal/ident"
)

// ID identifies an order. Its parts' ids differ only in the last byte.
type ID = ident.Of[Order]

// The last byte of an identifier says which part of the order it names.
const (
	partAttempt  byte = 0x01 // 0x01–0x3f
	partRefund   byte = 0x40 // 0x40–0x7f
	partDelivery byte = 0x80
	partRevoke   byte = 0x81 // the notice that asks for a delivery to be stopped
	partReminder byte = 0x82 // the notice that reminds of a delivery
	partClosed   byte = 0x83 // the notice that it ended without money
	partComplete byte = 0x84 // the notice that it is settled
	partFailed   byte = 0xc0 // 0xc0–0xff: the notice that a refund failed, by the refund's own number

	// Every payment can be refunded, and its refund be replaced twice when the
	// channel closes it; the rest are by choice. 16 + 2 × 16 + 16 refunds have an
	// id each.
	maxAttempts = 16
	maxReplaced = 2
	maxElective = 16
)

// ParseID reads an order's id. An id of one of the order's parts (an
// out_trade_no from a channel's bill, say) is refused: see Family.
func ParseID(s string) (ID, error) {
	id, err := ident.Parse[Order](s)
	if err == nil && id.Part() != 0 {
		return ID{}, &Refusal{Why: "the id " + s + " is of a part of an order, not of an order; its order is " + Family(id).String()}
	}
	return id, err
}

// Family is the order that an identifier belongs to, whichever part it names.
func Family[T any](id ident.Of[T]) ID { return ident.WithPart[Order](id, 0) }

// DeliveryID is the identifier of the order's delivery, and of the notice that
// asks the merchant for it.
func DeliveryID(id ID) ident.Of[Delivery] { return ident.WithPart[Delivery](id, partDelivery) }

// RevokeNoticeID is the identifier of the notice that asks the merchant to stop
// the order's delivery.
func RevokeNoticeID(id ID) ident.Of[Delivery] { return ident.WithPart[Delivery](id, partRevoke) }

// ReminderID is the identifier of the notice that reminds the merchant of a
// delivery that is late.
func ReminderID(id ID) ident.Of[Delivery] { return ident.WithPart[Delivery](id, partReminder) }

// NoticeID identifies what a merchant is told of an order and needs not act on.
type NoticeID = ident.Of[notice]

type notice struct{}

// ClosedNoticeID is the identifier of the notice that the order is closed.
func ClosedNoticeID(id ID) NoticeID { return ident.WithPart[notice](id, partClosed) }

// CompletedNoticeID is the identifier of the notice that the order is settled.
func CompletedNoticeID(id ID) NoticeID { return ident.WithPart[notice](id, partComplete) }

// RefundFailedNoticeID is the identifier of the notice that the channel cannot
// make a refund. That it is made has the refund's own.
func RefundFailedNoticeID(id RefundID) NoticeID {
	return ident.WithPart[notice](id, id.Part()-partRefund+partFailed)
}

// Status is where an order stands. The strings are the API's.
type Status string

// The statuses of an order, in the order in which a trade meets them.
const (
	PendingPay Status = "pending_pay" // stock is held, no money yet
	Closing    Status = "closing"     // no new payment is let in; open ones are being closed
	Closed     Status = "closed"      // ended without money; stock released
	Paid       Status = "paid"        // money applied; the merchant is being told
	Delivering Status = "delivering"  // the merchant accepted
	Delivered  Status = "delivered"
	Completed  Status = "completed" // settled to the merchant
	Returning  Status = "returning" // the merchant is asked to stop the delivery
	Refunding  Status = "refunding" // the money is on its way back
	Refunded   Status = "refunded"  // all of it went back
)

// Statuses lists every Status.
func Statuses() []Status {
	return []Status{PendingPay, Closing, Closed, Paid, Delivering, Delivered, Completed, Returning, Refunding, Refunded}
}

// Order is one order with its parts: the unit that is locked, changed and
// written as a whole. Amounts are minor units of Currency.
type Order struct {
	ID              ID
	MerchantID      string
	BuyerID         string
	MerchantOrderNo string // the upstream's own number; unique per merchant when set
	Currency        string // ISO 4217
	Amount          int64  // Σ quantity × unit price
	FeeBps          int    // the platform's commission, in 1/100 of a percent, fixed when the order was made
	Items           []Item
	Metadata        map[string]string
	Status          Status
	Hold            string // why an operator must look; "" when nobody must; follows from the parts

	// DeliverWithin is how long the merchant may take to deliver, RevokeWithin
	// how long to stop a delivery that was called off. Whole seconds, fixed when
	// the order was made.
	DeliverWithin, RevokeWithin time.Duration

	CreatedAt   time.Time
	ExpireAt    time.Time // whole second: not paid by then, it closes
	PaidAt      time.Time
	CancelAt    time.Time // when somebody called it off
	ClosedAt    time.Time
	DeliveredAt time.Time
	CompletedAt time.Time

	Attempts []*Attempt
	Refunds  []*Refund
	Delivery *Delivery // nil until paid

	// Version counts the events of the order's life; the next has Version+1.
	Version int

	events []Event
}

// Item is one line of an order.
type Item struct {
	SKU       string `json:"sku"`
	Name      string `json:"name,omitempty"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
	// Tracked says that the merchant keeps stock of this SKU here, so that the
	// order holds some of it. Set when the order is created.
	Tracked bool `json:"tracked,omitempty"`
}

// Delivery is the merchant's side of a paid order.
type Delivery struct {
	Status      DeliveryStatus
	AcceptedAt  time.Time
	DeliveredAt time.Time
	Proof       string // the merchant's own proof of delivery: a parcel or voucher number
	Reason      string // why it failed, or was called off

	DeliverBy  time.Time // whole second: later is overdue
	Overdue    int       // 1: the merchant was reminded, 2: the operators were told, 3: it was called off
	RevokeBy   time.Time // whole second: the merchant's word is waited for until then
	Untold     bool      // called off before the merchant heard of the order: there was nothing to stop
	Unanswered bool      // RevokeBy passed without the merchant's word: whether the goods are gone is not known

	// Claim is the proof of a delivery that the merchant reported when the money
	// was already on its way back; an operator says what to make of it.
	Claim      string
	ClaimAt    time.Time
	ResolvedAt time.Time
}

// conflict says that the merchant claims a delivery whose money goes back, and
// that nobody has decided yet.
func (d *Delivery) conflict() bool {
	return d != nil && !d.ClaimAt.IsZero() && d.ResolvedAt.IsZero()
}

// DeliveryStatus is where a delivery stands.
type DeliveryStatus string

// The statuses of a delivery.
const (
	Notifying        DeliveryStatus = "notifying"
	Accepted         DeliveryStatus = "accepted"
	DeliveryDone     DeliveryStatus = "delivered"
	DeliveryFailed   DeliveryStatus = "failed"
	DeliveryRevoking DeliveryStatus = "revoking"
	DeliveryRevoked  DeliveryStatus = "revoked"
)

// Events are what has happened to o since it was loaded or made.
func (o *Order) Events() []Event { return o.events }

// Forget drops the recorded events: the store calls it once they are written.
func (o *Order) Forget() { o.events = nil }

// Received is the money that moved the order: the applied attempt's amount.
func (o *Order) Received() int64 {
	if a := o.applied(); a != nil {
		return a.PaidAmount
	}
	return 0
}

func (o *Order) applied() *Attempt {
	for _, a := range o.Attempts {
		if a.Disposition == Applied {
			return a
		}
	}
	return nil
}

// Attempt finds one of the order's attempts; nil when it has no such attempt.
func (o *Order) Attempt(id AttemptID) *Attempt {
	for _, a := range o.Attempts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// Refund finds one of the order's refunds; nil when it has no such refund.
func (o *Order) Refund(id RefundID) *Refund {
	for _, r := range o.Refunds {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Fee is the platform's commission on amount: rounded down, so that what the
// merchant gets and the fee always add up to amount.
func (o *Order) Fee(amount int64) int64 {
	whole, rest := amount/10_000, amount%10_000
	return whole*int64(o.FeeBps) + rest*int64(o.FeeBps)/10_000
}
