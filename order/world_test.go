package order_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

const (
	app      order.Actor = "app:shop"
	merchant order.Actor = "merchant:m_1"
	operator order.Actor = "operator:alice"
)

// noon is when the orders of these tests are made.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func draft() order.Draft {
	return order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", FeeBps: 60,
		Items: []order.Item{{SKU: "TEA", Quantity: 2, UnitPrice: 500, Tracked: true}, {SKU: "CUP", Quantity: 1, UnitPrice: 250}},
	}
}

// fresh is an unpaid order of 1250 CNY that may be paid until a quarter past.
func fresh(t *testing.T) *order.Order {
	t.Helper()
	o, err := order.New(ident.New[order.Order](), draft(), app, noon)
	require.NoError(t, err)
	o.Forget()
	return o
}

func pay(t *testing.T, o *order.Order) *order.Attempt {
	t.Helper()
	a, err := o.Pay("sandbox", app, noon)
	require.NoError(t, err)
	if a.Status == order.AttemptInit {
		require.NoError(t, o.Claim(a.ID, app, noon))
	}
	return a
}

// receipt is what the channel says when the buyer paid a as asked.
func receipt(a *order.Attempt) order.Receipt {
	return order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T1", Amount: a.Amount, Currency: a.Currency, PaidAt: noon}
}

// in is an order in a status, with one attempt where there can be one.
func in(t *testing.T, s order.Status) *order.Order {
	t.Helper()
	o := fresh(t)
	var a *order.Attempt
	if s != order.PendingPay && s != order.Closed {
		a = pay(t, o)
	}
	ok := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}
	switch s {
	case order.PendingPay:
	case order.Closing, order.Closed:
		ok(o.Expire(o.ExpireAt))
	default:
		ok(o.Receive(receipt(a), noon))
	}
	switch s {
	case order.Delivering, order.Returning:
		ok(o.Accept(merchant, noon))
	case order.Delivered, order.Completed:
		ok(o.Deliver("SF1", merchant, noon))
	case order.Refunding, order.Refunded:
		ok(o.FailDelivery("sold out", merchant, noon))
	}
	switch s {
	case order.Completed:
		ok(o.Complete(app, noon))
	case order.Returning:
		ok(o.Cancel("changed my mind", app, noon))
	case order.Refunded:
		ok(o.SubmitRefund(o.Refunds[0].ID, noon))
		ok(o.SucceedRefund(o.Refunds[0].ID, noon))
	}
	require.Equal(t, s, o.Status)
	o.Forget()
	return o
}

// happened are the types of o's events, in order.
func happened(o *order.Order) []order.EventType {
	var types []order.EventType
	for _, e := range o.Events() {
		types = append(types, e.Type)
	}
	return types
}
