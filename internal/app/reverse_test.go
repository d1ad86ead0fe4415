package app

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// sold is an order that is paid, whose merchant knows of it.
func (m *market) sold(how string, changes ...func(*api.NewOrder)) *api.Order {
	m.Helper()
	o := m.create(changes...)
	m.paid(o.Payment, how)
	m.notified(o.ID)
	return o
}

func (m *market) says(id, status, proof string) (*api.Order, error) {
	return m.seller.ReportDelivery(m.Context(), id, api.DeliveryReport{Status: status, Proof: proof, Reason: "says the merchant"})
}

// agrees settles the times of the demo merchant.
func (m *market) agrees(deliver, revoke int64) {
	m.Helper()
	_, err := m.operator.PutMerchant(m.Context(), devMerchant, api.MerchantTerms{Name: "Demo", FeeBps: 60, DeliverWithinSeconds: deliver, RevokeWithinSeconds: revoke})
	require.NoError(m, err)
}

// heardOf waits until the merchant was told of a thing, once.
func (m *market) heardOf(id, kind string) {
	m.Helper()
	m.until("the merchant hears "+kind, func() bool { return len(m.shop.heard(id, kind)) == 1 })
}

func TestCalledOffAfterThePayment(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	before := m.stock()
	o := m.sold("")
	now, err := m.app.Cancel(t.Context(), o.ID, "changed my mind")
	require.NoError(t, err)
	require.Equal(t, string(order.Returning), now.Status)
	require.Empty(t, now.Refunds, "no refund before the delivery is stopped")
	m.heardOf(o.ID, merchant.RevokeRequested)
	_, err = m.says(o.ID, "revoked", "")
	require.NoError(t, err)
	m.awaits(o.ID, order.Refunded)
	require.Equal(t, before, m.stock(), "the goods are there to be sold again")
	m.heardOf(o.ID, merchant.RefundSucceeded)
	require.Equal(t, []string{
		"order.created", "payment.opened", "order.paid", "order.returning", "delivery.revoked",
		"refund.created", "refund.submitted", "refund.succeeded", "order.refunded",
	}, m.timeline(o.ID))
	m.until("nothing is owed", m.quiet)
}

func TestCalledOffTooLate(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.sold("")
	_, err := m.app.Cancel(t.Context(), o.ID, "changed my mind")
	require.NoError(t, err)
	_, err = m.says(o.ID, "delivered", "")
	m.refused(err, 409, api.NotAllowed)
	now, err := m.says(o.ID, "delivered", "SF-1")
	require.NoError(t, err)
	require.Equal(t, string(order.Delivered), now.Status)
	require.Contains(t, m.order(o.ID).BuyerNote, "too late", "the buyer is told")
	require.Empty(t, now.Refunds)
}

// The merchant does not answer a cancel: the buyer gets the money back in time.
// Where the goods are, nobody knows.
func TestCalledOffAndNoAnswer(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	m.agrees(0, 1)
	before := m.stock()
	o := m.sold("")
	_, err := m.app.Cancel(t.Context(), o.ID, "changed my mind")
	require.NoError(t, err)
	m.awaits(o.ID, order.Refunded)
	require.Equal(t, before.OnHand-2, m.stock().OnHand)
}

// D8 from end to end, with a merchant who agreed to seconds.
func TestNobodyDelivers(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	m.agrees(2, 1)
	o := m.sold("")
	m.heardOf(o.ID, merchant.DeliveryOverdue)
	m.heardOf(o.ID, merchant.RevokeRequested)
	m.awaits(o.ID, order.Refunded)
	require.Equal(t, []string{
		"order.created", "payment.opened", "order.paid", "delivery.overdue", "delivery.overdue", "delivery.overdue", "order.returning",
		"delivery.revoked", "refund.created", "refund.submitted", "refund.succeeded", "order.refunded",
	}, m.timeline(o.ID))
}

// The buyer calls off, the merchant delivers: whoever commits first has it.
func TestCancelAgainstDelivered(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	ends := map[string]int{}
	for range 10 {
		o := m.sold("")
		var both sync.WaitGroup
		var cancelled, delivered error
		both.Go(func() { _, cancelled = m.app.Cancel(t.Context(), o.ID, "changed my mind") })
		both.Go(func() { _, delivered = m.says(o.ID, "delivered", "SF-1") })
		both.Wait()
		require.NoError(t, delivered, "with a proof it is delivered in either order")
		now := m.order(o.ID)
		require.Equal(t, string(order.Delivered), now.Status)
		require.Empty(t, now.Refunds)
		if cancelled != nil {
			m.refused(cancelled, 409, api.NotAllowed)
			ends["the cancel was refused"]++
		} else {
			require.Contains(t, m.timeline(o.ID), string(order.EventCancelTooLate))
			ends["the cancel came first"]++
		}
	}
	t.Log(ends)
}

// R1: what is asked for side by side never exceeds what was received.
func TestPartialRefundsSideBySide(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.sold("")
	_, err := m.says(o.ID, "delivered", "SF-1")
	require.NoError(t, err)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = m.app.AskRefund(t.Context(), o.ID, api.NewRefund{Amount: 1000, Reason: "broken"})
		})
	}
	wg.Wait()
	granted := 0
	for _, err := range errs {
		if err == nil {
			granted++
		} else {
			m.refused(err, 409, api.NotAllowed)
		}
	}
	require.Equal(t, 2, granted, "of 2598 two thousand are to be had")
	_, err = m.app.AskRefund(t.Context(), o.ID, api.NewRefund{Amount: 598, Reason: "the rest"})
	require.NoError(t, err)
	now := m.awaits(o.ID, order.Refunded)
	require.Len(t, now.Refunds, 3)
	m.until("nothing is owed", m.quiet)
}

// O13: what was settled to the merchant is taken back from what was settled.
func TestRefundAfterTheOrderIsComplete(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.sold("")
	_, err := m.says(o.ID, "delivered", "SF-1")
	require.NoError(t, err)
	_, err = m.app.Complete(t.Context(), o.ID)
	require.NoError(t, err)
	asked, err := m.app.AskRefund(t.Context(), o.ID, api.NewRefund{Amount: 598, Reason: "a dent"}, api.IdempotencyKey("dent"))
	require.NoError(t, err)
	again, err := m.app.AskRefund(t.Context(), o.ID, api.NewRefund{Amount: 598, Reason: "a dent"}, api.IdempotencyKey("dent"))
	require.NoError(t, err)
	require.Equal(t, asked.ID, again.ID)
	m.until("it is back", func() bool {
		r, err := m.app.Refund(t.Context(), asked.ID)
		return err == nil && r.Status == "success"
	})
	require.Equal(t, string(order.Completed), m.order(o.ID).Status)
	require.Equal(t, []string{
		"channel_receivable:sandbox < merchant_pending:m_demo 2598",
		"merchant_pending:m_demo < merchant_available:m_demo 2583",
		"merchant_pending:m_demo < platform_fee 15",
		"merchant_available:m_demo < refund_payable 598",
		"refund_payable < channel_receivable:sandbox 598",
	}, m.ledger(o.ID))
}

// R5, R6: the channel cannot give the money back; an operator finds a way.
func TestRefundThatTheChannelCannotMake(t *testing.T) {
	t.Parallel()
	for name, mend := range map[string]func(m *market, refund string) error{
		"once more": func(m *market, refund string) error {
			_, err := m.operator.RetryRefund(m.Context(), refund, "the account is open again")
			return err
		},
		"past the channel": func(m *market, refund string) error {
			_, err := m.operator.PayOutRefund(m.Context(), refund, api.PayOut{Voucher: "BANK-1", Note: "by bank"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := openMarket(t)
			o := m.sold("fault=refund_abnormal&times=1")
			_, err := m.says(o.ID, "failed", "")
			require.NoError(t, err)
			m.until("it is held", func() bool { return m.order(o.ID).Hold == order.HoldRefundAbnormal })
			m.heardOf(o.ID, merchant.RefundFailed)
			held, err := m.operator.Orders(t.Context(), api.OrderFilter{Held: true})
			require.NoError(t, err)
			require.Len(t, held.Orders, 1)
			r := m.order(o.ID).Refunds[0]
			require.Equal(t, "abnormal", r.Status)
			require.NotEmpty(t, r.Problem)
			require.NoError(t, mend(m, r.ID))
			now := m.awaits(o.ID, order.Refunded)
			require.Empty(t, now.Hold)
			require.Len(t, now.Refunds, 1, "the same number")
			events, err := m.app.Events(t.Context(), o.ID)
			require.NoError(t, err)
			byHand := events.Events[len(events.Events)-2]
			if name == "once more" {
				byHand = events.Events[len(events.Events)-3]
			}
			require.Equal(t, "operator:dev_operator", byHand.Actor, "who it was is on the timeline")
			require.NotEmpty(t, byHand.Reason, "and why")
			events, err = m.seller.Events(t.Context(), o.ID)
			require.NoError(t, err)
			for _, e := range events.Events {
				require.NotContains(t, e.Actor, "operator:", "who it was is nothing to the merchant")
			}
		})
	}
}

// R7: the channel closes a refund; another number takes its place.
func TestRefundThatTheChannelCloses(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.sold("fault=refund_failed&times=1")
	_, err := m.says(o.ID, "failed", "")
	require.NoError(t, err)
	now := m.awaits(o.ID, order.Refunded)
	require.Len(t, now.Refunds, 2)
	require.Equal(t, "closed", now.Refunds[0].Status)
	require.Equal(t, "success", now.Refunds[1].Status)
	m.until("nothing is owed", m.quiet)
}

// D9: the merchant reports a delivery when the money is already on its way.
func TestDeliveredAfterTheRefund(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.sold("")
	_, err := m.says(o.ID, "failed", "")
	require.NoError(t, err)
	m.awaits(o.ID, order.Refunded)
	now, err := m.says(o.ID, "delivered", "SF-1")
	require.NoError(t, err, "the claim is noted")
	require.Equal(t, order.HoldConflict, now.Hold)
	require.Equal(t, string(order.Refunded), now.Status)
	_, err = m.operator.ResolveConflict(t.Context(), o.ID, api.Resolution{Outcome: "delivered", Note: "it is there"})
	m.refused(err, 409, api.NotAllowed)
	now, err = m.operator.ResolveConflict(t.Context(), o.ID, api.Resolution{Outcome: "refunded", Note: "the refund stands"})
	require.NoError(t, err)
	require.Empty(t, now.Hold)
}

// P8, accepted: the operator takes the cent that is missing upon the house.
func TestWrongAmountIsAccepted(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.create()
	m.paid(o.Payment, "fault=wrong_amount")
	m.until("it is held", func() bool { return m.order(o.ID).Hold == order.HoldMismatch })
	_, err := m.operator.AcceptPayment(t.Context(), o.ID, o.Payment.ID, "a cent")
	require.NoError(t, err)
	m.notified(o.ID)
	_, err = m.says(o.ID, "delivered", "SF-1")
	require.NoError(t, err)
	_, err = m.app.Complete(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, []string{
		"channel_receivable:sandbox < suspense_long 2597", "suspense_long < channel_receivable:sandbox 2597",
		"channel_receivable:sandbox < merchant_pending:m_demo 2597", "merchant_pending:m_demo < merchant_available:m_demo 2582", "merchant_pending:m_demo < platform_fee 15",
	}, m.ledger(o.ID))
}

// What an operator does by hand is nobody else's.
func TestOnlyOperatorsDecide(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.create()
	for _, c := range []*api.Client{m.app, m.seller} {
		_, err := c.AcceptPayment(t.Context(), o.ID, o.Payment.ID, "please")
		var p *api.Problem
		require.ErrorAs(t, err, &p)
		require.Equal(t, 403, p.Status)
	}
}
