package workers

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// bare is an order that nobody began to pay.
func (b *bench) bare() *order.Order {
	b.t.Helper()
	o, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: b.seller, BuyerID: "b_1", Currency: "CNY", Items: []order.Item{{SKU: "tea", Quantity: 1, UnitPrice: 1299}},
	}, "app:test", b.clock.now())
	require.NoError(b.t, err)
	require.NoError(b.t, b.Create(b.ctx, o, nil))
	return o
}

// closing is an order that is called off while a payment is under way.
func (b *bench) closing() (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, a := b.created()
	b.step(o.ID, func(o *order.Order) error {
		defer func() { o.CancelAt = time.Time{} }() // nobody wanted it: it closes as by its time, only sooner
		return o.Cancel("too late", "app:test", b.clock.now())
	})
	require.Equal(b.t, order.Closing, b.order(o.ID).Status)
	return o, a
}

func expiryOf(o *order.Order) tasks.Key { return tasks.About(tasks.OrderClose, o.ID) }

func TestAnOrderIsClosedInItsTime(t *testing.T) {
	shared := newBench(t)
	t.Run("long before", func(t *testing.T) {
		b := shared.fresh(t)
		o := b.bare()
		b.clock.set(o.ExpireAt.Add(-clockSkew - time.Second))
		require.Empty(t, b.ran(expiryOf(o)), "a stale bundle does nothing")
		require.Zero(t, b.row(expiryOf(o)).Attempts)
	})
	t.Run("a clock that is slow", func(t *testing.T) {
		b := shared.fresh(t)
		o := b.bare()
		b.clock.set(o.ExpireAt.Add(-time.Millisecond))
		require.Equal(t, []string{"order:close later"}, b.ran(expiryOf(o)))
		require.Equal(t, order.PendingPay, b.order(o.ID).Status, "never early")
		row := b.row(expiryOf(o))
		require.Contains(t, row.LastError, "it may be paid until")
		require.WithinDuration(t, o.ExpireAt.Add(time.Second), row.DueAt, 250*time.Millisecond)
		b.due(expiryOf(o))
		require.Equal(t, []string{"order:close done"}, b.ran(expiryOf(o)))
		require.Equal(t, order.Closed, b.order(o.ID).Status)
	})
	t.Run("due, never paid", func(t *testing.T) {
		b := shared.fresh(t)
		o := b.bare()
		b.clock.set(o.ExpireAt)
		require.Equal(t, []string{"order:close done"}, b.ran(expiryOf(o)))
		require.Equal(t, order.Closed, b.order(o.ID).Status)
		b.gone(expiryOf(o))
	})
	t.Run("due, a payment is open", func(t *testing.T) {
		b := shared.fresh(t)
		o, a := b.created()
		b.clock.set(o.ExpireAt)
		require.Equal(t, []string{"order:close done"}, b.ran(expiryOf(o)))
		require.Equal(t, order.Closing, b.order(o.ID).Status, "stock is held until the channel is sure")
		require.True(t, b.clock.now().Equal(b.row(closeOf(a)).DueAt), "the channel is asked at once")
	})
	t.Run("paid meanwhile", func(t *testing.T) {
		b := shared.fresh(t)
		o, _ := b.paid()
		b.clock.set(o.ExpireAt)
		require.Empty(t, b.ran(expiryOf(o)), "its close is not owed")
		require.Equal(t, order.Paid, b.order(o.ID).Status)
	})
	t.Run("paid between reading the row and closing", func(t *testing.T) {
		b := shared.fresh(t)
		o, a := b.created()
		b.clock.set(o.ExpireAt)
		b.deps.Store = &meddler{Store: b.Store, beforeSettle: func() {
			b.step(o.ID, func(o *order.Order) error { return o.Receive(receipt(a, b.clock.now()), b.clock.now()) })
		}}
		require.Equal(t, []string{"order:close gone"}, b.ran(expiryOf(o)))
		require.Equal(t, order.Paid, b.order(o.ID).Status)
	})
}

func TestADeliveredOrderIsCompleted(t *testing.T) {
	shared := newBench(t)
	delivered := func(t *testing.T) (*bench, order.ID, tasks.Key) {
		b := shared.fresh(t)
		o, _ := b.paid()
		b.step(o.ID, func(o *order.Order) error { return o.Deliver("parcel 7", "merchant:m_1", b.clock.now()) })
		k := tasks.About(tasks.OrderComplete, o.ID)
		b.due(k)
		return b, o.ID, k
	}
	t.Run("when the time to complain is over", func(t *testing.T) {
		b, id, k := delivered(t)
		require.Equal(t, []string{"order:complete done"}, b.ran(k))
		require.Equal(t, order.Completed, b.order(id).Status)
		b.gone(k)
	})
	t.Run("not while it is held", func(t *testing.T) {
		b, id, k := delivered(t)
		_, err := b.ExecContext(b.ctx, "UPDATE orders SET hold = 'operator' WHERE id = ?", id)
		require.NoError(t, err)
		require.Equal(t, []string{"order:complete later"}, b.ran(k))
		require.Equal(t, order.Delivered, b.order(id).Status)
		require.Contains(t, b.row(k).LastError, "it is held: operator")
		_, err = b.ExecContext(b.ctx, "UPDATE orders SET hold = '' WHERE id = ?", id) // there is nothing to hold it for
		require.NoError(t, err)
	})
	t.Run("the buyer was faster", func(t *testing.T) {
		b, id, k := delivered(t)
		b.step(id, func(o *order.Order) error { return o.Complete("app:test", b.clock.now()) })
		require.Empty(t, b.ran(k))
		require.Equal(t, 1, b.happened(id, order.EventCompleted))
	})
}

func TestAnOpenPaymentOfAClosingOrderIsClosedAtTheChannel(t *testing.T) {
	shared := newBench(t)
	const before, after = -time.Minute, time.Second
	for name, c := range map[string]struct {
		at      time.Duration // since the attempt's expiry
		says    payment.State
		asked   any // what it says when asked; nil: it is not asked
		order   order.Status
		status  order.AttemptStatus
		because string // "": fulfilled
	}{
		"closed":                  {before, payment.Closed, nil, order.Closed, order.AttemptClosed, ""},
		"the buyer was faster":    {before, payment.Paid, nil, order.Paid, order.AttemptSuccess, ""},
		"paid, then given back":   {before, payment.Refunded, nil, order.Closed, order.AttemptClosed, ""},
		"still open":              {before, payment.Pending, nil, order.Closing, order.AttemptPaying, "the channel says pending"},
		"not seen yet":            {before, payment.NotFound, nil, order.Closing, order.AttemptPaying, "the channel says not_found"},
		"still open, expired":     {after, payment.Pending, nil, order.Closing, order.AttemptPaying, "the channel says pending"},
		"closed after expiry":     {after, payment.Closed, nil, order.Closed, order.AttemptClosed, ""},
		"paid in the last second": {after, payment.Paid, nil, order.Paid, order.AttemptSuccess, ""},

		"never seen, expired":           {after, payment.NotFound, payment.NotFound, order.Closed, order.AttemptClosed, ""},
		"not seen, expired, now closed": {after, payment.NotFound, payment.Closed, order.Closed, order.AttemptClosed, ""},
		"not seen, expired, now paid":   {after, payment.NotFound, payment.Paid, order.Paid, order.AttemptSuccess, ""},
		"not seen, expired, now open":   {after, payment.NotFound, payment.Pending, order.Closing, order.AttemptPaying, "the channel says pending"},
		"not seen, expired, unknown":    {after, payment.NotFound, trouble(payment.Unknown), order.Closing, order.AttemptPaying, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a := b.closing()
			b.clock.set(a.ExpireAt.Add(c.at))
			b.channel.close = func(_ context.Context, no string) (payment.Payment, error) {
				require.Equal(t, a.ID.Compact(), no)
				return answer(a, c.says, b.clock.now()), nil
			}
			if c.asked != nil {
				b.channel.query = func(_ context.Context, no string) (payment.Payment, error) {
					require.Equal(t, a.ID.Compact(), no)
					if err, ok := c.asked.(error); ok {
						return payment.Payment{}, err
					}
					return answer(a, c.asked.(payment.State), b.clock.now()), nil
				}
			}
			require.NoError(t, b.run(closeOf(a)))
			got := b.order(o.ID)
			require.Equal(t, c.order, got.Status)
			require.Equal(t, c.status, got.Attempts[0].Status)
			if c.because == "" {
				b.gone(closeOf(a))
			} else {
				require.Contains(t, b.row(closeOf(a)).LastError, c.because)
			}
			_, polled := b.owed(queryOf(a))
			require.Equal(t, c.status != order.AttemptSuccess, polled, "until the money is here, the channel is asked about it")
		})
	}
}

func TestAChannelThatCannotBeReachedClosesNothing(t *testing.T) {
	shared := newBench(t)
	for _, class := range append(undecided(), payment.Permanent) {
		t.Run(string(class), func(t *testing.T) {
			b := shared.fresh(t)
			o, a := b.closing()
			b.clock.set(a.ExpireAt.Add(time.Hour))
			b.channel.close = func(context.Context, string) (payment.Payment, error) { return payment.Payment{}, trouble(class) }
			require.Equal(t, []string{"channel:close later"}, b.ran(closeOf(a)))
			require.Equal(t, order.Closing, b.order(o.ID).Status, "unknown is not closed")
			require.Contains(t, b.row(closeOf(a)).LastError, string(class))
		})
	}
}

func TestAnAttemptThatIsSettledIsNotClosed(t *testing.T) {
	b := newBench(t)
	_, a := b.paid()
	k := b.planted(tasks.ChannelClose, ident.As[struct{}](a.ID))
	require.Equal(t, []string{"channel:close done"}, b.ran(k))
	require.Zero(t, b.channel.called())
}
