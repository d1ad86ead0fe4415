package app

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer/api"
)

func TestCallbackNeverComes(t *testing.T) {
	t.Parallel()
	m := openMarket(t, askedAfter(time.Second))
	o := m.create()
	m.paid(o.Payment, "fault=drop")
	m.notified(o.ID)
	require.Zero(t, m.number("SELECT count(*) FROM inbox"))
	paid := m.order(o.ID)
	require.Equal(t, string(order.Paid), paid.Status)
	require.Equal(t, "applied", paid.Attempts[0].Disposition)
	require.NotEmpty(t, paid.Attempts[0].TradeNo)
}

// However often and in whatever order the channel tells of a payment, and
// whether we asked before or not, it has one effect.
func TestCallbacksHaveOneEffect(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		how   string
		asked time.Duration
		kept  int // callbacks in the inbox
	}{
		"once":                          {how: "", asked: time.Hour, kept: 1},
		"four times under two ids":      {how: "fault=duplicate&times=2", asked: time.Hour, kept: 2},
		"late, after we asked":          {how: "fault=delay&delay=1500ms", asked: time.Second, kept: 1},
		"several, late, after we asked": {how: "fault=delay,duplicate&delay=1500ms", asked: time.Second, kept: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := openMarket(t, askedAfter(tc.asked))
			before := m.stock()
			o := m.create()
			m.paid(o.Payment, tc.how)
			m.until("the callbacks came", func() bool { return m.number("SELECT count(*) FROM inbox") == tc.kept })
			m.notified(o.ID)
			m.until("all are looked at", m.quiet)
			require.Equal(t, []string{"order.created", "payment.opened", "order.paid"}, m.timeline(o.ID))
			require.Equal(t, []string{"channel_receivable:sandbox < merchant_pending:m_demo 2598"}, m.ledger(o.ID))
			require.Equal(t, before.OnHand-2, m.stock().OnHand)
			require.Len(t, m.shop.notices(o.ID), 1)
		})
	}
}

// The payment's callback comes after the refund's.
func TestCallbacksOutOfOrder(t *testing.T) {
	t.Parallel()
	m := openMarket(t, askedAfter(time.Second))
	o := m.create()
	m.paid(o.Payment, "fault=reorder")
	m.notified(o.ID) // found by asking
	_, err := m.seller.ReportDelivery(t.Context(), o.ID, api.DeliveryReport{Status: "failed", Reason: "broken"})
	require.NoError(t, err)
	m.awaits(o.ID, order.Refunded)
	m.until("both callbacks came", func() bool { return m.number("SELECT count(*) FROM inbox") == 2 })
	m.until("all are looked at", m.quiet)
	require.Equal(t, []string{
		"order.created", "payment.opened", "order.paid", "delivery.failed",
		"refund.created", "refund.submitted", "refund.succeeded", "order.refunded",
	}, m.timeline(o.ID))
	require.Len(t, m.order(o.ID).Refunds, 1)
}

func TestCallbackNotFromTheChannel(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.create()
	event := sandbox.Event{
		EventID: "e1", Type: "payment.succeeded", OutTradeNo: o.Payment.ID, TradeNo: "t1",
		Amount: o.Amount, Currency: o.Currency, PaidAt: time.Now().UTC(),
	}
	body, err := json.Marshal(event)
	require.NoError(t, err)
	secret, now := m.cfg.Sandbox.Secret, time.Now()
	other := event
	other.Amount = 1
	another, err := json.Marshal(other)
	require.NoError(t, err)

	for name, signature := range map[string][]string{
		"unsigned":                 nil,
		"signed with another key":  {sandbox.Sign("guessed", body, now)},
		"signed for another body":  {sandbox.Sign(secret, another, now)},
		"six minutes old":          {sandbox.Sign(secret, body, now.Add(-6*time.Minute))},
		"six minutes ahead":        {sandbox.Sign(secret, body, now.Add(6*time.Minute))},
		"two signature headers":    {sandbox.Sign("guessed", body, now), sandbox.Sign(secret, body, now)},
		"a signature without time": {"v1=00"},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			for _, s := range signature {
				headers = append(headers, sandbox.SignatureHeader, s)
			}
			a := m.callback(body, headers...)
			require.Equal(t, http.StatusUnauthorized, a.status, a.body)
			require.NotContains(t, a.body, secret)
		})
	}
	t.Run("to a channel that is not here", func(t *testing.T) {
		a := m.send(http.MethodPost, m.cfg.BaseURL()+"/v1/channels/alipay/callbacks", string(body), sandbox.SignatureHeader, sandbox.Sign(secret, body, now))
		require.Equal(t, http.StatusNotFound, a.status)
	})
	require.Zero(t, m.number("SELECT count(*) FROM inbox"), "nothing of it is kept")
	require.Equal(t, string(order.PendingPay), m.order(o.ID).Status)
	require.False(t, slices.ContainsFunc(m.owed(), func(k string) bool { return k[:len("payment:confirm")] == "payment:confirm" }))

	t.Run("the right one is taken", func(t *testing.T) {
		a := m.callback(body, sandbox.SignatureHeader, sandbox.Sign(secret, body, time.Now()))
		require.Equal(t, http.StatusOK, a.status, a.body)
		m.notified(o.ID)
	})
	m.until("it is applied", func() bool { return m.order(o.ID).Status == string(order.Paid) })
}

func (m *market) callback(body []byte, headers ...string) answer {
	m.Helper()
	return m.send(http.MethodPost, m.cfg.BaseURL()+"/v1/channels/sandbox/callbacks", string(body), headers...)
}

// A callback about a payment that we do not have, from another system on the
// same account, is taken and does nothing.
func TestCallbackOfSomebodyElse(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	body, err := json.Marshal(sandbox.Event{
		EventID: "e1", Type: "payment.succeeded", OutTradeNo: "01939b1c5f4a7c3e9a00c0ffee00ab01", TradeNo: "t1",
		Amount: 1, Currency: "CNY", PaidAt: time.Now().UTC(),
	})
	require.NoError(t, err)
	a := m.callback(body, sandbox.SignatureHeader, sandbox.Sign(m.cfg.Sandbox.Secret, body, time.Now()))
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, 1, m.number("SELECT count(*) FROM inbox"))
	require.Empty(t, m.owed())
}
