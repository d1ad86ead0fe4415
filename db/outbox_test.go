package db_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func TestCallbacksAreKeptOnce(t *testing.T) {
	b := newBench(t)
	_, a := b.created("A", 1)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := b.Receive(b.ctx, "sandbox", notice(a, "e1", b.now()), []byte(`{"n":1}`), b.now()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, b.dispatched(confirmKey(a)), "fifty copies owe one confirmation")
	require.NotNil(t, b.row(confirmKey(a)).Payload)
}

func TestTwoDifferentCallbacksOfOnePaymentMakeUsAsk(t *testing.T) {
	t.Run("one after the other", func(t *testing.T) {
		b := newBench(t)
		_, a := b.created("A", 1)
		require.NoError(t, b.Receive(b.ctx, "sandbox", notice(a, "e1", b.now()), []byte("{}"), b.now()))
		before := b.row(confirmKey(a))
		require.NoError(t, b.Receive(b.ctx, "sandbox", notice(a, "e2", b.now()), []byte("{}"), b.now()))
		after := b.row(confirmKey(a))
		require.Nil(t, after.Payload, "neither is taken at its word")
		require.Greater(t, after.Generation, before.Generation, "a try of the older row settles nothing")
	})
	t.Run("in one batch", func(t *testing.T) {
		b := newBench(t)
		_, a := b.created("A", 1)
		var wg sync.WaitGroup
		for _, event := range []string{"e1", "e2", "e3", "e4", "e5", "e6"} {
			wg.Go(func() { _ = b.Receive(b.ctx, "sandbox", notice(a, event, b.now()), []byte("{}"), b.now()) })
		}
		wg.Wait()
		require.Nil(t, b.row(confirmKey(a)).Payload)
	})
}

func TestACallbackForAPaymentWeDoNotHaveIsKept(t *testing.T) {
	b := newBench(t)
	stranger := &order.Attempt{ID: ident.New[order.Attempt](), Amount: 5, Currency: "CNY"}
	require.NoError(t, b.Receive(b.ctx, "sandbox", notice(stranger, "e1", b.now()), []byte("{}"), b.now()))
	require.False(t, b.owes(confirmKey(stranger)))
	var kept int
	require.NoError(t, b.QueryRowContext(b.ctx, "SELECT count(*) FROM inbox").Scan(&kept))
	require.Equal(t, 1, kept)
}

func TestARowIsSettledOnce(t *testing.T) {
	b := newBench(t)
	o, a := b.created("A", 1)
	require.NoError(t, b.Receive(b.ctx, "sandbox", notice(a, "e1", b.now()), []byte("{}"), b.now()))
	row := b.row(confirmKey(a))
	ran := 0
	try := tasks.Settlement{Row: row, Verdict: tasks.Done(), Apply: func(o *order.Order) error {
		ran++
		return o.Receive(paid(a, b.now()), b.now())
	}}
	errs := append(b.Settle(b.ctx, try, try), b.Settle(b.ctx, try)...)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], tasks.ErrGone)
	require.ErrorIs(t, errs[2], tasks.ErrGone)
	require.Equal(t, 1, ran)
	require.Equal(t, order.Paid, b.status(o.ID))
	require.False(t, b.owes(confirmKey(a)), "fulfilled")
	require.False(t, b.owes(closeKey(o)), "a paid order's close is not owed")
	require.False(t, b.owes(tasks.About(tasks.PaymentQuery, a.ID)), "nor is the question to the channel")
	notify := tasks.About(tasks.DeliveryNotify, order.DeliveryID(o.ID))
	require.Equal(t, 1, b.dispatched(notify), "the merchant is told at once")
}

func TestWhatBecomesOfARow(t *testing.T) {
	for _, c := range []struct {
		name    string
		try     func(tasks.Row) tasks.Settlement
		owed    bool
		dead    bool
		tries   int
		because string
	}{
		{"done", func(r tasks.Row) tasks.Settlement { return tasks.Settlement{Row: r, Verdict: tasks.Done()} }, false, false, 0, ""},
		{"later", func(r tasks.Row) tasks.Settlement { return tasks.Settlement{Row: r, Verdict: tasks.Later(errTest)} }, true, false, 1, errTest.Error()},
		{"never", func(r tasks.Row) tasks.Settlement { return tasks.Settlement{Row: r, Verdict: tasks.Never(errTest)} }, false, true, 1, errTest.Error()},
		{"already", func(r tasks.Row) tasks.Settlement {
			return tasks.Settlement{Row: r, Verdict: tasks.Done(), Apply: func(*order.Order) error { return order.ErrAlready }}
		}, false, false, 0, ""},
		{"refused", func(r tasks.Row) tasks.Settlement {
			return tasks.Settlement{Row: r, Verdict: tasks.Done(), Apply: func(o *order.Order) error { return o.Deliver("", "x", time.Now()) }}
		}, true, false, 1, "cannot deliver an order that is pending_pay"},
		{"panic", func(r tasks.Row) tasks.Settlement {
			return tasks.Settlement{Row: r, Verdict: tasks.Done(), Apply: func(*order.Order) error { panic("oh") }}
		}, true, false, 1, "oh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			_, a := b.created("A", 1)
			require.NoError(t, b.Receive(b.ctx, "sandbox", notice(a, "e1", b.now()), []byte("{}"), b.now()))
			row := b.row(confirmKey(a))
			b.Settle(b.ctx, c.try(row))
			require.Equal(t, c.owed, b.owes(row.Key))
			list, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead, Limit: 10})
			require.NoError(t, err)
			require.Equal(t, c.dead, len(list) == 1)
			if c.owed {
				list = []tasks.Row{b.row(row.Key)}
			}
			if c.owed || c.dead {
				require.Equal(t, c.tries, list[0].Attempts)
				require.Contains(t, list[0].LastError, c.because)
			}
		})
	}
}

func TestADeadRowIsRequeued(t *testing.T) {
	b := newBench(t)
	_, a := b.created("A", 1)
	require.NoError(t, b.Receive(b.ctx, "sandbox", notice(a, "e1", b.now()), []byte("{}"), b.now()))
	old := b.row(confirmKey(a))
	b.Settle(b.ctx, tasks.Settlement{Row: old, Verdict: tasks.Never(errTest)})
	require.False(t, b.owes(old.Key))
	require.NoError(t, b.Requeue(b.ctx, old.Key, "operator:alice", "mended", b.now()))
	row := b.row(old.Key)
	require.Zero(t, row.Attempts)
	require.ErrorIs(t, b.Settle(b.ctx, tasks.Settlement{Row: old, Verdict: tasks.Done()})[0], tasks.ErrGone, "a try from before the requeue settles nothing")
	due, err := b.Promote(b.ctx, b.now(), time.Minute, 10)
	require.NoError(t, err)
	require.Contains(t, keysOf(due), row.Key)
}

func TestPromotionAndPuttingBack(t *testing.T) {
	b := newBench(t)
	o, a := b.created("A", 1) // closes in 15 minutes; the channel is asked in 5 seconds
	query := tasks.About(tasks.PaymentQuery, a.ID)

	due, err := b.Promote(b.ctx, b.now(), 2*time.Minute, 10)
	require.NoError(t, err)
	require.Equal(t, []tasks.Key{query}, keysOf(due), "what is due within the horizon, and nothing else")
	due, err = b.Promote(b.ctx, b.now(), 2*time.Minute, 10)
	require.NoError(t, err)
	require.Empty(t, due, "once")

	kinds := []tasks.Kind{tasks.PaymentQuery, tasks.OrderClose}
	due, err = b.PutBack(b.ctx, b.now(), kinds, 10*time.Second, 10)
	require.NoError(t, err)
	require.Empty(t, due, "it is not overdue yet")
	later := b.now().Add(time.Minute)
	due, err = b.PutBack(b.ctx, later, kinds, 10*time.Second, 10)
	require.NoError(t, err)
	require.Equal(t, []tasks.Key{query}, keysOf(due))
	due, err = b.PutBack(b.ctx, later, kinds, 10*time.Second, 10)
	require.NoError(t, err)
	require.Empty(t, due, "it was put back a moment ago")

	n, err := b.ForgetPromotions(b.ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	due, err = b.Promote(b.ctx, b.now(), time.Hour, 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []tasks.Key{query, closeKey(o)}, keysOf(due))
}

func TestTwoRelaysShareTheWork(t *testing.T) {
	b := newBench(t)
	for range 40 {
		b.created("A", 1)
	}
	var mu sync.Mutex
	seen := map[tasks.Key]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				due, err := b.Promote(b.ctx, b.now(), time.Hour, 7)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, d := range due {
					seen[d.Key]++
				}
				mu.Unlock()
				if len(due) == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	left, err := b.Promote(b.ctx, b.now(), time.Hour, 1000)
	require.NoError(t, err)
	require.Len(t, seen, 80-len(left))
	for k, n := range seen {
		require.Equal(t, 1, n, "%s promoted once", k)
	}
}

func keysOf(due []tasks.Due) (keys []tasks.Key) {
	for _, d := range due {
		keys = append(keys, d.Key)
	}
	return keys
}

// A notice is handed on to whoever else subscribes while its order is called off: who
// comes second sees the row that the first one made.
func TestWhatIsCalledOffWhileItIsHandedOnIsNotOwed(t *testing.T) {
	b := newBench(t)
	o, a := b.created("tea", 1)
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	k := tasks.About(tasks.DeliveryNotify, order.DeliveryID(o.ID))
	for _, sql := range []string{
		`INSERT INTO deliveries (notice_id, endpoint_id, type, due_at, reason, created_at) SELECT subject, gen_random_uuid(), 'order.paid', now(), 'retry', now() FROM outbox WHERE kind = ? AND subject = ?`,
		`DELETE FROM outbox WHERE kind = ? AND subject = ?`,
	} {
		_, err := b.ExecContext(b.ctx, sql, k.Kind, k.Subject)
		require.NoError(t, err)
	}
	handingOn, err := b.BeginTx(b.ctx, nil)
	require.NoError(t, err)
	defer func() { _ = handingOn.Rollback() }()
	_, err = handingOn.ExecContext(b.ctx, `WITH gone AS (DELETE FROM deliveries WHERE notice_id = ? RETURNING notice_id)
		INSERT INTO outbox (kind, subject, due_at, created_at) SELECT ?, notice_id, now(), now() FROM gone`, k.Subject, k.Kind)
	require.NoError(t, err)
	cancelled := make(chan error, 1)
	go func() {
		cancelled <- b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Cancel("mind changed", "app:test", b.now()) })
	}()
	dbtest.Waits(t, b.DB)
	require.NoError(t, handingOn.Commit())
	require.NoError(t, <-cancelled)
	require.Equal(t, order.Returning, b.status(o.ID))
	require.False(t, b.owes(k))
}
