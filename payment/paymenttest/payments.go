package paymenttest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
)

func testCreate(t *testing.T, s suite) {
	s.run(t, "the same request gets the same action", func(t *testing.T, h Harness) {
		r := h.request()
		first := h.create(t, r)
		require.NotEmpty(t, first.Type)
		r.ExpireAt = r.ExpireAt.In(time.FixedZone("elsewhere", 8*3600)) // the same moment
		require.Equal(t, first, h.create(t, r))
	})
	s.run(t, "a request without a usable amount, currency, number or expiry is refused for good", func(t *testing.T, h Harness) {
		for name, spoil := range map[string]func(*payment.Request){
			"nothing to pay":  func(r *payment.Request) { r.Amount = 0 },
			"negative amount": func(r *payment.Request) { r.Amount = -1 },
			"no currency":     func(r *payment.Request) { r.Currency = "" },
			"no number":       func(r *payment.Request) { r.OutTradeNo = "" },
			"no expiry":       func(r *payment.Request) { r.ExpireAt = time.Time{} },
		} {
			r := h.request()
			spoil(&r)
			_, err := h.Channel.Create(t.Context(), r)
			require.Error(t, err, name)
			require.Equal(t, payment.Permanent, payment.ClassOf(err), "%s: %v", name, err)
		}
	})
}

func testQuery(t *testing.T, s suite) {
	s.run(t, "a payment that was never asked for is not found", func(t *testing.T, h Harness) {
		require.Equal(t, payment.NotFound, h.query(t, number()).State)
	})
	s.run(t, "an unpaid payment is pending", func(t *testing.T, h Harness) {
		r := h.request()
		a := h.create(t, r)
		before := payment.Pending
		if h.Features.LocalCreate {
			before = payment.NotFound
		}
		require.Equal(t, before, h.query(t, r.OutTradeNo).State)
		h.Open(t, a)
		require.Equal(t, payment.Pending, h.query(t, r.OutTradeNo).State)
	})
	s.run(t, "a paid payment says all that a receipt needs", func(t *testing.T, h Harness) {
		p := h.paid(t)
		require.Equal(t, payment.Paid, p.State)
		require.Len(t, p.OutTradeNo, 32)
		require.NotEmpty(t, p.TradeNo)
		require.EqualValues(t, amount, p.Amount)
		require.Equal(t, h.Features.Currency, p.Currency)
		require.WithinDuration(t, h.Now(), p.PaidAt, time.Minute)
		require.Equal(t, p, h.query(t, p.OutTradeNo), "it does not change by being asked again")
	})
	s.run(t, "money is taken once", func(t *testing.T, h Harness) {
		r := h.request()
		a := h.create(t, r)
		require.True(t, h.Pay(t, a))
		p := h.query(t, r.OutTradeNo)
		require.False(t, h.Pay(t, a), "the second payment")
		require.Equal(t, p, h.query(t, r.OutTradeNo))
	})
}

func testClose(t *testing.T, s suite) {
	s.run(t, "before the channel heard of it", func(t *testing.T, h Harness) {
		if !h.Features.CloseUnseen {
			t.Skip("this channel cannot close what it has not heard of")
		}
		h.closesForGood(t, func(payment.Action) {})
	})
	s.run(t, "before the channel heard of it, where that is not for good, says so", func(t *testing.T, h Harness) {
		if h.Features.CloseUnseen || !h.Features.LocalCreate {
			t.Skip("this channel closes what it has not heard of, or hears of all")
		}
		r := h.request()
		a := h.create(t, r)
		p, err := h.Channel.Close(t.Context(), r.OutTradeNo)
		require.NoError(t, err)
		require.Equal(t, payment.NotFound, p.State, "it can still be paid")
		require.True(t, h.Pay(t, a))
		p, err = h.Channel.Close(t.Context(), r.OutTradeNo)
		require.NoError(t, err)
		require.Equal(t, payment.Paid, p.State)
	})
	s.run(t, "before it is paid", func(t *testing.T, h Harness) {
		h.closesForGood(t, func(a payment.Action) { h.Open(t, a) })
	})
	s.run(t, "after it was paid says so, and changes nothing", func(t *testing.T, h Harness) {
		p := h.paid(t)
		closed, err := h.Channel.Close(t.Context(), p.OutTradeNo)
		require.NoError(t, err)
		require.Equal(t, p, closed)
		require.Equal(t, p, h.query(t, p.OutTradeNo))
	})
}

// closesForGood closes a payment twice, after which no buyer can pay it.
func (h Harness) closesForGood(t *testing.T, before func(payment.Action)) {
	t.Helper()
	r := h.request()
	a := h.create(t, r)
	before(a)
	for range 2 {
		p, err := h.Channel.Close(t.Context(), r.OutTradeNo)
		require.NoError(t, err)
		require.Equal(t, payment.Closed, p.State)
		require.Equal(t, r.OutTradeNo, p.OutTradeNo)
	}
	require.False(t, h.Pay(t, a), "a closed payment was paid")
	require.Equal(t, payment.Closed, h.query(t, r.OutTradeNo).State)
}

func (h Harness) create(t *testing.T, r payment.Request) payment.Action {
	t.Helper()
	a, err := h.Channel.Create(t.Context(), r)
	require.NoError(t, err)
	return a
}

func (h Harness) query(t *testing.T, outTradeNo string) payment.Payment {
	t.Helper()
	p, err := h.Channel.Query(t.Context(), outTradeNo)
	require.NoError(t, err)
	require.Equal(t, outTradeNo, p.OutTradeNo)
	return p
}

// paid is a payment that a buyer has made.
func (h Harness) paid(t *testing.T) payment.Payment {
	t.Helper()
	r := h.request()
	require.True(t, h.Pay(t, h.create(t, r)), "the channel did not take the money")
	return h.query(t, r.OutTradeNo)
}
