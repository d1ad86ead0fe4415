package db_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func closedKey(o *order.Order) tasks.Key {
	return tasks.About(tasks.MerchantNotify, order.ClosedNoticeID(o.ID))
}

// expired is an order that closed because nobody paid it.
func (b *bench) expired() *order.Order {
	b.t.Helper()
	o, a := b.created("tea", 1)
	require.NoError(b.t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Expire(o.ExpireAt) }))
	require.NoError(b.t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.CloseAttempt(a.ID, "closed at the channel", b.now()) }))
	return o
}

// subscribes gives the merchant of a bench's orders an endpoint.
func (b *bench) subscribes(paused bool, events ...string) merchant.Endpoint {
	b.t.Helper()
	e := endpoint("m_1", "whsec_1")
	e.Paused, e.Events = paused, events
	require.NoError(b.t, b.CreateEndpoint(b.ctx, e))
	return e
}

func (b *bench) notices(types ...string) (n int) {
	b.t.Helper()
	for _, t := range types {
		var of int
		require.NoError(b.t, b.QueryRowContext(b.ctx, "SELECT count(*) FROM notices WHERE type = ?", t).Scan(&of))
		n += of
	}
	return n
}

// What only informs costs nothing where nobody takes it, and is never kept from
// somebody who does.
func TestWhatInformsIsWrittenForWhoTakesIt(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	spared := func(why string) {
		t.Helper()
		o := b.expired()
		require.False(t, b.owes(closedKey(o)), why)
		require.Zero(t, b.notices(merchant.OrderClosed), why)
	}
	told := func(why string) {
		t.Helper()
		before := b.notices(merchant.OrderClosed)
		o := b.expired()
		require.True(t, b.owes(closedKey(o)), why)
		require.Equal(t, 1, b.dispatched(closedKey(o)), why)
		require.Equal(t, before+1, b.notices(merchant.OrderClosed), why)
	}
	spared("no endpoint at all")
	e := b.subscribes(false, merchant.OrderPaid, "refund.*")
	spared("an endpoint for other things")
	e.Events = []string{merchant.OrderPaid, "order.*"}
	require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.now()))
	told("changed just before")
	e.Events = []string{merchant.OrderPaid}
	require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.now()))
	before := b.notices(merchant.OrderClosed)
	require.False(t, b.owes(closedKey(b.expired())), "changed back")
	require.Equal(t, before, b.notices(merchant.OrderClosed))
	paused := b.subscribes(true)
	told("one that is paused may be resumed before it is sent")
	require.NoError(t, b.DeleteEndpoint(b.ctx, "m_1", paused.ID, b.now()))
	require.False(t, b.owes(closedKey(b.expired())), "the last that took it is gone")
}

// What asks something of the merchant is written for an endpoint that is yet to
// come.
func TestWhatAsksIsAlwaysWritten(t *testing.T) {
	b := newBench(t)
	o, a := b.created("tea", 1)
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Cancel("changed my mind", "app:test", b.now()) }))
	require.True(t, b.owes(tasks.About(tasks.MerchantNotify, order.RevokeNoticeID(o.ID))))
	require.Equal(t, 2, b.notices(merchant.OrderPaid, merchant.RevokeRequested))
}

// A refund that fails again, also in the commit in which it was retried, is one
// notice.
func TestARefundThatFailsAgainIsOneNotice(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	b.subscribes(false)
	o, a := b.created("tea", 1)
	step := func(fn func(o *order.Order) error) {
		t.Helper()
		require.NoError(t, b.Update(b.ctx, o.ID, nil, fn))
	}
	refund := ident.WithPart[order.Refund](o.ID, 0x40)
	failed := tasks.About(tasks.MerchantNotify, order.RefundFailedNoticeID(refund))
	fail := func(o *order.Order) error { return o.AbnormalRefund(refund, "account closed", b.now()) }
	retry := func(o *order.Order) error { return o.RetryRefund(refund, "operator:ming", "mended", b.now()) }
	step(func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) })
	step(func(o *order.Order) error { return o.FailDelivery("sold out", "merchant:m_1", b.now()) })
	step(func(o *order.Order) error { return o.SubmitRefund(refund, b.now()) })
	step(fail)
	first := b.row(failed)
	step(retry)
	require.False(t, b.owes(failed), "it is tried again")
	step(fail)
	require.True(t, b.owes(failed))
	require.NotEqual(t, first.CreatedAt, b.row(failed).CreatedAt)
	step(func(o *order.Order) error {
		for range 3 {
			if err := retry(o); err != nil {
				return err
			}
			if err := fail(o); err != nil {
				return err
			}
		}
		return nil
	})
	require.Equal(t, 1, b.notices(merchant.RefundFailed))
	step(retry)
	step(func(o *order.Order) error { return o.SucceedRefund(refund, b.now()) })
	require.False(t, b.owes(failed))
	require.Equal(t, 1, b.notices(merchant.RefundSucceeded))
}
