// Package payment is the port through which money comes and goes: what every
// channel must do, in the channel's words translated once.
//
// A channel never decides what becomes of an order. It answers what it knows;
// what it does not know is an answer of its own (see errors.go), because for
// money a timeout is not a failure.
package payment

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Channel is one payment channel. Its methods may be called from many
// goroutines at once; each respects its context and never retries by itself.
//
// Numbers: out_trade_no is our number of a payment and out_refund_no of a
// refund, 32 hex digits each; trade_no is the channel's own number.
type Channel interface {
	// Name is the channel's name in the API and in the ledger: "sandbox".
	Name() string

	// Create asks for a payment and says how the buyer makes it. It is
	// idempotent on Request.OutTradeNo and always hands the expiry on.
	Create(ctx context.Context, r Request) (Action, error)
	// Query asks what became of a payment. It is the authority. NotFound is an
	// answer, not an error.
	Query(ctx context.Context, outTradeNo string) (Payment, error)
	// Close makes sure that a payment cannot be made any more. The answer's
	// State is Closed when that is certain, or Paid (or Refunded) when the buyer
	// was faster; anything else means that it is not certain yet. An adapter
	// whose channel answers a close with less than the payment's state (no body,
	// "accepted", "order closed") asks Query before it says Closed: what this
	// says is taken as final.
	//
	// NotFound means that the channel has not heard of the payment and keeps
	// nothing of the close: the buyer's link can still be paid until it
	// expires. Only a Query after that settles it.
	Close(ctx context.Context, outTradeNo string) (Payment, error)

	// Refund gives money back. It is idempotent on RefundRequest.OutRefundNo:
	// every retry must carry the same number. Sent again after it was Abnormal,
	// it is tried once more; in every other state it is answered as it stands.
	//
	// An error of class Permanent means that the channel will never make this
	// refund: a person must act, as when it is Abnormal. A short balance of ours
	// at the channel is ErrBalanceShort and no refusal.
	Refund(ctx context.Context, r RefundRequest) (Refund, error)
	// QueryRefund asks what became of a refund, and changes nothing about it.
	// NotFound is an answer: the channel was never asked, or refused.
	QueryRefund(ctx context.Context, outTradeNo, outRefundNo string) (Refund, error)

	// ParseNotice verifies a callback and reads it, without any network. An
	// error of class Auth means that it is not the channel's: nothing of it may
	// be kept.
	ParseNotice(h http.Header, body []byte, now time.Time) (Notice, error)
	// Ack is what the channel wants to read in answer to its callback: that it
	// was taken when err is nil, that it should come again otherwise.
	Ack(err error) Answer
}

// Request asks for a payment.
type Request struct {
	OutTradeNo  string
	Amount      int64  // minor units
	Currency    string // ISO 4217
	Subject     string // what the buyer reads
	ExpireAt    time.Time
	NotifyURL   string // where the channel sends its callbacks
	BuyerID     string
	Description string
}

// Action is what the buyer must do to pay.
type Action struct {
	Type string `json:"type"` // "redirect": open URL in a browser
	URL  string `json:"url"`
}

// State is what became of a payment.
type State string

// The states of a payment at a channel.
const (
	Pending  State = "pending"
	Paid     State = "paid"
	Closed   State = "closed"
	Refunded State = "refunded" // paid, and all of it given back
	NotFound State = "not_found"
)

// Payment is a channel's answer about a payment. TradeNo, Amount, Currency and
// PaidAt are set when State is Paid or Refunded.
type Payment struct {
	State      State
	OutTradeNo string
	TradeNo    string
	Amount     int64
	Currency   string
	PaidAt     time.Time
}

// RefundRequest asks for money to be given back.
type RefundRequest struct {
	OutTradeNo  string
	OutRefundNo string
	TradeNo     string // the channel's number of the payment, when known
	Amount      int64
	Total       int64 // the payment's whole amount
	Currency    string
	Reason      string
	NotifyURL   string
}

// RefundState is what became of a refund.
type RefundState string

// The states of a refund at a channel. Failed and Abnormal must be told apart:
// after the one the money may be given back under a new number, after the other
// that could pay twice. An adapter that is not certain which it is says
// Abnormal.
const (
	RefundPending RefundState = "pending" // accepted, the money is on its way: ask again
	RefundDone    RefundState = "done"
	// RefundFailed: the channel has closed the refund for good. No money moved
	// and none will under this number.
	RefundFailed RefundState = "failed"
	// RefundAbnormal: the money has left us and cannot reach the buyer. It stays
	// spoken for: a person must mend the account and send the same number again,
	// or pay it out another way. It can still become Done.
	RefundAbnormal RefundState = "abnormal"
	RefundNotFound RefundState = "not_found"
)

// Refund is a channel's answer about a refund.
type Refund struct {
	State       RefundState
	OutRefundNo string
	Amount      int64
	DoneAt      time.Time
	Reason      string
}

// NoticeType is what a callback is about.
type NoticeType string

// What callbacks are about. A type that is not listed is kept and acknowledged,
// and makes the worker ask the channel.
const (
	PaymentSucceeded NoticeType = "payment.succeeded"
	PaymentClosed    NoticeType = "payment.closed"
	RefundSucceeded  NoticeType = "refund.succeeded"
	RefundFailedType NoticeType = "refund.failed"
)

// Notice is a verified callback.
type Notice struct {
	EventID     string // the channel's own; the same on every repeat
	Type        NoticeType
	OutTradeNo  string
	OutRefundNo string
	// Payment is what the callback says of the payment when that is Complete.
	Payment Payment
	// Complete says that Payment carries everything a receipt needs, so that
	// the channel need not be asked.
	Complete bool
}

// Answer is an HTTP answer to a callback.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
}

// Registry is the channels that are switched on, by name.
type Registry map[string]Channel

// NewRegistry registers channels; two of one name are a fault of the set-up.
func NewRegistry(channels ...Channel) (Registry, error) {
	r := Registry{}
	for _, c := range channels {
		if _, dup := r[c.Name()]; dup {
			return nil, fmt.Errorf("payment channel %q is registered twice", c.Name())
		}
		r[c.Name()] = c
	}
	return r, nil
}

// Channel finds a channel by name.
func (r Registry) Channel(name string) (Channel, error) {
	if c, ok := r[name]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("no payment channel %q: there is %v", name, r.Names())
}

// Names lists the channels, sorted.
func (r Registry) Names() []string {
	names := make([]string, 0, len(r))
	for n := range r {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
