package app

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// A merchant hears of a payment at once. This test runs alone.
func TestPaidOrderReachesItsMerchantAtOnce(t *testing.T) {
	m := openMarket(t)
	var took []time.Duration
	for range 20 {
		o := m.create()
		began := time.Now()
		m.paid(o.Payment, "")
		m.notified(o.ID)
		took = append(took, m.shop.notices(o.ID)[0].at.Sub(began))
	}
	t.Logf("from the buyer's click to the merchant: %v", took)
	slices.Sort(took)
	require.Less(t, took[len(took)/2], 200*time.Millisecond, "the median of %v", took)
}

func TestTrade(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	before := m.stock()

	o := m.create()
	require.Equal(t, string(order.PendingPay), o.Status)
	require.Equal(t, int64(2598), o.Amount)
	require.Equal(t, before.Held+2, m.stock().Held)

	m.paid(o.Payment, "")
	m.notified(o.ID)
	require.Equal(t, string(order.Paid), m.order(o.ID).Status, "the merchant hears of it after it is so")
	after := m.stock()
	require.Equal(t, before.OnHand-2, after.OnHand)
	require.Equal(t, before.Held, after.Held)

	m.reports(o.ID, "accepted", order.Delivering)
	m.reports(o.ID, "delivered", order.Delivered)
	done, err := m.app.Complete(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, string(order.Completed), done.Status)

	require.Equal(t, []string{
		"order.created", "payment.opened", "order.paid", "delivery.accepted", "delivery.delivered", "order.completed",
	}, m.timeline(o.ID))
	require.Equal(t, []string{
		"channel_receivable:sandbox < merchant_pending:m_demo 2598",
		"merchant_pending:m_demo < merchant_available:m_demo 2583",
		"merchant_pending:m_demo < platform_fee 15", // 60 bps of 2598, rounded down
	}, m.ledger(o.ID))
	m.heardOf(o.ID, merchant.OrderCompleted)
	m.until("nothing is owed", m.quiet)
	require.Len(t, m.shop.notices(o.ID), 1)
}

// reports is the merchant's word on a delivery; saying it twice is as once.
func (m *market) reports(id, status string, becomes order.Status) {
	m.Helper()
	for range 2 {
		o, err := m.seller.ReportDelivery(m.Context(), id, api.DeliveryReport{Status: status, Proof: "SF-1"})
		require.NoError(m, err)
		require.Equal(m, string(becomes), o.Status)
	}
}

func TestDeliveryFails(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"when told", "after accepting"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			m := openMarket(t)
			before := m.stock()
			o := m.create()
			m.paid(o.Payment, "")
			m.notified(o.ID)
			if at == "after accepting" {
				m.reports(o.ID, "accepted", order.Delivering)
			}
			_, err := m.seller.ReportDelivery(t.Context(), o.ID, api.DeliveryReport{Status: "failed", Reason: "broken"})
			require.NoError(t, err)

			o = m.awaits(o.ID, order.Refunded)
			require.Equal(t, int64(2598), o.Refunds[0].Amount)
			require.Equal(t, before, m.stock(), "what was not delivered is there to be sold again")
			p, err := m.channel.Query(t.Context(), o.Attempts[0].ID)
			require.NoError(t, err)
			require.EqualValues(t, "refunded", p.State, "the money is back at the buyer's, not only in our books")
			require.Equal(t, []string{
				"channel_receivable:sandbox < merchant_pending:m_demo 2598",
				"merchant_pending:m_demo < refund_payable 2598",
				"refund_payable < channel_receivable:sandbox 2598",
			}, m.ledger(o.ID))
			m.until("nothing is owed", m.quiet)
		})
	}
}

func TestSameRequestAgain(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	first, err := m.app.CreateOrder(t.Context(), tea(), api.IdempotencyKey("k1"))
	require.NoError(t, err)
	again, err := m.app.CreateOrder(t.Context(), tea(), api.IdempotencyKey("k1"))
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, first.Payment.ID, again.Payment.ID)
	require.Equal(t, first.Payment.Action, again.Payment.Action)
	_, err = m.app.CreateOrder(t.Context(), tea(within(60)), api.IdempotencyKey("k1"))
	m.refused(err, http.StatusConflict, api.KeyReused)
	require.Equal(t, int64(2), m.stock().Held, "held once")
}

func (m *market) refused(err error, status int, kind api.ProblemType) *api.Problem {
	m.Helper()
	var p *api.Problem
	require.ErrorAs(m, err, &p)
	require.Equal(m, kind, p.Type, p.Error())
	require.Equal(m, status, p.Status)
	return p
}
