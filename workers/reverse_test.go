package workers

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

func deadlineOf(o *order.Order) tasks.Key {
	return tasks.About(tasks.DeliveryDeadline, order.DeliveryID(o.ID))
}

// calledOff is a paid order whose merchant is to stop the delivery.
func (b *bench) calledOff() (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, a := b.paid()
	b.step(o.ID, func(o *order.Order) error { return o.Cancel("changed my mind", "app:test", b.clock.now()) })
	return b.order(o.ID), a
}

// mismatched is an order that was paid a cent too little.
func (b *bench) mismatched() (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, a := b.created()
	b.step(o.ID, func(o *order.Order) error {
		r := receipt(a, b.clock.now())
		r.Amount--
		return o.Receive(r, b.clock.now())
	})
	return b.order(o.ID), a
}

// D8, in the times that were agreed: reminded, told of, called off, and given
// back when the merchant says nothing to that either.
func TestADeliveryThatNeverComes(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	began := b.clock.now()
	for level, at := range []time.Duration{48 * time.Hour, 72 * time.Hour, 96 * time.Hour} {
		require.Equal(t, began.Add(at), b.row(deadlineOf(o)).DueAt)
		b.due(deadlineOf(o))
		require.Equal(t, []string{"delivery:deadline done"}, b.ran(deadlineOf(o)))
		require.Equal(t, level+1, b.order(o.ID).Delivery.Overdue)
	}
	b.gone(deadlineOf(o))
	require.Equal(t, order.Returning, b.order(o.ID).Status)

	k := tasks.About(tasks.MerchantNotify, order.RevokeNoticeID(o.ID))
	require.Equal(t, []string{"merchant:notify done"}, b.ran(k))
	require.Contains(t, b.sender.sent[len(b.sender.sent)-1].body, `"order.revoke_requested"`)
	require.Equal(t, 1, b.sender.told(e))

	revoke := tasks.About(tasks.DeliveryRevoke, order.DeliveryID(o.ID))
	require.Equal(t, began.Add(120*time.Hour), b.row(revoke).DueAt)
	b.due(revoke)
	require.Equal(t, []string{"delivery:revoke done"}, b.ran(revoke))
	got := b.order(o.ID)
	require.Equal(t, order.Refunding, got.Status)
	require.True(t, got.Delivery.Unanswered)
	b.row(submitOf(got.Refunds[0]))
}

func TestADeliveryThatComesStopsTheClock(t *testing.T) {
	b := newBench(t)
	o, _ := b.paid()
	b.due(deadlineOf(o))
	require.NoError(t, b.run(deadlineOf(o)))
	b.step(o.ID, func(o *order.Order) error { return o.Deliver("SF1", "merchant:m_1", b.clock.now()) })
	b.gone(deadlineOf(o))
}

// P8: what nobody accepts in half an hour goes back.
func TestTheWrongSumGoesBack(t *testing.T) {
	b := newBench(t)
	o, a := b.mismatched()
	k := tasks.About(tasks.PaymentReturn, a.ID)
	require.Equal(t, b.clock.now().Add(30*time.Minute), b.row(k).DueAt)
	require.Equal(t, order.HoldMismatch, o.Hold)
	b.due(k)
	require.Equal(t, []string{"payment:return done"}, b.ran(k))
	b.gone(k)
	got := b.order(o.ID)
	require.Empty(t, got.Hold)
	require.Equal(t, int64(1298), got.Refunds[0].Amount)
	require.Equal(t, order.PendingPay, got.Status)

	accepted, a := b.mismatched()
	b.step(accepted.ID, func(o *order.Order) error { return o.AcceptMismatch(a.ID, "operator:alice", "a cent", b.clock.now()) })
	b.gone(tasks.About(tasks.PaymentReturn, a.ID))
	require.Equal(t, order.Paid, b.order(accepted.ID).Status)
}

// What a merchant may do without is not waited for: only the notice that an
// order is paid needs somebody to hear it.
func TestAMerchantWithoutEndpointsHearsNothingElse(t *testing.T) {
	b := newBench(t)
	o, _ := b.calledOff()
	k := tasks.About(tasks.MerchantNotify, order.RevokeNoticeID(o.ID))
	require.Equal(t, []string{"merchant:notify done"}, b.ran(k))
	b.gone(k)
}

// D9: while an operator must say whether the goods were delivered after all, no
// channel is asked for the refund.
func TestARefundWaitsForAConflict(t *testing.T) {
	b := newBench(t)
	o, _, r := b.refunding()
	b.step(o.ID, func(o *order.Order) error { return o.Deliver("SF1", "merchant:m_1", b.clock.now()) })
	require.Equal(t, []string{"refund:submit later"}, b.ran(submitOf(r)))
	require.Equal(t, order.RefundCreated, b.order(o.ID).Refunds[0].Status)
	require.Contains(t, b.row(submitOf(r)).LastError, order.HoldConflict)

	b.step(o.ID, func(o *order.Order) error {
		return o.ResolveConflict(true, "operator:alice", "it is there", b.clock.now())
	})
	b.gone(submitOf(r))
	require.Equal(t, order.Delivered, b.order(o.ID).Status)
	b.row(tasks.About(tasks.OrderComplete, o.ID))
}

// R3: a balance that is short is tried again by itself, and somebody must put
// money there.
func TestAShortBalanceIsHeardOf(t *testing.T) {
	b := newBench(t)
	o, a, r := b.refunding()
	b.refunds(o, a, r, &payment.Error{Class: payment.Retryable, Op: "refund", Err: payment.ErrBalanceShort}, payment.RefundDone)
	require.Equal(t, []string{"refund:submit later"}, b.ran(submitOf(r)))
	row := b.row(tasks.BalanceShort(r, a, b.clock.now()).Key)
	said, err := tasks.ReadAlert(row.Payload)
	require.NoError(t, err)
	require.Contains(t, said.Text, "Our balance at sandbox is short: 12.99 CNY")
	b.follow(a, r, payment.RefundNotFound)
	b.due(submitOf(r))
	require.Equal(t, []string{"refund:submit done"}, b.ran(submitOf(r)))
	require.Equal(t, order.Refunded, b.order(o.ID).Status)
}

// What came home is compared with what was asked for, as what was paid is.
func TestARefundOfAnotherAmountIsForAnOperator(t *testing.T) {
	b := newBench(t)
	o, _, r := b.refunding()
	b.channel.refund = func(_ context.Context, req payment.RefundRequest) (payment.Refund, error) {
		return payment.Refund{State: payment.RefundDone, OutRefundNo: req.OutRefundNo, Amount: req.Amount - 1}, nil
	}
	require.Equal(t, []string{"refund:submit done"}, b.ran(submitOf(r)))
	got := b.order(o.ID)
	require.Equal(t, order.RefundAbnormal, got.Refunds[0].Status)
	require.Equal(t, order.HoldRefundAbnormal, got.Hold)
	require.Equal(t, "the channel says that it gave back 12.98 CNY of 12.99 CNY: look at the channel", got.Refunds[0].Problem)
}
