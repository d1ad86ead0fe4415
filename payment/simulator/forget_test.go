package simulator_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/simulator"
)

const (
	keep = 2 * time.Hour
	// swept is longer than payments at rest are kept: one that was good for
	// 15 minutes rests after those, and is found by the sweep after that.
	swept = keep + 15*time.Minute + 10*time.Minute
)

func keeping(o *simulator.Options) { o.Keep = keep }

func (w *world) known(no string) bool {
	_, known := w.sim.Payment(no)
	return known
}

// What a payment must have come to before it is forgotten.
func TestPaymentsAtRestAreForgotten(t *testing.T) {
	t.Parallel()
	const long = 31*24*time.Hour + swept - keep
	for name, c := range map[string]struct {
		given func(t *testing.T, w *world) string
		lasts time.Duration // after which it is forgotten
	}{
		"paid, and the shop was told": {func(t *testing.T, w *world) string {
			no, link := w.order(t)
			w.pay(t, link, "")
			return no
		}, swept},
		"paid, and the shop has asked": {func(t *testing.T, w *world) string { return w.sell(t, "fault=drop").OutTradeNo }, swept},
		"paid, and the shop has not heard": {func(t *testing.T, w *world) string {
			no, link := w.order(t)
			w.pay(t, link, "fault=drop")
			return no
		}, long},
		"looked at, never paid": {func(t *testing.T, w *world) string {
			no, link := w.order(t)
			w.do(t, http.MethodGet, link, browser, "")
			return no
		}, swept},
		"closed": {func(t *testing.T, w *world) string {
			no, link := w.order(t)
			w.do(t, http.MethodGet, link, browser, "")
			w.close(t, no)
			return no
		}, swept},
		"closed before anybody looked": {func(t *testing.T, w *world) string { no, _ := w.order(t); w.close(t, no); return no }, long - 15*time.Minute},
		"given back":                   {func(t *testing.T, w *world) string { return w.givenBack(t, "") }, swept},
		"a refund is abnormal":         {func(t *testing.T, w *world) string { return w.givenBack(t, "fault=refund_abnormal") }, long},
		"a refund is pending":          {func(t *testing.T, w *world) string { return w.givenBack(t, "fault=refund_pending") }, long},
		"a callback is owed": {func(t *testing.T, w *world) string {
			return w.sell(t, "fault=delay&delay=20h").OutTradeNo
		}, 20*time.Hour + keep + 10*time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "", keeping)
				w.sim.Start()
				defer w.sim.Stop()
				no := c.given(t, w)
				w.shop.heard(c.lasts - 12*time.Minute) // the sweep before comes too early
				require.True(t, w.known(no))
				w.shop.heard(12 * time.Minute)
				require.False(t, w.known(no), "%d callbacks", len(w.shop.told))
			})
		})
	}
}

func (w *world) givenBack(t *testing.T, query string) string {
	t.Helper()
	p := w.sell(t, query)
	_, err := w.refund(t, p, price)
	require.NoError(t, err)
	return p.OutTradeNo
}

func TestWhatIsForgottenCannotBePaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", keeping)
		w.sim.Start()
		defer w.sim.Stop()
		no, link := w.order(t)
		w.pay(t, link, "")
		w.shop.heard(swept)
		require.False(t, w.known(no))
		status, answer := w.pay(t, link, "")
		require.Equal(t, http.StatusGone, status)
		require.Equal(t, "EXPIRED", answer.Code)
		p, err := w.channel.Query(t.Context(), no)
		require.NoError(t, err)
		require.Equal(t, payment.NotFound, p.State)
	})
}

func TestTheJournalDoesNotGrowForEver(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "sandbox.jsonl")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, journal, keeping)
		w.sim.Start()
		most := 0
		for range 120 { // three lines each: paid, told, delivered
			for range 10 {
				w.sell(t, "")
			}
			w.shop.heard(10 * time.Minute)
			most = max(most, lines(t, journal))
		}
		require.Less(t, len(w.sim.Payments()), 200)
		require.Less(t, most, 1500, "3600 were written")
		last := w.sell(t, "fault=drop")
		before := w.sim.Payments()
		w.sim.Stop()

		w = newWorld(t, journal, keeping)
		require.Empty(t, cmp.Diff(before, w.sim.Payments()), "what was written after the journal was written anew counts")
		require.True(t, w.known(last.OutTradeNo))
		w.sim.Stop()
		time.Sleep(swept)
		newWorld(t, journal, keeping).sim.Stop()
		require.Zero(t, lines(t, journal), "also at the start")
	})
}

func TestAPaymentOfAnOlderJournalIsYoung(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "sandbox.jsonl")
	synctest.Test(t, func(t *testing.T) {
		no := newNumber()
		writeFile(t, journal, `{"out_trade_no":"`+no+`","state":"closed","asked":1,"currency":"CNY","expire_at":"1999-12-31T00:00:00Z"}`+"\n")
		w := newWorld(t, journal, keeping)
		defer w.sim.Stop()
		require.True(t, w.known(no))
	})
}
