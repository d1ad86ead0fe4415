package simulator_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

func TestACallbackIsSentAtOnce(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		p := w.sell(t, "")
		all := w.shop.heard(0)
		require.Len(t, all, 1)
		require.Equal(t, `{"event_id":"`+all[0].EventID+`","type":"payment.succeeded","out_trade_no":"`+p.OutTradeNo+
			`","trade_no":"`+p.TradeNo+`","amount":1234,"currency":"CNY","paid_at":"2000-01-01T00:00:00Z"}`, all[0].raw)
		require.NoError(t, sandbox.Verify(secret, all[0].header, []byte(all[0].raw), time.Now()))
		require.Len(t, w.shop.heard(48*time.Hour), 1, "it was taken, and comes no more")
	})
}

func TestACallbackIsRepeatedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(int) int{
		"refused":    func(n int) int { return map[bool]int{true: 204, false: 500}[n == 5] },
		"redirected": func(n int) int { return map[bool]int{true: 200, false: 302}[n == 5] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, func(t *testing.T, w *world) {
				w.shop.answer = answer
				began := time.Now()
				w.sell(t, "")
				all := w.shop.heard(48 * time.Hour)
				require.Len(t, all, 5)
				for i, after := range []time.Duration{0, time.Second, 4 * time.Second, 14 * time.Second, 44 * time.Second} {
					require.Equal(t, began.Add(after), all[i].at)
					require.Equal(t, all[0].raw, all[i].raw, "it is the same event")
					require.NoError(t, sandbox.Verify(secret, all[i].header, []byte(all[i].raw), all[i].at), "signed anew")
				}
			})
		})
	}
}

func TestACallbackIsGivenUpAtTheEndOfTheLadder(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		w.shop.answer = func(int) int { return http.StatusInternalServerError }
		p := w.sell(t, "")
		all := w.shop.heard(10 * time.Hour)
		require.Len(t, all, 12)
		require.Less(t, all[11].at.Sub(all[0].at), 6*time.Hour)
		known, _ := w.sim.Payment(p.OutTradeNo)
		require.True(t, known.Callbacks[0].GaveUp)

		w.shop.answer = func(int) int { return http.StatusOK }
		require.True(t, w.sim.Resend(p.OutTradeNo))
		require.Equal(t, all[0].raw, w.shop.heard(0)[12].raw)
		require.False(t, w.sim.Resend(newNumber()), "there is nothing to send")
	})
}

func TestAShopThatHangsDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		w.shop.answer = func(n int) int { return map[bool]int{true: 0, false: 200}[n == 1] }
		began := time.Now()
		hanging := w.sell(t, "")
		require.Len(t, w.shop.heard(0), 1)
		w.sell(t, "")
		require.Len(t, w.shop.heard(0), 2)
		all := w.shop.heard(time.Minute)
		require.Len(t, all, 3)
		require.Equal(t, hanging.OutTradeNo, all[2].OutTradeNo)
		require.Equal(t, began.Add(11*time.Second), all[2].at, "10 s until it is given up, 1 s until the next try")
	})
}

func TestARefundIsCalledBackToo(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		p := w.sell(t, "")
		r, err := w.refund(t, p, 234)
		require.NoError(t, err)
		require.Equal(t, payment.RefundDone, r.State)
		all := w.shop.heard(0)
		require.ElementsMatch(t, []string{"payment", "refund"}, types(all))
		for _, one := range all {
			if one.Type == "refund.succeeded" {
				require.Equal(t, r.OutRefundNo, one.OutRefundNo)
				require.EqualValues(t, 234, one.Amount)
				n, err := w.channel.ParseNotice(one.header, []byte(one.raw), time.Now())
				require.NoError(t, err)
				require.Equal(t, payment.RefundSucceeded, n.Type)
				require.False(t, n.Complete)
			}
		}
	})
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		p := w.sell(t, "")
		require.Empty(t, w.shop.heard(time.Hour), "nothing leaves before Start")
		w.sim.Start()
		w.sim.Start()
		require.Len(t, w.shop.heard(0), 1)

		w.shop.answer = func(int) int { return 0 }
		require.True(t, w.sim.Resend(p.OutTradeNo))
		w.shop.heard(0)
		began := time.Now()
		w.sim.Stop()
		require.Equal(t, 3*time.Second, time.Since(began), "a shop that hangs is waited for, not for ever")
		w.sim.Stop()
		w.sim.Start()
		require.Len(t, w.shop.heard(time.Hour), 2, "a stopped channel does not start again")
		known, _ := w.sim.Payment(p.OutTradeNo)
		require.Zero(t, known.Callbacks[1].Tries, "a try that Stop ended does not count")
	})
	synctest.Test(t, func(t *testing.T) { newWorld(t, "").sim.Stop() })
}
