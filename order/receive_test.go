package order_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

// What becomes of the money of a second attempt, wherever the order stands
// when it comes (P5 to P7).
func TestMoneyComesWhileTheOrderIs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status order.Status
		want   order.Disposition
		after  order.Status
	}{
		{order.PendingPay, order.Applied, order.Paid},
		{order.Closing, order.Applied, order.Paid},
		{order.Closed, order.Late, order.Closed},
		{order.Paid, order.Duplicate, order.Paid},
		{order.Delivering, order.Duplicate, order.Delivering},
		{order.Delivered, order.Duplicate, order.Delivered},
		{order.Completed, order.Duplicate, order.Completed},
		{order.Returning, order.Duplicate, order.Returning},
		{order.Refunding, order.Duplicate, order.Refunding},
		{order.Refunded, order.Duplicate, order.Refunded},
	} {
		t.Run(string(tc.status), func(t *testing.T) {
			t.Parallel()
			o := in(t, tc.status)
			had := len(o.Refunds)
			a := openBeside(t, o)
			require.NoError(t, o.Receive(receipt(a), noon))
			require.Equal(t, tc.want, a.Disposition)
			require.Equal(t, order.AttemptSuccess, a.Status)
			require.Equal(t, tc.after, o.Status)
			require.Empty(t, o.Hold)
			if tc.want == order.Applied {
				require.Len(t, o.Refunds, had)
				return
			}
			require.Len(t, o.Refunds, had+1)
			r := o.Refunds[had]
			require.Equal(t, order.RefundCreated, r.Status)
			require.Equal(t, a.ID, r.Attempt)
			require.Equal(t, a.PaidAmount, r.Amount, "all of it goes back")
		})
	}
}

// openBeside puts one more open attempt into an order that may be past taking
// one: it was opened before the rest happened.
func openBeside(t *testing.T, o *order.Order) *order.Attempt {
	t.Helper()
	other := fresh(t)
	a := pay(t, other)
	a.ID = noAttempt(o)
	if o.Status == order.Closed {
		a.Status = order.AttemptClosed
	}
	o.Attempts = append(o.Attempts, a)
	return a
}

// P8: what is not exactly what was asked for does not move the order.
func TestMoneyThatDoesNotMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		wrong func(*order.Receipt)
	}{
		{"too little", func(r *order.Receipt) { r.Amount-- }},
		{"too much", func(r *order.Receipt) { r.Amount++ }},
		{"nothing", func(r *order.Receipt) { r.Amount = 0 }},
		{"another currency", func(r *order.Receipt) { r.Currency = "JPY" }},
		{"another channel", func(r *order.Receipt) { r.Channel = "elsewhere" }},
		{"no trade number", func(r *order.Receipt) { r.TradeNo = "" }},
	} {
		for _, where := range []order.Status{order.PendingPay, order.Closing, order.Closed, order.Paid, order.Refunded} {
			t.Run(tc.name+" while "+string(where), func(t *testing.T) {
				t.Parallel()
				o := in(t, where)
				a := openBeside(t, o)
				had := len(o.Refunds)
				r := receipt(a)
				tc.wrong(&r)
				require.NoError(t, o.Receive(r, noon))
				require.Equal(t, order.Mismatch, a.Disposition)
				require.Equal(t, r.Amount, a.PaidAmount)
				require.Equal(t, r.Currency, a.PaidCurrency)
				require.Equal(t, where, o.Status, "it moves nothing")
				require.Equal(t, r.Amount > 0, o.Hold == order.HoldMismatch, "there is something to decide")
				require.Len(t, o.Refunds, had, "an operator decides")
				require.Equal(t, []order.EventType{order.EventMismatch}, happened(o))
			})
		}
	}
}

func TestMoneyComesTwice(t *testing.T) {
	t.Parallel()
	o := open(t)
	r := receipt(o.Attempts[0])
	require.NoError(t, o.Receive(r, noon))
	r.Amount, r.TradeNo = r.Amount+1, "T2" // P10: whatever the repeat says
	asks(t, o, func(o *order.Order) error { return o.Receive(r, noon) }, 'a', "again")
}

func TestMoneyForAnAttemptThatWeGaveUp(t *testing.T) {
	t.Parallel()
	for name, giveUp := range map[string]func(*order.Order, order.AttemptID) error{
		"refused": func(o *order.Order, id order.AttemptID) error { return o.FailAttempt(id, "refused", noon) },
		"closed":  func(o *order.Order, id order.AttemptID) error { return o.CloseAttempt(id, "expired", noon) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			a := o.Attempts[0]
			require.NoError(t, giveUp(o, a.ID))
			require.NotEmpty(t, a.Reason)
			require.Equal(t, order.PendingPay, o.Status, "another attempt may be opened")
			require.NoError(t, o.Receive(receipt(a), noon))
			require.Equal(t, order.Paid, o.Status)
			require.Empty(t, a.Reason)
		})
	}
}

func TestAClosingOrderWaitsForEveryOpenAttempt(t *testing.T) {
	t.Parallel()
	o := fresh(t)
	first, second := pay(t, o), pay(t, o)
	require.NoError(t, o.Cancel("", app, noon))
	require.NoError(t, o.CloseAttempt(first.ID, "closed", noon))
	require.Equal(t, order.Closing, o.Status)
	require.NoError(t, o.CloseAttempt(second.ID, "closed", noon))
	require.Equal(t, order.Closed, o.Status)
}

func TestAnAttemptThatWasNeverClaimedIsVoid(t *testing.T) {
	t.Parallel()
	for _, step := range []func(*order.Order) error{
		func(o *order.Order) error { return o.Cancel("", app, noon) },
		func(o *order.Order) error { return o.Receive(receipt(o.Attempts[0]), noon) },
	} {
		o := fresh(t)
		pay(t, o)
		asked, err := o.Pay("sandbox", app, noon)
		require.NoError(t, err)
		require.Equal(t, order.AttemptInit, asked.Status)
		require.NoError(t, step(o))
		require.Equal(t, order.AttemptVoid, asked.Status)
		asks(t, o, func(o *order.Order) error { return o.Claim(asked.ID, app, noon) }, 'r', "void")
	}
}

// received is the attempt of an order whose channel says something odd.
func received(t *testing.T, odd func(*order.Receipt)) *order.Attempt {
	t.Helper()
	o := open(t)
	r := receipt(o.Attempts[0])
	odd(&r)
	require.NoError(t, o.Receive(r, noon))
	return o.Attempts[0]
}

// What a channel writes ends in the database and on screens.
func TestAChannelsWordsAreMadeKeepable(t *testing.T) {
	t.Parallel()
	o := fresh(t)
	a, b := pay(t, o), pay(t, o)
	r := receipt(a)
	r.TradeNo = "T\x001\xff"
	require.NoError(t, o.Receive(r, noon))
	require.Equal(t, "T?1?", a.TradeNo)
	require.Equal(t, "T?1?", o.Events()[len(o.Events())-1].Detail.TradeNo)
	require.Equal(t, "XXX", received(t, func(r *order.Receipt) { r.Currency = "yuan" }).PaidCurrency, "no currency")
	require.Equal(t, order.Applied, a.Disposition)

	require.NoError(t, o.FailAttempt(b.ID, strings.Repeat("汉", 1000), noon))
	require.Less(t, len(b.Reason), 600)
	require.True(t, strings.HasSuffix(b.Reason, "汉…"))

	wrong := open(t)
	r = receipt(wrong.Attempts[0])
	r.Currency = "CNY\x00"
	require.NoError(t, wrong.Receive(r, noon))
	require.Equal(t, order.Mismatch, wrong.Attempts[0].Disposition, "made keepable, not made right")

	negative := open(t)
	r = receipt(negative.Attempts[0])
	r.Amount = -1
	asks(t, negative, func(o *order.Order) error { return o.Receive(r, noon) }, 'r', "a negative payment")
}
