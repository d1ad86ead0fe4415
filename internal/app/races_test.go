package app

import (
	"errors"
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
	o := m.create()
	stands, err := m.app.Cancel(t.Context(), o.ID, "changed my mind")
	require.NoError(t, err)
	require.Equal(t, string(order.Closing), stands.Status)
	m.paid(o.Payment, "")
	m.notified(o.ID)
	m.disturb(simulator.Faults{})
	require.Equal(t, []string{"order.created", "payment.opened", "order.closing", "order.paid"}, m.timeline(o.ID))
	require.Equal(t, before.OnHand-2, m.stock().OnHand)
	m.until("the close is off", func() bool { return len(m.owed()) == 0 })
}

// Who pays and who cancels meet, many times over. What the pay page took is the
// order's; what it refused is not.
func TestCancelWhilePaying(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	before := m.stock()
	var sold, called sync.Map
	var wg sync.WaitGroup
	for range 12 {
		o := m.create()
		var pays, cancels sync.WaitGroup
		pays.Go(func() {
			if m.pay(o.Payment, "").status == http.StatusOK {
				sold.Store(o.ID, true)
			}
		})
		cancels.Go(func() {
			_, err := m.app.Cancel(t.Context(), o.ID, "changed my mind")
			var p *api.Problem
			if err != nil && (!errors.As(err, &p) || p.Type != api.NotAllowed) {
				t.Errorf("cancel order %s: %v", o.ID, err)
			}
			called.Store(o.ID, err == nil)
		})
		wg.Go(pays.Wait)
		wg.Go(cancels.Wait)
	}
	wg.Wait()
	sales := int64(0)
	called.Range(func(id, _ any) bool {
		if _, paid := sold.Load(id); paid {
			m.awaits(id.(string), order.Paid)
			m.notified(id.(string))
			sales++
		} else {
			m.awaits(id.(string), order.Closed)
		}
		return true
	})
	t.Logf("%d of 12 were paid before they were called off", sales)
	require.Equal(t, before.OnHand-2*sales, m.stock().OnHand)
	require.Equal(t, before.Held, m.stock().Held)
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
			m.until("nothing is owed", func() bool { return len(m.owed(time.Now().Add(time.Hour))) == 0 })
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
