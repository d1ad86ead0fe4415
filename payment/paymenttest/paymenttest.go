// Package paymenttest is the conformance suite that every payment adapter
// passes: what the rest of Orderflow relies on when it calls a
// payment.Channel, told as tests.
//
// An adapter's own test opens a Harness, which is the adapter together with a
// channel's side that can be made to misbehave, and hands it to Run:
//
//	func TestConformance(t *testing.T) { paymenttest.Run(t, openHarness) }
//
// Channels differ; Features says in what, and the suite expects accordingly.
package paymenttest

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/orderflow/orderflow/payment"
)

// Harness is one adapter with its channel's side, for one test alone. Its
// functions report what goes wrong with t.
type Harness struct {
	Channel   payment.Channel
	Features  Features
	NotifyURL string           // where the channel's callbacks are caught
	Now       func() time.Time // nil: the clock

	// Open lets a buyer look at the payment without paying.
	Open func(t *testing.T, a payment.Action)
	// Pay lets a buyer try to pay and says whether the channel took the money.
	Pay func(t *testing.T, a payment.Action) bool
	// Notice waits for the payment's callback and returns it as it came.
	Notice func(t *testing.T, outTradeNo string) Raw
	// Again makes the channel send that callback once more and returns it.
	Again func(t *testing.T, outTradeNo string) Raw
	// Forge turns a genuine callback into one that must be refused.
	Forge func(t *testing.T, genuine Raw, how Forgery) Raw
	// Fail makes the channel fail its next call, whichever that is.
	Fail func(t *testing.T, how Failure)
	// EndRefunds makes refunds of this payment end so, until Mend.
	EndRefunds func(t *testing.T, outTradeNo string, as payment.RefundState)
	// Mend mends the account that refunds of this payment cannot reach.
	Mend func(t *testing.T, outTradeNo string)
}

// Features is how a channel differs from the others.
type Features struct {
	Currency string // what it is paid in; empty: CNY
	// LocalCreate: Create makes no call, and the channel first hears of the
	// payment from the buyer; until then it is not found.
	LocalCreate bool
	// CloseUnseen: a payment that the channel has not heard of can be closed.
	// Otherwise it is not found by a close, and stays payable.
	CloseUnseen bool
	// BadEndings: refunds can end as failed or abnormal. EndRefunds and Mend are
	// set.
	BadEndings bool
	// TellsBalanceShort: the channel says that our balance is what is missing.
	// Fail knows BalanceShort.
	TellsBalanceShort bool
	// CompleteNotices: a callback of a payment carries all that a receipt needs.
	CompleteNotices bool
	// UndatedNotices: callbacks carry no time, so an old one cannot be told.
	UndatedNotices bool
}

// Raw is a callback as it came over the wire.
type Raw struct {
	Header http.Header
	Body   []byte
}

// Forgery is a way in which a callback is not what it seems.
type Forgery string

// The forgeries. Oversized is signed properly and larger than the adapter
// reads; Stale is signed properly, longer ago than the channel allows.
const (
	Unsigned  Forgery = "unsigned"
	Tampered  Forgery = "tampered" // the amount or another part of the body was changed
	Stranger  Forgery = "signed by a stranger"
	Stale     Forgery = "stale"
	Oversized Forgery = "oversized"
)

// Failure is a way in which a call fails.
type Failure string

// The failures. Lost, Reset and Hang have had their effect when they fail. Of a
// short balance it is the next refund that fails.
const (
	Down         Failure = "down"      // 5xx, nothing happened
	Throttled    Failure = "throttled" // 429 or the channel's own way to say it
	Lost         Failure = "lost"      // 5xx
	Reset        Failure = "reset"     // the connection breaks
	Hang         Failure = "hang"      // there is no answer until the caller gives up
	BalanceShort Failure = "balance short"
)

// Run runs the suite. open is called for every test by itself, from several
// goroutines at once.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, story := range []struct {
		name string
		tell func(*testing.T, suite)
	}{
		{"create", testCreate},
		{"query", testQuery},
		{"close", testClose},
		{"refund", testRefund},
		{"refund that does not arrive", testBadEndings},
		{"notice", testNotice},
		{"trouble", testTrouble},
		{"concurrency", testConcurrency},
	} {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			story.tell(t, suite{open})
		})
	}
}

// suite opens a fresh harness for each test of a story.
type suite struct {
	open func(t *testing.T) Harness
}

// run is a parallel subtest with a harness of its own.
func (s suite) run(t *testing.T, name string, test func(t *testing.T, h Harness)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		h := s.open(t)
		if h.Now == nil {
			h.Now = time.Now
		}
		if h.Features.Currency == "" {
			h.Features.Currency = "CNY"
		}
		test(t, h)
	})
}

// amount is what every payment of the suite costs, in minor units.
const amount = 12_34

// request asks for a new payment.
func (h Harness) request() payment.Request {
	return payment.Request{
		OutTradeNo: number(), Amount: amount, Currency: h.Features.Currency,
		Subject: "A lamp, 灯", ExpireAt: h.Now().Add(15 * time.Minute),
		NotifyURL: h.NotifyURL, BuyerID: "b_1", Description: "One lamp",
	}
}

// refundOf asks for some of a payment's money back.
func (h Harness) refundOf(p payment.Payment, part int64) payment.RefundRequest {
	return payment.RefundRequest{
		OutTradeNo: p.OutTradeNo, OutRefundNo: number(), TradeNo: p.TradeNo,
		Amount: part, Total: p.Amount, Currency: p.Currency, Reason: "changed my mind", NotifyURL: h.NotifyURL,
	}
}

// number is an out_trade_no or out_refund_no.
func number() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
