package simulator_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
)

// again sends a refund once more, with its number.
func (w *world) again(t *testing.T, p payment.Payment, r payment.Refund) payment.Refund {
	t.Helper()
	got, err := w.submit(t, p, r.OutRefundNo, r.Amount)
	require.NoError(t, err)
	return got
}

func (w *world) submit(t *testing.T, p payment.Payment, outRefundNo string, amount int64) (payment.Refund, error) {
	t.Helper()
	return w.channel.Refund(t.Context(), payment.RefundRequest{
		OutTradeNo: p.OutTradeNo, OutRefundNo: outRefundNo, TradeNo: p.TradeNo, Amount: amount, Total: p.Amount, Currency: p.Currency,
	})
}

func (w *world) abnormal(t *testing.T, query string) (payment.Payment, payment.Refund) {
	t.Helper()
	p := w.sell(t, query)
	w.shop.heard(0)
	r, err := w.refund(t, p, price)
	require.NoError(t, err)
	require.Equal(t, payment.RefundAbnormal, r.State)
	return p, r
}

func tellRefundAbnormalOnce(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	r, err := w.refund(t, p, price)
	require.NoError(t, err)
	require.Equal(t, payment.RefundAbnormal, r.State)
	require.Equal(t, payment.RefundAbnormal, w.ask(t, p, r).State, "to be asked is not to be sent again")
	require.Equal(t, payment.RefundDone, w.again(t, p, r).State)
}

func tellRefundFailedOnce(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	w.shop.heard(0)
	r, err := w.refund(t, p, price)
	require.NoError(t, err)
	require.Equal(t, payment.RefundFailed, r.State)
	require.Equal(t, payment.RefundFailed, w.again(t, p, r).State, "a closed number stays closed")
	other, err := w.refund(t, p, price)
	require.NoError(t, err)
	require.Equal(t, payment.RefundDone, other.State)
	require.Equal(t, []string{"payment", "refund"}, types(w.shop.heard(time.Hour)))
}

func tellBalanceShort(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	no := newNumber()
	_, err := w.submit(t, p, newNumber(), price+1)
	require.Equal(t, payment.Permanent, payment.ClassOf(err), "what is refused anyway does not count")
	for range 2 {
		_, err := w.submit(t, p, no, price)
		require.ErrorIs(t, err, payment.ErrBalanceShort)
		require.Equal(t, payment.Retryable, payment.ClassOf(err))
		r, err := w.channel.QueryRefund(t.Context(), p.OutTradeNo, no)
		require.NoError(t, err)
		require.Equal(t, payment.RefundNotFound, r.State, "nothing happened")
	}
	r, err := w.submit(t, p, no, price)
	require.NoError(t, err, "the same number, once there is money")
	require.Equal(t, payment.RefundDone, r.State)
}

func TestAShortBalanceForEveryone(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		made := w.sell(t, "")
		done, err := w.refund(t, made, 1)
		require.NoError(t, err)
		one, other := w.sell(t, ""), w.sell(t, "")
		fault := simulator.GatewayFault{Kind: simulator.GatewayBalanceShort, Times: 2}
		require.NoError(t, w.sim.SetFaults(simulator.Faults{Gateway: fault}))
		require.Equal(t, payment.RefundDone, w.ask(t, made, done).State, "a question needs no money")
		_, err = w.refund(t, one, 1)
		require.ErrorIs(t, err, payment.ErrBalanceShort)
		_, err = w.refund(t, other, 1)
		require.ErrorIs(t, err, payment.ErrBalanceShort)
		_, err = w.refund(t, one, price)
		require.NoError(t, err, "it was for two calls, and took nothing")
	})
}

func TestAnAbnormalRefundIsTriedAgainWithItsNumber(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		p, r := w.abnormal(t, "fault=refund_abnormal")
		require.Equal(t, payment.RefundAbnormal, w.again(t, p, r).State, "nobody has mended the account")
		_, err := w.submit(t, p, r.OutRefundNo, 1)
		require.Equal(t, payment.Conflict, payment.ClassOf(err), "the number is of another amount")
		_, err = w.refund(t, p, 1)
		require.Equal(t, payment.Permanent, payment.ClassOf(err), "the money is spoken for")

		require.True(t, w.sim.Mend(p.OutTradeNo))
		require.Equal(t, payment.RefundAbnormal, w.ask(t, p, r).State, "until it is sent again")
		done := w.again(t, p, r)
		require.Equal(t, payment.RefundDone, done.State)
		require.Empty(t, done.Reason)
		require.Equal(t, done, w.again(t, p, r))
		require.Equal(t, []string{"payment", "refund"}, types(w.shop.heard(time.Hour)), "it is paid out once")
	})
}

func TestATriedRefundCanBeSlow(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		p, r := w.abnormal(t, "fault=refund_abnormal&times=1")
		require.NoError(t, w.sim.SetFaults(simulator.Faults{RefundDelay: simulator.Duration(time.Hour)}))
		require.Equal(t, payment.RefundPending, w.again(t, p, r).State)
		require.Equal(t, []string{"payment"}, types(w.shop.heard(time.Hour-1)))
		require.Equal(t, []string{"payment", "refund"}, types(w.shop.heard(1)))
		require.Equal(t, payment.RefundDone, w.ask(t, p, r).State)
	})
}

func TestTheProviderBringsAnAbnormalRefundHome(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		p, r := w.abnormal(t, "fault=refund_abnormal")
		require.False(t, w.sim.BringHome(p.OutTradeNo, newNumber()))
		require.True(t, w.sim.BringHome(p.OutTradeNo, r.OutRefundNo))
		require.False(t, w.sim.BringHome(p.OutTradeNo, r.OutRefundNo), "it is home")
		all := w.shop.heard(time.Hour)
		require.Equal(t, []string{"payment", "refund"}, types(all))
		require.Equal(t, r.OutRefundNo, all[1].OutRefundNo)
		require.Equal(t, payment.RefundDone, w.ask(t, p, r).State)
	})
}

func TestAccountsAreMendedByTheMerchantAlone(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		const link = "http://bank.test/sandbox/mend"
		p, r := w.abnormal(t, "fault=refund_abnormal")
		unpaid, _ := w.order(t)
		home := `{"out_trade_no":"` + p.OutTradeNo + `","out_refund_no":"` + r.OutRefundNo + `"}`
		post := func(body string, header http.Header) int {
			status, _, _ := w.do(t, http.MethodPost, link, header, body)
			return status
		}
		require.Equal(t, http.StatusUnauthorized, post(home, http.Header{}))
		require.Equal(t, payment.RefundAbnormal, w.again(t, p, r).State)
		for body, want := range map[string]int{
			`{"out_trade_no":"` + unpaid + `"}`:                                             http.StatusNotFound,
			`{"out_trade_no":"` + p.OutTradeNo + `","out_refund_no":"` + newNumber() + `"}`: http.StatusConflict,
		} {
			require.Equal(t, want, post(body, signed(body, time.Now())), body)
		}
		require.Equal(t, http.StatusOK, post(home, signed(home, time.Now())))
		require.Equal(t, payment.RefundDone, w.ask(t, p, r).State)

		p, r = w.abnormal(t, "fault=refund_abnormal")
		account := `{"out_trade_no":"` + p.OutTradeNo + `"}`
		require.Equal(t, http.StatusOK, post(account, signed(account, time.Now())))
		require.Equal(t, payment.RefundAbnormal, w.ask(t, p, r).State)
		require.Equal(t, payment.RefundDone, w.again(t, p, r).State)
	})
}

// What pending and abnormal refunds hold is spoken for; what failed ones held
// is free again.
func TestRefundsInPartsAddUp(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		p := w.sell(t, "")
		part := func(f simulator.Faults, amount int64) payment.RefundState {
			require.NoError(t, w.sim.SetFaults(f))
			r, err := w.refund(t, p, amount)
			if err != nil {
				require.Equal(t, payment.Permanent, payment.ClassOf(err), "%v", err)
				return "refused"
			}
			return r.State
		}
		require.Equal(t, payment.RefundDone, part(simulator.Faults{}, 200))
		require.Equal(t, payment.RefundAbnormal, part(simulator.Faults{Refund: payment.RefundAbnormal}, 300))
		require.Equal(t, payment.RefundPending, part(simulator.Faults{RefundAsks: 9}, 400))
		require.Equal(t, payment.RefundFailed, part(simulator.Faults{Refund: payment.RefundFailed}, price-900))
		require.EqualValues(t, "refused", part(simulator.Faults{}, price-900+1))
		require.Equal(t, payment.RefundDone, part(simulator.Faults{}, price-900))
		require.EqualValues(t, "refused", part(simulator.Faults{}, 1))
		known, _ := w.sim.Payment(p.OutTradeNo)
		require.EqualValues(t, price-700, known.Refunded())
	})
}

// As with channels that take no note of a close before the buyer came.
func TestAnUnseenPaymentStaysPayableWhereItCannotBeClosed(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		require.NoError(t, w.sim.SetFaults(simulator.Faults{CloseUnseen: true}))
		no, link := w.order(t)
		p, err := w.channel.Close(t.Context(), no)
		require.NoError(t, err)
		require.Equal(t, payment.NotFound, p.State)
		seen, open := w.order(t)
		w.do(t, http.MethodGet, open, browser, "")
		w.close(t, seen)
		status, _ := w.pay(t, link, "")
		require.Equal(t, http.StatusOK, status)
		p, err = w.channel.Close(t.Context(), no)
		require.NoError(t, err)
		require.Equal(t, payment.Paid, p.State)
	})
}

func TestTheCodeOfAShortBalanceIsAsPublished(t *testing.T) {
	t.Parallel()
	require.Equal(t, "BALANCE_SHORT", sandbox.CodeBalanceShort)
}
