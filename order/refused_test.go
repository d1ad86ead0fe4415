package order_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// What each method answers in each status, in the order of order.Statuses():
//
//	pending_pay closing closed paid delivering delivered completed returning refunding refunded
//
// t: the step is taken; a: it was taken before; r: it is refused.
var answers = []struct {
	method, want string
	call         func(*order.Order) error
}{
	{"Expire in time", "t a a a a a a a a a", func(o *order.Order) error { return o.Expire(o.ExpireAt) }},
	{"Expire too early", "r a a a a a a a a a", func(o *order.Order) error { return o.Expire(o.ExpireAt.Add(-time.Nanosecond)) }},
	{"Cancel", "t t a t t r r a a a", func(o *order.Order) error { return o.Cancel("no longer", app, noon) }},
	{"Pay", "t r r r r r r r r r", func(o *order.Order) error { _, err := o.Pay("sandbox", app, noon); return err }},
	{"Accept", "r r r t a a a r r r", func(o *order.Order) error { return o.Accept(merchant, noon) }},
	{"Deliver", "r r r t t a a t t t", func(o *order.Order) error { return o.Deliver("SF1", merchant, noon) }},
	{"Deliver without a proof", "r r r t t a a r t t", func(o *order.Order) error { return o.Deliver("", merchant, noon) }},
	{"FailDelivery", "r r r t t r r t a a", func(o *order.Order) error { return o.FailDelivery("sold out", merchant, noon) }},
	{"Complete", "r r r r r t a r r r", func(o *order.Order) error { return o.Complete(app, noon) }},
	{"Revoke", "r r r r r r r t a a", func(o *order.Order) error { return o.Revoke("stopped", merchant, noon) }},
	{"RevokeUnanswered", "a a a a a a a t a a", func(o *order.Order) error { return o.RevokeUnanswered(noon.Add(24 * time.Hour)) }},
	{"RevokeUnanswered too early", "a a a a a a a r a a", func(o *order.Order) error { return o.RevokeUnanswered(noon.Add(24*time.Hour - 1)) }},
	{"Overdue", "a a a t t a a a a a", func(o *order.Order) error { return o.Overdue(noon.Add(48 * time.Hour)) }},
	{"Overdue too early", "a a a r r a a a a a", func(o *order.Order) error { return o.Overdue(noon.Add(48*time.Hour - 1)) }},
	{"AskRefund of a part", "r r r r r t t r r r", func(o *order.Order) error { _, err := o.AskRefund(250, "broken", app, noon); return err }},
	{"AskRefund of all", "r r r r r t t r r r", func(o *order.Order) error { _, err := o.AskRefund(0, "broken", app, noon); return err }},
	{"AskRefund of too much", "r r r r r r r r r r", func(o *order.Order) error { _, err := o.AskRefund(1251, "broken", app, noon); return err }},
	{"AskRefund of less than nothing", "r r r r r r r r r r", func(o *order.Order) error { _, err := o.AskRefund(-1, "broken", app, noon); return err }},
	{"ResolveConflict where there is none", "r r r r r r r r r r", func(o *order.Order) error { return o.ResolveConflict(true, operator, "seen", noon) }},
	// Parts that the order has not are refused wherever it stands.
	{"Receive for nothing", "r r r r r r r r r r", func(o *order.Order) error {
		return o.Receive(order.Receipt{Attempt: noAttempt(o), Channel: "sandbox", TradeNo: "T1", Amount: 1, Currency: "CNY"}, noon)
	}},
	{"FailAttempt of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.FailAttempt(noAttempt(o), "", noon) }},
	{"CloseAttempt of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.CloseAttempt(noAttempt(o), "", noon) }},
	{"SubmitRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.SubmitRefund(noRefund(o), noon) }},
	{"SucceedRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.SucceedRefund(noRefund(o), noon) }},
	{"AbnormalRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.AbnormalRefund(noRefund(o), "", noon) }},
	{"Claim of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.Claim(noAttempt(o), app, noon) }},
	{"AcceptMismatch of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.AcceptMismatch(noAttempt(o), operator, "", noon) }},
	{"ReturnMismatch of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.ReturnMismatch(noAttempt(o), operator, "", noon) }},
	{"CloseRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.CloseRefund(noRefund(o), "", noon) }},
	{"RetryRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.RetryRefund(noRefund(o), operator, "", noon) }},
	{"ResumeRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.ResumeRefund(noRefund(o), noon) }},
	{"PayOutRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.PayOutRefund(noRefund(o), "V1", operator, "", noon) }},
	{"CancelRefund of nothing", "r r r r r r r r r r", func(o *order.Order) error { return o.CancelRefund(noRefund(o), operator, "", noon) }},
}

func noAttempt(o *order.Order) order.AttemptID { return ident.WithPart[order.Attempt](o.ID, 0x3f) }
func noRefund(o *order.Order) order.RefundID   { return ident.WithPart[order.Refund](o.ID, 0x7f) }

func TestEachMethodInEachStatus(t *testing.T) {
	t.Parallel()
	for _, m := range answers {
		t.Run(m.method, func(t *testing.T) {
			t.Parallel()
			require.Len(t, m.want, 2*len(order.Statuses())-1)
			for i, s := range order.Statuses() {
				asks(t, in(t, s), m.call, m.want[2*i], string(s))
			}
		})
	}
}

// asks calls and checks the kind of answer; one that is not "taken" must have
// changed nothing.
func asks(t *testing.T, o *order.Order, call func(*order.Order) error, want byte, where string) {
	t.Helper()
	before := o.Clone()
	err := call(o)
	switch want {
	case 't':
		require.NoError(t, err, where)
		require.NotEqual(t, before, o.Clone(), where)
		return
	case 'a':
		require.ErrorIs(t, err, order.ErrAlready, where)
	case 'r':
		require.ErrorIs(t, err, order.ErrNotAllowed, where)
		require.NotErrorIs(t, err, order.ErrAlready, where)
		var refusal *order.Refusal
		require.ErrorAs(t, err, &refusal, where)
		require.Equal(t, before.Status, refusal.Status, where)
	}
	require.Equal(t, before, o.Clone(), "%s: a step that is not taken changes nothing", where)
}

func TestEachMethodOnEachAttempt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status                order.AttemptStatus
		receive, fail, closes byte
	}{
		{order.AttemptInit, 'r', 'r', 'r'}, // no channel was asked
		{order.AttemptPaying, 't', 't', 't'},
		{order.AttemptSuccess, 'a', 'a', 'a'}, // P10; and money that came cannot be wished away
		{order.AttemptFailed, 't', 'a', 'a'},  // the channel's truth beats ours
		{order.AttemptClosed, 't', 'a', 'a'},
		{order.AttemptVoid, 'r', 'a', 'a'},
	} {
		t.Run(string(tc.status), func(t *testing.T) {
			t.Parallel()
			for _, m := range []struct {
				name string
				want byte
				call func(*order.Order) error
			}{
				{"Receive", tc.receive, func(o *order.Order) error { return o.Receive(receipt(o.Attempts[0]), noon) }},
				{"FailAttempt", tc.fail, func(o *order.Order) error { return o.FailAttempt(o.Attempts[0].ID, "refused", noon) }},
				{"CloseAttempt", tc.closes, func(o *order.Order) error { return o.CloseAttempt(o.Attempts[0].ID, "expired", noon) }},
			} {
				o := open(t)
				o.Attempts[0].Status = tc.status
				asks(t, o, m.call, m.want, m.name)
			}
		})
	}
}

func TestEachMethodOnEachRefund(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status                    order.RefundStatus
		submit, succeed, abnormal byte
		closes, retry, resume     byte
		payOut                    byte
	}{
		{order.RefundCreated, 't', 't', 'r', 'r', 'r', 'r', 'r'},
		{order.RefundProcessing, 'a', 't', 't', 't', 'a', 'a', 'r'},
		{order.RefundAbnormal, 'a', 't', 'a', 't', 't', 't', 't'},
		{order.RefundSuccess, 'a', 'a', 'a', 'a', 'a', 'a', 'r'},
		{order.RefundClosed, 'a', 'r', 'a', 'a', 'r', 'a', 'r'},
		{order.RefundCanceled, 'a', 'r', 'a', 'a', 'r', 'a', 'r'},
	} {
		t.Run(string(tc.status), func(t *testing.T) {
			t.Parallel()
			for _, m := range []struct {
				name string
				want byte
				call func(*order.Order) error
			}{
				{"SubmitRefund", tc.submit, func(o *order.Order) error { return o.SubmitRefund(o.Refunds[0].ID, noon) }},
				{"SucceedRefund", tc.succeed, func(o *order.Order) error { return o.SucceedRefund(o.Refunds[0].ID, noon) }},
				{"AbnormalRefund", tc.abnormal, func(o *order.Order) error { return o.AbnormalRefund(o.Refunds[0].ID, "no account", noon) }},
				{"CloseRefund", tc.closes, func(o *order.Order) error { return o.CloseRefund(o.Refunds[0].ID, "no account", noon) }},
				{"RetryRefund", tc.retry, func(o *order.Order) error { return o.RetryRefund(o.Refunds[0].ID, operator, "mended", noon) }},
				{"ResumeRefund", tc.resume, func(o *order.Order) error { return o.ResumeRefund(o.Refunds[0].ID, noon) }},
				{"PayOutRefund", tc.payOut, func(o *order.Order) error { return o.PayOutRefund(o.Refunds[0].ID, "V1", operator, "by bank", noon) }},
			} {
				o := in(t, order.Refunding)
				o.Refunds[0].Status = tc.status
				asks(t, o, m.call, m.want, m.name)
			}
		})
	}
}

func TestCompleteWaits(t *testing.T) {
	t.Parallel()
	held := in(t, order.Delivered)
	held.Hold = order.HoldMismatch
	asks(t, held, func(o *order.Order) error { return o.Complete(app, noon) }, 'r', "held")

	owing := in(t, order.Delivered)
	owing.Refunds = []*order.Refund{{Attempt: owing.Attempts[0].ID, Status: order.RefundProcessing, Amount: 1}}
	asks(t, owing, func(o *order.Order) error { return o.Complete(app, noon) }, 'r', "a refund is open")

	foreign := in(t, order.Delivered)
	foreign.Refunds = []*order.Refund{{Attempt: noAttempt(foreign), Status: order.RefundProcessing, Amount: 1}}
	asks(t, foreign, func(o *order.Order) error { return o.Complete(app, noon) }, 't', "a refund of money that was not the order's")
}

func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		refusal *order.Refusal
		want    string
	}{
		{&order.Refusal{Step: "cancel", Status: order.Paid, Why: "it has been paid"}, "cannot cancel an order that is paid: it has been paid"},
		{&order.Refusal{Step: "accept", Status: order.Closed}, "cannot accept an order that is closed"},
		{&order.Refusal{Step: "pay", Why: "no such channel"}, "cannot pay: no such channel"},
		{&order.Refusal{Why: "that is a payment"}, "that is a payment"},
	} {
		require.EqualError(t, tc.refusal, tc.want)
		require.ErrorIs(t, tc.refusal, order.ErrNotAllowed)
		require.NotErrorIs(t, tc.refusal, order.ErrAlready)
	}
	require.EqualError(t, &order.OutOfStock{SKU: "TEA", Wanted: 3, Available: 1}, "out of stock: 3 of TEA wanted, 1 available")
}
