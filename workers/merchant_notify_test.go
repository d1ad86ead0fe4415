package workers

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func closedOf(o *order.Order) tasks.Key {
	return tasks.About(tasks.MerchantNotify, order.ClosedNoticeID(o.ID))
}

func failedOf(r *order.Refund) tasks.Key {
	return tasks.About(tasks.MerchantNotify, order.RefundFailedNoticeID(r.ID))
}

// listens is an endpoint that subscribes to these types.
func (b *bench) listens(events ...string) merchant.Endpoint {
	b.t.Helper()
	e := b.endpoint()
	e.Events = events
	require.NoError(b.t, b.ChangeEndpoint(b.ctx, e, b.clock.now()))
	return e
}

func (b *bench) expire(o *order.Order) {
	b.t.Helper()
	b.step(o.ID, func(o *order.Order) error { return o.Expire(o.ExpireAt) })
}

// What only informs is told to whoever subscribes to it, whenever that is done:
// once, twice, late or beside itself.
func TestAMerchantIsInformed(t *testing.T) {
	shared := newBench(t)
	for name, given := range map[string]func(b *bench) tasks.Key{
		merchant.OrderClosed: func(b *bench) tasks.Key {
			o := b.bare()
			b.expire(o)
			return closedOf(o)
		},
		merchant.OrderCompleted: func(b *bench) tasks.Key {
			o, _ := b.paid()
			b.step(o.ID, func(o *order.Order) error { return o.Deliver("SF1", "merchant:m_1", b.clock.now()) })
			b.step(o.ID, func(o *order.Order) error { return o.Complete("app:test", b.clock.now()) })
			return tasks.About(tasks.MerchantNotify, order.CompletedNoticeID(o.ID))
		},
		merchant.RefundSucceeded: func(b *bench) tasks.Key {
			o, _, r := b.refunding()
			b.step(o.ID, func(o *order.Order) error { return o.SucceedRefund(r.ID, b.clock.now()) })
			return tasks.About(tasks.MerchantNotify, r.ID)
		},
		merchant.RefundFailed: func(b *bench) tasks.Key {
			o, _, r := b.refunding()
			b.step(o.ID, func(o *order.Order) error { return o.SubmitRefund(r.ID, b.clock.now()) })
			b.step(o.ID, func(o *order.Order) error { return o.AbnormalRefund(r.ID, "account closed", b.clock.now()) })
			return failedOf(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			all, only, other := b.endpoint(), b.listens(name), b.listens(merchant.DeliveryOverdue)
			k := given(b)
			b.clock.forward(3 * 24 * time.Hour) // late
			var wg sync.WaitGroup
			for range 3 {
				elsewhere := b.runner(tasks.MerchantNotify, newBusy())
				wg.Go(func() {
					if err := elsewhere.ProcessTask(b.ctx, bundleOf(k)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.NoError(t, b.run(k), "and once more")
			b.gone(k)
			require.GreaterOrEqual(t, b.sender.told(all), 1)
			require.Equal(t, b.sender.told(all), b.sender.told(only))
			require.Zero(t, b.sender.told(other))
			id := ident.As[struct{}](k.Subject).String()
			for _, sent := range b.sender.sent {
				require.Equal(t, id, sent.id, "the same notice, if it came more than once")
				require.Contains(t, sent.body, `{"type":"`+name+`"`)
			}
		})
	}
}

// An endpoint that was made a moment before hears, whatever was remembered of
// the merchant's others.
func TestASubscriptionHoldsAtOnce(t *testing.T) {
	b := newBench(t)
	b.listens(merchant.OrderPaid)
	store := &meddler{Store: b.Store}
	b.deps.Store = store
	run := b.runner(tasks.DeliveryNotify, b.here)
	o, _ := b.paid()
	require.NoError(t, run.ProcessTask(b.ctx, bundleOf(notifyOf(o))))
	inform := notify{run.worker.(notify).courier, tasks.MerchantNotify}

	e := b.listens("order.*")
	closed := b.bare()
	b.expire(closed)
	b.clock.forward(time.Millisecond)
	for range 2 { // the list is read once for the bundles of one moment
		do, err := inform.Prepare(b.ctx, []tasks.Row{b.row(closedOf(closed))})
		require.NoError(t, err)
		require.True(t, do(b.ctx, b.row(closedOf(closed))).Verdict.IsDone())
	}
	require.Equal(t, 2, b.sender.told(e))
	require.Equal(t, 2, store.endpointsRead)
}

// However much news of a merchant's comes together, its endpoints are read and
// their secrets opened once.
func TestABundleReadsAMerchantsEndpointsOnce(t *testing.T) {
	b := newBench(t)
	e := b.listens("order.*")
	store := &meddler{Store: b.Store}
	b.deps.Store = store
	var keys []tasks.Key
	for range 8 {
		o := b.bare()
		b.expire(o)
		keys = append(keys, closedOf(o))
	}
	b.clock.forward(24 * time.Hour)
	require.NoError(t, b.runner(tasks.MerchantNotify, b.here).ProcessTask(b.ctx, bundleOf(keys...)))
	require.Equal(t, len(keys), b.sender.told(e))
	require.Equal(t, 1, store.endpointsRead)
}

// A refund that fails again is the same notice: who has heard it is spared, who
// has not hears it.
func TestARefundThatFailsAgainIsToldOnce(t *testing.T) {
	b := newBench(t)
	good, bad := b.endpoint(), b.endpoint()
	b.sender.answer(bad, answered(500, 0))
	o, _, r := b.refunding()
	fail := func(o *order.Order) error { return o.AbnormalRefund(r.ID, "account closed", b.clock.now()) }
	b.step(o.ID, func(o *order.Order) error { return o.SubmitRefund(r.ID, b.clock.now()) })
	b.step(o.ID, fail)
	require.Equal(t, []string{"merchant:notify done"}, b.ran(failedOf(r)))
	require.Len(t, b.waits(o), 1)

	b.step(o.ID, func(o *order.Order) error { return o.RetryRefund(r.ID, "operator:ming", "mended", b.clock.now()) })
	b.gone(failedOf(r))
	require.Empty(t, b.waits(o), "nobody is to be told any more")
	b.step(o.ID, fail)
	b.sender.answer(bad, acknowledged())
	require.Equal(t, []string{"merchant:notify done"}, b.ran(failedOf(r)))
	require.Equal(t, 1, b.sender.told(good))
	require.Equal(t, 2, b.sender.told(bad))

	b.step(o.ID, func(o *order.Order) error {
		return o.PayOutRefund(r.ID, "V1", "operator:ming", "by bank", b.clock.now())
	})
	b.gone(failedOf(r))
}
