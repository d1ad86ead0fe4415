package paymenttest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
)

// testBadEndings tells the ways in which a refund does not arrive: they look
// alike, and mean different things for the money.
func testBadEndings(t *testing.T, s suite) {
	ending := func(name string, as payment.RefundState, test func(t *testing.T, h Harness, p payment.Payment, r payment.RefundRequest)) {
		s.run(t, name, func(t *testing.T, h Harness) {
			if !h.Features.BadEndings {
				t.Skip("refunds of this channel always arrive")
			}
			p := h.paid(t)
			h.EndRefunds(t, p.OutTradeNo, as)
			r := h.refundOf(p, amount)
			got := h.ended(t, r)
			require.Equal(t, as, got.State)
			require.Equal(t, r.Amount, got.Amount)
			require.NotEmpty(t, got.Reason, "the operator wants to know")
			require.Equal(t, payment.Paid, h.query(t, p.OutTradeNo).State, "nothing has gone back")
			test(t, h, p, r)
		})
	}
	ending("closed by the channel leaves the money for another number", payment.RefundFailed, func(t *testing.T, h Harness, p payment.Payment, r payment.RefundRequest) {
		h.Mend(t, p.OutTradeNo)
		require.Equal(t, payment.RefundFailed, h.ended(t, r).State, "a closed number stays closed")
		h.refunded(t, h.refundOf(p, amount))
		require.Equal(t, payment.Refunded, h.query(t, p.OutTradeNo).State)
	})
	ending("abnormal keeps the money spoken for", payment.RefundAbnormal, func(t *testing.T, h Harness, p payment.Payment, _ payment.RefundRequest) {
		_, err := h.Channel.Refund(t.Context(), h.refundOf(p, 1))
		require.Equal(t, payment.Permanent, payment.ClassOf(err), "%v", err)
	})
	ending("abnormal comes home with the same number once the account is mended", payment.RefundAbnormal, func(t *testing.T, h Harness, p payment.Payment, r payment.RefundRequest) {
		require.Equal(t, payment.RefundAbnormal, h.ended(t, r).State, "nobody has mended it")
		h.Mend(t, p.OutTradeNo)
		require.Equal(t, payment.RefundAbnormal, h.queryRefund(t, r).State, "a question changes nothing")
		h.refunded(t, r)
		require.Equal(t, payment.Refunded, h.query(t, p.OutTradeNo).State)
	})
	s.run(t, "for want of our own money is made later with the same number", func(t *testing.T, h Harness) {
		if !h.Features.TellsBalanceShort {
			t.Skip("this channel does not say that the balance is short")
		}
		p := h.paid(t)
		r := h.refundOf(p, amount)
		h.Fail(t, BalanceShort)
		_, err := h.Channel.Refund(t.Context(), r)
		require.ErrorIs(t, err, payment.ErrBalanceShort)
		require.Equal(t, payment.Retryable, payment.ClassOf(err), "%v", err)
		require.False(t, payment.Undecided(err), "it certainly did not happen")
		require.Equal(t, payment.RefundNotFound, h.queryRefund(t, r).State)
		h.refunded(t, r)
	})
}

// ended asks for a refund and then about it, until it is pending no more.
func (h Harness) ended(t *testing.T, r payment.RefundRequest) payment.Refund {
	t.Helper()
	got, err := h.Channel.Refund(t.Context(), r)
	require.NoError(t, err)
	for range maxAsks {
		if got.State != payment.RefundPending {
			break
		}
		got = h.queryRefund(t, r)
	}
	require.Equal(t, got, h.queryRefund(t, r), "the answer to the refund and to the question about it differ")
	return got
}
