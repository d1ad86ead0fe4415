package workers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
)

// An order's way through the store, the dispatcher, Redis, the relay and the
// workers, all of them real.
func TestFromTheCallbackToTheMerchant(t *testing.T) {
	l := newLive(t)
	l.serve(Options{})
	l.relay(relay.Options{})
	e := l.endpoint()
	o, a := l.created()
	began := time.Now()
	l.receive(callback(a, "e1", l.clock.now()))
	require.Equal(t, "done", l.next(tasks.PaymentConfirm).outcome)
	told := l.next(tasks.DeliveryNotify)
	require.Equal(t, "done", told.outcome)
	require.Less(t, time.Since(began), 3*time.Second)
	require.Less(t, told.late, 3*time.Second)
	require.Equal(t, order.Paid, l.order(o.ID).Status)
	require.Equal(t, 1, l.sender.told(e))
	l.gone(notifyOf(o))
}

func TestAnUnpaidOrderIsClosedWithinASecondOfItsTime(t *testing.T) {
	l := newLive(t)
	l.serve(Options{})
	l.relay(relay.Options{})
	now := l.clock.now()
	var made []*order.Order
	for range 5 {
		o, err := order.New(ident.New[order.Order](), order.Draft{
			MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", PayWithin: time.Second, Items: []order.Item{{SKU: "tea", Quantity: 1, UnitPrice: 1299}},
		}, "app:test", now)
		require.NoError(t, err)
		require.NoError(t, l.Create(l.ctx, o, nil))
		made = append(made, o)
	}
	for range made {
		require.Equal(t, result{tasks.OrderClose, "done", 0}, func() result {
			r := l.next(tasks.OrderClose)
			require.Less(t, r.late, time.Second)
			r.late = 0
			return r
		}())
	}
	for _, o := range made {
		got := l.order(o.ID)
		require.Equal(t, order.Closed, got.Status)
		require.False(t, got.ClosedAt.Before(o.ExpireAt), "never early: %v", got.ClosedAt.Sub(o.ExpireAt))
		require.Less(t, got.ClosedAt.Sub(o.ExpireAt), time.Second)
	}
}

func TestEmptyingRedisLosesNothing(t *testing.T) {
	l := newLive(t)
	l.serve(Options{})
	l.relay(relay.Options{})
	l.endpoint()
	var made []*order.Order
	for i := range 60 {
		o, a := l.created()
		l.receive(callback(a, "paid "+o.ID.String(), l.clock.now()))
		made = append(made, o)
		if i%20 == 10 {
			require.NoError(t, l.redis.FlushDB(l.ctx).Err())
		}
	}
	require.NoError(t, l.redis.FlushDB(l.ctx).Err())
	for _, o := range made {
		require.Eventually(t, func() bool {
			_, owed := l.owed(notifyOf(o))
			return !owed && l.order(o.ID).Status == order.Paid
		}, 20*time.Second, 10*time.Millisecond, "order %s is paid and its merchant told", o.ID)
	}
}
