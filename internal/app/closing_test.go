package app

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
	"github.com/orderflow/orderflow/producer/api"
)

func TestUnpaidOrderIsClosedInTime(t *testing.T) {
	t.Parallel()
	for name, buyer := range map[string]struct {
		channel string
		looks   bool
	}{
		"no payment":              {},
		"a payment nobody opened": {channel: sandbox.Name},
		"a pay page left open":    {channel: sandbox.Name, looks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := openMarket(t)
			before := m.stock()
			o := m.create(within(1), func(o *api.NewOrder) { o.Channel = buyer.channel })
			require.Equal(t, before.Held+2, m.stock().Held)
			link := o.Payment
			if buyer.looks {
				require.Equal(t, http.StatusOK, m.send(http.MethodGet, link.Action.URL, "").status)
			}

			o = m.awaits(o.ID, order.Closed)
			late := o.ClosedAt.Sub(o.ExpireAt)
			require.GreaterOrEqual(t, late, time.Duration(0), "not before its time")
			require.Less(t, late, time.Second, "closed in time")
			require.Equal(t, before, m.stock())
			require.Empty(t, m.ledger(o.ID))
			require.Empty(t, m.shop.notices(o.ID))
			m.heardOf(o.ID, merchant.OrderClosed)
			if buyer.channel == "" {
				require.Equal(t, []string{"order.created", "order.closing", "order.closed"}, m.timeline(o.ID))
				m.until("nothing is owed", func() bool { return len(m.owed()) == 0 })
				return
			}
			require.Equal(t, []string{"order.created", "payment.opened", "order.closing", "payment.closed", "order.closed"}, m.timeline(o.ID))
			require.Equal(t, "closed", o.Attempts[0].Status)
			m.isGone(link)
		})
	}
}

// isGone says that the channel takes no money for a payment any more.
func (m *market) isGone(p *api.Payment) {
	m.Helper()
	require.Equal(m, http.StatusGone, m.pay(p, "").status)
	found, err := m.channel.Query(m.Context(), p.ID)
	require.NoError(m, err)
	require.Equal(m, payment.Closed, found.State)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	before := m.stock()
	o := m.create()
	other, err := m.app.Pay(t.Context(), o.ID, sandbox.Name)
	require.NoError(t, err)
	_, err = m.app.Cancel(t.Context(), o.ID, "changed my mind")
	require.NoError(t, err)
	closed := m.awaits(o.ID, order.Closed)
	require.Equal(t, before, m.stock())
	require.Len(t, closed.Attempts, 2)
	m.isGone(o.Payment)
	m.isGone(other)
	_, err = m.app.Pay(t.Context(), o.ID, sandbox.Name)
	m.refused(err, http.StatusConflict, api.NotAllowed)
	_, err = m.app.Cancel(t.Context(), o.ID, "and again")
	require.NoError(t, err, "cancelled is cancelled")
}

// While the channel cannot be reached nobody knows whether the buyer pays: the
// order waits, and its stock with it.
func TestChannelAwayWhileClosing(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	before := m.stock()
	m.disturb(simulator.Faults{Gateway: simulator.GatewayFault{Kind: simulator.GatewayError, Method: sandbox.MethodClose}})
	o := m.create(within(1))
	m.until("the close was tried", func() bool {
		return m.number("SELECT count(*) FROM outbox WHERE kind = 'channel:close' AND attempts > 0") == 1
	})
	require.Equal(t, string(order.Closing), m.order(o.ID).Status)
	require.Equal(t, before.Held+2, m.stock().Held)
	m.disturb(simulator.Faults{})
	m.awaits(o.ID, order.Closed)
	require.Equal(t, before, m.stock())
}
