package paymenttest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
)

func testRefund(t *testing.T, s suite) {
	s.run(t, "all of it", func(t *testing.T, h Harness) {
		p := h.paid(t)
		r := h.refundOf(p, p.Amount)
		done := h.refunded(t, r)
		require.Equal(t, r.OutRefundNo, done.OutRefundNo)
		require.Equal(t, r.Amount, done.Amount)
		require.WithinDuration(t, h.Now(), done.DoneAt, time.Minute)
		after := h.query(t, p.OutTradeNo)
		require.Equal(t, payment.Refunded, after.State)
		require.Equal(t, p.Amount, after.Amount, "what was paid stays what was paid")
	})
	s.run(t, "in parts", func(t *testing.T, h Harness) {
		p := h.paid(t)
		h.refunded(t, h.refundOf(p, 234))
		require.Equal(t, payment.Paid, h.query(t, p.OutTradeNo).State)
		h.refunded(t, h.refundOf(p, amount-234))
		require.Equal(t, payment.Refunded, h.query(t, p.OutTradeNo).State)
	})
	s.run(t, "the same number again gives nothing more", func(t *testing.T, h Harness) {
		p := h.paid(t)
		half := h.refundOf(p, amount/2)
		done := h.refunded(t, half)
		require.Equal(t, done, h.refunded(t, half))
		require.Equal(t, payment.Paid, h.query(t, p.OutTradeNo).State, "the same refund was made twice")
		h.refunded(t, h.refundOf(p, amount/2)) // the other half is still there
		require.Equal(t, payment.Refunded, h.query(t, p.OutTradeNo).State)
	})
	s.run(t, "the same number for another amount is refused", func(t *testing.T, h Harness) {
		p := h.paid(t)
		r := h.refundOf(p, 100)
		h.refunded(t, r)
		r.Amount = 200
		_, err := h.Channel.Refund(t.Context(), r)
		require.Contains(t, []payment.Class{payment.Conflict, payment.Permanent}, payment.ClassOf(err), "%v", err)
		h.refunded(t, h.refundOf(p, amount-100))
	})
	s.run(t, "more than was paid is refused for good", func(t *testing.T, h Harness) {
		p := h.paid(t)
		h.refunded(t, h.refundOf(p, 1000))
		over := h.refundOf(p, amount-1000+1)
		_, err := h.Channel.Refund(t.Context(), over)
		require.Error(t, err)
		require.Equal(t, payment.Permanent, payment.ClassOf(err), "%v", err)
		require.Equal(t, payment.RefundNotFound, h.queryRefund(t, over).State)
		h.refunded(t, h.refundOf(p, amount-1000))
	})
	s.run(t, "of what was not paid is refused", func(t *testing.T, h Harness) {
		r := h.request()
		h.Open(t, h.create(t, r))
		refund := h.refundOf(payment.Payment{OutTradeNo: r.OutTradeNo, Amount: r.Amount, Currency: r.Currency}, r.Amount)
		_, err := h.Channel.Refund(t.Context(), refund)
		require.Contains(t, []payment.Class{payment.Conflict, payment.Permanent}, payment.ClassOf(err), "%v", err)
	})
	s.run(t, "one that was never asked for is not found", func(t *testing.T, h Harness) {
		p := h.paid(t)
		require.Equal(t, payment.RefundNotFound, h.queryRefund(t, h.refundOf(p, 1)).State)
	})
}

// maxAsks is how often a refund that the channel has accepted is asked about.
const maxAsks = 20

// refunded is a refund that was asked for and is done.
func (h Harness) refunded(t *testing.T, r payment.RefundRequest) payment.Refund {
	t.Helper()
	got := h.ended(t, r)
	require.Equal(t, payment.RefundDone, got.State, got.Reason)
	return got
}

func (h Harness) queryRefund(t *testing.T, r payment.RefundRequest) payment.Refund {
	t.Helper()
	got, err := h.Channel.QueryRefund(t.Context(), r.OutTradeNo, r.OutRefundNo)
	require.NoError(t, err)
	require.Equal(t, r.OutRefundNo, got.OutRefundNo)
	return got
}
