// Package ordertest lets orders live at random, for tests of what must be true
// of every order, whatever happens to it: money, stock, tasks, the timeline.
//
// Steps are drawn that are right, wrong, too early, too late and about parts
// that do not exist; time passes between them. What is drawn is shrunk by rapid
// to the shortest life that breaks a promise.
package ordertest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// Step is something that was asked of an order, and what it came to.
type Step struct {
	Name   string
	Before *order.Order // nil at the first step, the order's making
	After  *order.Order // Events are those of this step
	Err    error
	Now    time.Time
}

// Moved says whether the step was taken.
func (s Step) Moved() bool { return s.Err == nil }

const most = 40 // steps of one life

// start is when every life begins: not at a whole second, as in life.
var start = time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC)

// Live draws an order and its life, and shows each step to see.
func Live(t *rapid.T, see func(Step)) {
	l := &life{t: t, now: start}
	o, err := order.New(ident.New[order.Order](), l.draft(), "app:test", l.now)
	if err != nil {
		t.Fatalf("a draft that should be good: %v", err)
	}
	l.o = o
	see(Step{Name: "create", After: o.Clone(), Now: l.now})
	o.Forget()
	for range rapid.IntRange(most/8, most).Draw(t, "steps") {
		l.step(see)
	}
}

type life struct {
	t   *rapid.T
	o   *order.Order
	now time.Time
}

func (l *life) draft() order.Draft {
	d := order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY",
		Virtual:   rapid.Bool().Draw(l.t, "virtual"),
		FeeBps:    rapid.IntRange(0, 10_000).Draw(l.t, "fee"),
		PayWithin: time.Duration(rapid.IntRange(1, 1200).Draw(l.t, "window")) * time.Second,
	}
	for range rapid.IntRange(1, 3).Draw(l.t, "items") {
		d.Items = append(d.Items, order.Item{
			SKU:      rapid.SampledFrom([]string{"TEA", "CUP"}).Draw(l.t, "sku"),
			Quantity: rapid.Int64Range(1, 9).Draw(l.t, "quantity"), UnitPrice: rapid.Int64Range(1, 99_999).Draw(l.t, "price"),
			Tracked: rapid.Bool().Draw(l.t, "tracked"),
		})
	}
	return d
}

// step asks one thing of a copy, which becomes the order when it is taken: as
// the store does it.
func (l *life) step(see func(Step)) {
	l.now = l.now.Add(time.Duration(rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 0, 0, 0, 1, 20_000, 90_000, 1_300_000, 90_000_000}).Draw(l.t, "ms")) * time.Millisecond)
	from := anything
	if rapid.Bool().Draw(l.t, "onward") {
		from = onward(l.o.Status)
	}
	name := rapid.SampledFrom(from).Draw(l.t, "step")
	next := l.o.Clone()
	err := l.ask(name, next)
	see(Step{Name: name, Before: l.o.Clone(), After: next.Clone(), Err: err, Now: l.now})
	if err == nil {
		next.Forget()
		l.o = next
	}
}

// anything is every step that can be asked for.
var anything = []string{
	"receive wrong", "fail", "close attempt", "expire", "cancel", "accept", "deliver", "fail delivery", "complete",
	"submit refund", "succeed refund", "abnormal refund", "pay", "receive",
	"claim", "revoke", "revoke unanswered", "overdue", "ask refund", "close refund", "retry refund", "pay out refund", "cancel refund",
	"accept mismatch", "return mismatch", "resolve", "requeued",
}

// onward are steps that lead somewhere from a status, so that lives do not end
// before they began.
func onward(s order.Status) []string {
	switch s {
	case order.PendingPay:
		return []string{"pay", "claim", "receive", "receive", "accept mismatch"}
	case order.Closing:
		return []string{"receive", "close attempt"}
	case order.Paid, order.Delivering:
		return []string{"deliver", "accept", "fail delivery", "receive", "cancel", "overdue"}
	case order.Returning:
		return []string{"revoke", "deliver", "revoke unanswered"}
	case order.Delivered, order.Completed:
		return []string{"complete", "ask refund", "ask refund", "submit refund", "succeed refund"}
	case order.Refunding:
		return []string{"submit refund", "succeed refund", "abnormal refund", "close refund", "retry refund", "pay out refund", "deliver", "resolve"}
	}
	return []string{"receive", "submit refund", "succeed refund", "abnormal refund", "return mismatch"}
}

const by = order.Actor("app:test")

func (l *life) ask(name string, o *order.Order) error {
	switch name {
	case "pay":
		_, err := o.Pay(rapid.SampledFrom([]string{"sandbox", "other"}).Draw(l.t, "channel"), by, l.now)
		return err
	case "receive":
		return o.Receive(l.receipt(o), l.now)
	case "receive wrong":
		return o.Receive(l.wrong(l.receipt(o)), l.now)
	case "fail":
		return o.FailAttempt(l.attempt(o), "refused", l.now)
	case "close attempt":
		return o.CloseAttempt(l.attempt(o), "closed at the channel", l.now)
	case "expire":
		return o.Expire(l.now)
	case "cancel":
		return o.Cancel("changed my mind", by, l.now)
	case "accept":
		return o.Accept(by, l.now)
	case "deliver":
		return o.Deliver(rapid.SampledFrom([]string{"SF123", "SF123", ""}).Draw(l.t, "proof"), by, l.now)
	case "fail delivery":
		return o.FailDelivery("sold out", by, l.now)
	case "complete":
		return o.Complete(by, l.now)
	case "submit refund":
		return o.SubmitRefund(l.refund(o), l.now)
	case "succeed refund":
		return o.SucceedRefund(l.refund(o), l.now)
	case "abnormal refund":
		return o.AbnormalRefund(l.refund(o), "account closed", l.now)
	}
	return l.askMore(name, o)
}

func (l *life) askMore(name string, o *order.Order) error {
	switch name {
	case "claim":
		return o.Claim(l.attempt(o), by, l.now)
	case "revoke":
		return o.Revoke("stopped", by, l.now)
	case "revoke unanswered":
		return o.RevokeUnanswered(l.now)
	case "overdue":
		return o.Overdue(l.now)
	case "ask refund":
		_, err := o.AskRefund(rapid.SampledFrom([]int64{0, 1, o.Amount / 3, o.Amount, o.Amount + 1}).Draw(l.t, "amount"), "broken", by, l.now)
		return err
	case "close refund":
		return o.CloseRefund(l.refund(o), "refused by the bank", l.now)
	case "retry refund":
		return o.RetryRefund(l.refund(o), by, "mended", l.now)
	case "pay out refund":
		return o.PayOutRefund(l.refund(o), "V1", by, "by bank", l.now)
	case "cancel refund":
		return o.CancelRefund(l.refund(o), by, "a mistake", l.now)
	case "accept mismatch":
		return o.AcceptMismatch(l.attempt(o), by, "near enough", l.now)
	case "return mismatch":
		return o.ReturnMismatch(l.attempt(o), by, "not enough", l.now)
	case "resolve":
		return o.ResolveConflict(rapid.Bool().Draw(l.t, "delivered"), by, "seen", l.now)
	case "requeued":
		o.Requeued("payment:query", by, "impatient", l.now)
		return nil
	}
	panic("ordertest: no step is called " + name)
}

// attempt is one of the order's, or now and then one that it has not.
func (l *life) attempt(o *order.Order) order.AttemptID {
	i := rapid.IntRange(0, 9).Draw(l.t, "attempt")
	if i == 9 || len(o.Attempts) == 0 {
		return ident.WithPart[order.Attempt](o.ID, 0x3f)
	}
	return o.Attempts[i%len(o.Attempts)].ID
}

func (l *life) refund(o *order.Order) order.RefundID {
	i := rapid.IntRange(0, 9).Draw(l.t, "refund")
	if i == 9 || len(o.Refunds) == 0 {
		return ident.WithPart[order.Refund](o.ID, 0x7f)
	}
	return o.Refunds[i%len(o.Refunds)].ID
}

// receipt is what the channel should say.
func (l *life) receipt(o *order.Order) order.Receipt {
	r := order.Receipt{Attempt: l.attempt(o), TradeNo: "T1", Amount: o.Amount, Currency: o.Currency, PaidAt: l.now}
	if a := o.Attempt(r.Attempt); a != nil {
		r.Channel = a.Channel
	}
	return r
}

func (l *life) wrong(r order.Receipt) order.Receipt {
	switch rapid.IntRange(0, 4).Draw(l.t, "wrong") {
	case 0:
		r.Amount--
	case 1:
		r.Amount = 0
	case 2:
		r.Currency = "USD"
	case 3:
		r.Channel = "elsewhere"
	case 4:
		r.TradeNo = ""
	}
	return r
}
