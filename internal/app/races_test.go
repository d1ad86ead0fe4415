package app

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
	"github.com/orderflow/orderflow/producer/api"
)

// The order is closing, the channel has not closed the payment yet, and the
// buyer pays: the goods are still held, so it is a sale.
func TestCallbackWhileClosing(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	before := m.stock()
	m.disturb(simulator.Faults{Gateway: simulator.GatewayFault{Kind: simulator.GatewayError, Method: sandbox.MethodClose}})
	o := m.create(within(1))
	m.awaits(o.ID, order.Closing)
	m.paid(o.Payment, "fault=late")
	m.notified(o.ID)
	m.disturb(simulator.Faults{})
	require.Equal(t, []string{"order.created", "payment.opened", "order.closing", "order.paid"}, m.timeline(o.ID))
	require.Equal(t, before.OnHand-2, m.stock().OnHand)
	m.until("the close is off", m.quiet)
}

// Who pays and who cancels meet, many times over. What the pay page took before
// the cancel is a sale that is called off; what it took after it never reaches
// the merchant. Either way the goods are back and so is the money.
func TestCancelWhilePaying(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	before := m.stock()
	var wg sync.WaitGroup
	orders := make([]*api.Order, 12)
	paid := make([]bool, len(orders))
	for i := range orders {
		o := m.create()
		orders[i] = o
		wg.Go(func() { paid[i] = m.pay(o.Payment, "").status == http.StatusOK })
		wg.Go(func() {
			if _, err := m.app.Cancel(t.Context(), o.ID, "changed my mind"); err != nil {
				t.Errorf("cancel order %s: %v", o.ID, err)
			}
		})
	}
	wg.Wait()
	sales := 0
	for i, o := range orders {
		if !paid[i] {
			m.awaits(o.ID, order.Closed)
			continue
		}
		sales++
		m.until("it is called off", func() bool { s := m.order(o.ID).Status; return s != "paid" && s != "pending_pay" && s != "closing" })
		if m.order(o.ID).Status == string(order.Returning) { // its merchant had heard of it
			_, err := m.seller.ReportDelivery(t.Context(), o.ID, api.DeliveryReport{Status: "revoked", Reason: "still here"})
			require.NoError(t, err)
		} else {
			require.Empty(t, m.shop.notices(o.ID), "whoever does not deliver is not told")
		}
		m.awaits(o.ID, order.Refunded)
	}
	t.Logf("%d of 12 were paid before they were called off", sales)
	require.Equal(t, before, m.stock())
}

func TestPaidTwice(t *testing.T) {
	t.Parallel()
	for name, together := range map[string]bool{"one after the other": false, "at the same moment": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := openMarket(t)
			o := m.create()
			other, err := m.app.Pay(t.Context(), o.ID, sandbox.Name)
			require.NoError(t, err)
			// The first may close the second at the channel: this one pays all the same.
			var both sync.WaitGroup
			both.Go(func() { m.pay(o.Payment, "fault=late") })
			if !together {
				both.Wait()
				m.notified(o.ID)
			}
			m.paid(other, "fault=late")
			both.Wait()
			m.notified(o.ID)

			var now *api.Order
			m.until("the second is refunded", func() bool {
				now = m.order(o.ID)
				return len(now.Refunds) == 1 && now.Refunds[0].Status == "success"
			})
			require.Equal(t, string(order.Paid), now.Status)
			kinds := map[string]int{}
			for _, a := range now.Attempts {
				kinds[a.Disposition]++
				found, err := m.channel.Query(t.Context(), a.ID)
				require.NoError(t, err)
				want := payment.Paid
				if a.Disposition == "duplicate" {
					want = payment.Refunded
				}
				require.Equal(t, want, found.State)
			}
			require.Equal(t, map[string]int{"applied": 1, "duplicate": 1}, kinds)
			require.Len(t, m.shop.notices(o.ID), 1)
			m.until("nothing is owed", m.quiet)
		})
	}
}

func TestLateMoneyGoesBack(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]string{
		"the callback comes": "fault=late",
		"we ask":             "fault=late,drop",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := openMarket(t, askedAfter(3*time.Second))
			before := m.stock()
			o := m.create(within(1))
			m.awaits(o.ID, order.Closed)
			m.paid(o.Payment, how)
			var now *api.Order
			m.until("the money is back", func() bool {
				now = m.order(o.ID)
				return len(now.Refunds) == 1 && now.Refunds[0].Status == "success"
			})
			require.Equal(t, string(order.Closed), now.Status, "closed stays closed")
			require.Equal(t, "late", now.Attempts[0].Disposition)
			require.Equal(t, before, m.stock())
			require.Empty(t, m.shop.notices(o.ID), "the merchant is not told to deliver")
			require.Equal(t, []string{
				"channel_receivable:sandbox < refund_payable 2598", "refund_payable < channel_receivable:sandbox 2598",
			}, m.ledger(o.ID))
			found, err := m.channel.Query(t.Context(), o.Payment.ID)
			require.NoError(t, err)
			require.Equal(t, payment.Refunded, found.State)
		})
	}
}

func TestWrongAmountIsHeld(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.create(within(2))
	m.paid(o.Payment, "fault=wrong_amount")
	var now *api.Order
	m.until("it is held", func() bool {
		now = m.order(o.ID)
		return now.Hold == order.HoldMismatch
	})
	require.NotContains(t, m.timeline(o.ID), "order.paid")
	require.Equal(t, "mismatch", now.Attempts[0].Disposition)
	require.Equal(t, int64(2597), now.Attempts[0].PaidAmount)
	require.Equal(t, []string{"channel_receivable:sandbox < suspense_long 2597"}, m.ledger(o.ID))
	require.Empty(t, m.shop.notices(o.ID))
	require.Equal(t, order.HoldMismatch, m.awaits(o.ID, order.Closed).Hold, "it still needs somebody")

	_, err := m.operator.ReturnPayment(t.Context(), o.ID, o.Payment.ID, "a cent short")
	require.NoError(t, err)
	m.until("the money is back", func() bool {
		now = m.order(o.ID)
		return len(now.Refunds) == 1 && now.Refunds[0].Status == "success"
	})
	require.Empty(t, now.Hold)
	require.Equal(t, int64(2597), now.Refunds[0].Amount)
	require.Equal(t, []string{
		"channel_receivable:sandbox < suspense_long 2597", "suspense_long < refund_payable 2597", "refund_payable < channel_receivable:sandbox 2597",
	}, m.ledger(o.ID))
}

func TestOnePieceTwentyBuyers(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	_, err := m.seller.SetStock(t.Context(), devMerchant, "LAST", 1)
	require.NoError(t, err)
	results := make([]error, 20)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			_, results[i] = m.app.CreateOrder(t.Context(), tea(func(o *api.NewOrder) {
				o.BuyerID = fmt.Sprintf("b_%d", i)
				o.Items = []api.Item{{SKU: "LAST", Name: "The last piece", Quantity: 1, UnitPrice: 100}}
			}))
		})
	}
	wg.Wait()
	made := 0
	for _, err := range results {
		if err == nil {
			made++
			continue
		}
		p := m.refused(err, http.StatusConflict, api.OutOfStock)
		require.Equal(t, "LAST", p.SKU)
		require.Zero(t, *p.Available)
	}
	require.Equal(t, 1, made)
	require.Equal(t, 1, m.number("SELECT count(*) FROM orders"))
}
