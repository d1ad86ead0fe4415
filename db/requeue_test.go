package db_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

func TestARequeueIsOnTheTimeline(t *testing.T) {
	b := newBench(t)
	o, a := b.created("TEA", 1)
	k := tasks.About(tasks.PaymentQuery, a.ID)
	before, at := b.row(k), b.now().Add(time.Second)
	require.NoError(t, b.Requeue(b.ctx, k, "operator:alice", "the channel is back", at))

	row := b.row(k)
	require.Equal(t, before.Generation+1, row.Generation)
	require.Equal(t, at, row.DueAt.UTC())
	events, err := b.Events(b.ctx, o.ID)
	require.NoError(t, err)
	last := events[len(events)-1]
	require.Equal(t, order.Event{
		Seq: len(events), Type: order.EventRequeued, Status: order.PendingPay, Actor: "operator:alice", At: at,
		Detail: order.Detail{Task: k.String(), Reason: "the channel is back"},
	}, last)
	require.True(t, b.owes(tasks.About(tasks.OrderClose, o.ID)), "nothing else is touched")

	// The order goes on from there.
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	require.Equal(t, order.Paid, b.status(o.ID))

	require.ErrorIs(t, b.Requeue(b.ctx, k, "operator:alice", "once more", b.now()), order.ErrNotFound)
	after, err := b.Events(b.ctx, o.ID)
	require.NoError(t, err)
	require.Len(t, slices.DeleteFunc(after, func(e order.Event) bool { return e.Type != order.EventRequeued }), 1, "what is not owed leaves no trace")
}

// The buyer's time to complain is not cut short by a requeue: nothing has failed.
func TestARequeueTakesNobodysTime(t *testing.T) {
	b := newBench(t)
	o, a := b.created("TEA", 1)
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Deliver("SF1", "merchant:m_1", b.now()) }))
	k := tasks.About(tasks.OrderComplete, o.ID)
	before := b.row(k)
	require.ErrorIs(t, b.Requeue(b.ctx, k, "operator:alice", "impatient", b.now()), order.ErrNotAllowed)
	require.Equal(t, before, b.row(k))
	require.NoError(t, b.Requeue(b.ctx, k, "operator:alice", "it is late", before.DueAt.Add(time.Second)), "when the time is over it may be")
}

func TestARowOfNoOrderIsRequeued(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	row := owe(t, d, tasks.Row{Key: tasks.Key{Kind: tasks.OrderClose}, DueAt: nine, DeadAt: nine, Attempts: 3})
	require.NoError(t, d.Requeue(t.Context(), row.Key, "operator:alice", "by hand", nine.Add(time.Hour)))
	rows, err := d.Tasks(t.Context(), tasks.Filter{})
	require.NoError(t, err)
	row.Generation, row.Attempts, row.DeadAt, row.DueAt = 1, 0, time.Time{}, nine.Add(time.Hour)
	require.Equal(t, []tasks.Row{row}, rows)
}

// An operator and the changes of one order, all at once: nobody waits for
// anybody who waits for him, and every one of them has its event.
func TestRequeuesBesideChanges(t *testing.T) {
	b := newBench(t)
	o, a := b.created("TEA", 1)
	k := tasks.About(tasks.PaymentQuery, a.ID)
	const each = 8
	var all sync.WaitGroup
	for range each {
		all.Go(func() {
			if err := b.Requeue(b.ctx, k, "operator:alice", "by hand", b.now()); err != nil {
				t.Errorf("requeue: %v", err)
			}
		})
		all.Go(func() {
			err := b.Update(b.ctx, o.ID, nil, func(o *order.Order) error {
				o.Requeued("by a change", "operator:bob", "by hand", b.now())
				return nil
			})
			if err != nil {
				t.Errorf("change: %v", err)
			}
		})
	}
	all.Wait()
	events, err := b.Events(b.ctx, o.ID)
	require.NoError(t, err)
	require.Len(t, slices.DeleteFunc(events, func(e order.Event) bool { return e.Type != order.EventRequeued }), 2*each)
	require.Equal(t, each, b.row(k).Generation)
}

// A store that nobody listens to, as the command line's, leaves what is due now
// to the relay's next look.
func TestWhatNobodyDispatchesIsNotStamped(t *testing.T) {
	b := newBench(t)
	quiet := db.NewStore(b.DB, db.StoreOptions{Log: zap.NewNop()})
	t.Cleanup(quiet.Close)
	promoted := func(k tasks.Key) bool { return !b.row(k).PromotedAt.IsZero() }

	for _, tc := range []struct {
		store   *db.Store
		stamped bool
	}{{b.Store, true}, {quiet, false}} {
		o, a := b.created("TEA", 1)
		require.NoError(t, tc.store.Receive(b.ctx, "sandbox", payment.Notice{EventID: "e" + a.ID.Compact(), OutTradeNo: a.ID.Compact()}, []byte("{}"), b.now()))
		require.Equal(t, tc.stamped, promoted(tasks.About(tasks.PaymentConfirm, a.ID)), "from a callback")
		require.NoError(t, tc.store.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Cancel("no", "operator:alice", b.now()) }))
		shut := tasks.About(tasks.ChannelClose, a.ID)
		require.Equal(t, tc.stamped, promoted(shut), "from a change")
		if tc.stamped {
			require.Equal(t, 1, b.dispatched(shut))
			continue
		}
		require.Zero(t, b.dispatched(shut))
		due, err := b.Promote(b.ctx, b.now(), 0, 100)
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(due, func(d tasks.Due) bool { return d.Key == shut }), "the relay finds it at once")
	}
}

func TestHeldOrdersAreListed(t *testing.T) {
	b := newBench(t)
	plain, _ := b.created("TEA", 1)
	var held []order.ID
	for range 2 {
		o, a := b.created("TEA", 1)
		r := paid(a, b.now())
		r.Amount++
		require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(r, b.now()) }))
		held = append([]order.ID{o.ID}, held...)
	}
	for name, tc := range map[string]struct {
		filter order.Filter
		want   []order.ID
	}{
		"all":                   {order.Filter{}, append(slices.Clone(held), plain.ID)},
		"held":                  {order.Filter{Held: true}, held},
		"the page after":        {order.Filter{Held: true, Before: held[0]}, held[1:]},
		"held for a reason":     {order.Filter{Hold: order.HoldMismatch}, held},
		"held for another":      {order.Filter{Held: true, Hold: order.HoldConflict}, nil},
		"held, of another's":    {order.Filter{Held: true, MerchantID: "m_2"}, nil},
		"held, of a merchant's": {order.Filter{Held: true, MerchantID: "m_1"}, held},
	} {
		ids, err := b.OrderIDs(b.ctx, tc.filter)
		require.NoError(t, err, name)
		require.Equal(t, tc.want, ids, name)
	}
}
