package db_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// telling is a paid order, and the row of its merchant who is to be told.
func (b *bench) telling() (*order.Order, tasks.Row) {
	b.t.Helper()
	o, a := b.created("A", 1)
	require.NoError(b.t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	return o, b.row(tasks.About(tasks.DeliveryNotify, order.DeliveryID(o.ID)))
}

// alerts are the alerts that are owed, the dead ones too.
func (b *bench) alerts() (rows []tasks.Row) {
	b.t.Helper()
	for _, state := range []tasks.State{tasks.Waiting, tasks.Dead} {
		list, err := b.Tasks(b.ctx, tasks.Filter{State: state, Kind: tasks.AlertSend, Limit: 200})
		require.NoError(b.t, err)
		rows = append(rows, list...)
	}
	return rows
}

func (b *bench) settle(r tasks.Row, v tasks.Verdict) {
	b.t.Helper()
	require.NoError(b.t, b.Settle(b.ctx, tasks.Settlement{Row: r, Verdict: v})[0])
}

func namesOf(rows []tasks.Row) (keys []tasks.Key) {
	for _, r := range rows {
		keys = append(keys, r.Key)
	}
	return keys
}

// stray is a row about an order that is not there.
func (b *bench) stray(k tasks.Kind) tasks.Row {
	b.t.Helper()
	return b.row(owe(b.t, b.DB, tasks.Row{Key: tasks.Key{Kind: k}, DueAt: b.now(), CreatedAt: b.now()}).Key)
}

func TestADeadTaskIsAnAlertOfTheSameCommit(t *testing.T) {
	b := newBench(t)
	o, row := b.telling()
	b.settle(row, tasks.Later(errTest))
	require.Empty(t, b.alerts(), "it is alive")

	row = b.row(row.Key)
	b.settle(row, tasks.Never(errTest))
	require.Len(t, b.alerts(), 1)
	owed := b.alerts()[0]
	require.Equal(t, 1, b.dispatched(owed.Key), "it goes out at once")
	a, err := tasks.ReadAlert(owed.Payload)
	require.NoError(t, err)
	require.Equal(t, tasks.AlertTaskDead, a.Name)
	require.Equal(t, o.ID, a.Order)
	require.Contains(t, a.Text, errTest.Error())
	require.Contains(t, a.Text, "orderflow task requeue delivery:notify "+row.Subject.String())
	dead, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead})
	require.NoError(t, err)
	require.Equal(t, dead[0].DeadAt, a.At)
	var commits int
	require.NoError(t, b.QueryRowContext(b.ctx, "SELECT count(DISTINCT xmin::text) FROM outbox WHERE dead_at IS NOT NULL OR kind = ?", tasks.AlertSend).Scan(&commits))
	require.Equal(t, 1, commits)
}

func TestEveryWayToDieIsAnAlert(t *testing.T) {
	for name, try := range map[string]func(b *bench) tasks.Settlement{
		"no try can help": func(b *bench) tasks.Settlement {
			_, row := b.telling()
			return tasks.Settlement{Row: row, Verdict: tasks.Never(errTest)}
		},
		"out of tries": func(b *bench) tasks.Settlement {
			_, row := b.telling()
			run(b.t, b.DB, "UPDATE outbox SET attempts = 13 WHERE kind = ?", row.Kind)
			return tasks.Settlement{Row: b.row(row.Key), Verdict: tasks.Later(errTest)}
		},
		"no such order": func(b *bench) tasks.Settlement {
			return tasks.Settlement{Row: b.stray(tasks.OrderClose), Verdict: tasks.Done(), Apply: func(*order.Order) error { return nil }}
		},
		"no such part": func(b *bench) tasks.Settlement {
			_, row := b.telling()
			return tasks.Settlement{Row: row, Verdict: tasks.Done(), Apply: func(*order.Order) error { return order.ErrNotFound }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := try(b)
			b.Settle(b.ctx, s, s) // the second try of a row is none
			b.Settle(b.ctx, s)
			dead, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead})
			require.NoError(t, err)
			require.Len(t, dead, 1)
			require.Len(t, b.alerts(), 1)
			a, err := tasks.ReadAlert(b.alerts()[0].Payload)
			require.NoError(t, err)
			require.Equal(t, order.Family(s.Row.Subject), a.Order)
		})
	}
}

// What dies while its order moves on is not owed any more, and nobody is woken.
func TestADeathThatNobodyNeedHearOf(t *testing.T) {
	b := newBench(t)
	o, row := b.telling()
	require.NoError(t, b.Settle(b.ctx, tasks.Settlement{
		Row: row, Verdict: tasks.Never(errTest), Apply: func(o *order.Order) error { return o.Deliver("", "merchant:m_1", b.now()) },
	})[0])
	require.Equal(t, order.Delivered, b.status(o.ID))
	require.False(t, b.owes(row.Key))
	require.Empty(t, b.alerts())
}

func TestARowThatDiesAgainIsAnotherAlert(t *testing.T) {
	b := newBench(t)
	_, row := b.telling()
	for n := 1; n <= 3; n++ {
		b.settle(b.row(row.Key), tasks.Never(errTest))
		require.Len(t, b.alerts(), n)
		require.NoError(t, b.Requeue(b.ctx, row.Key, "operator:alice", "mended", b.now()))
	}
}

// An alert's subject is no order's, and its row is settled like any other.
func TestAnAlertIsARowLikeAnyOther(t *testing.T) {
	dying := func(t *testing.T) (*bench, tasks.Row) {
		b := newBench(t)
		_, row := b.telling()
		b.settle(row, tasks.Never(errTest))
		return b, b.row(b.alerts()[0].Key)
	}
	t.Run("sent", func(t *testing.T) {
		b, a := dying(t)
		b.settle(a, tasks.Done())
		require.Empty(t, b.alerts())
		require.ErrorIs(t, b.Settle(b.ctx, tasks.Settlement{Row: a, Verdict: tasks.Done()})[0], tasks.ErrGone)
	})
	t.Run("not sent", func(t *testing.T) {
		b, a := dying(t)
		b.settle(a, tasks.Later(errors.New("503")))
		next := b.row(a.Key)
		require.Equal(t, 1, next.Attempts)
		require.Equal(t, a.Payload, next.Payload)
		require.WithinDuration(t, b.now().Add(5*time.Second), next.DueAt, 2*time.Second)
	})
	t.Run("dead, and requeued", func(t *testing.T) {
		b, a := dying(t)
		b.settle(a, tasks.Never(errTest))
		require.Equal(t, []tasks.Key{a.Key}, namesOf(b.alerts()), "it makes no other")
		require.False(t, b.owes(a.Key))
		k, err := tasks.SubjectOf(a.Subject.String()) // as an operator types it
		require.NoError(t, err)
		require.NoError(t, b.Requeue(b.ctx, tasks.Key{Kind: tasks.AlertSend, Subject: k}, "operator:alice", "mended", b.now()))
		due, err := b.Promote(b.ctx, b.now(), time.Second, 10)
		require.NoError(t, err)
		require.Contains(t, keysOf(due), a.Key)
		b.settle(b.row(a.Key), tasks.Done())
		require.Empty(t, b.alerts())
	})
	t.Run("it cannot change an order", func(t *testing.T) {
		b, a := dying(t)
		err := b.Settle(b.ctx, tasks.Settlement{Row: a, Verdict: tasks.Done(), Apply: func(*order.Order) error { return nil }})[0]
		require.ErrorIs(t, err, order.ErrNotFound)
	})
}

// Alerts have no order whose lock keeps two processes apart: while tasks die at
// both, both send the alerts of those that are dead.
func TestAlertsAtTwoProcessesWithoutDeadlock(t *testing.T) {
	b := newBench(t)
	second, undone := b.another()
	stores := []*db.Store{b.Store, second}
	var rows, sent []tasks.Row
	for i := range 40 {
		_, row := b.telling()
		if rows = append(rows, row); i%2 == 0 {
			b.settle(row, tasks.Never(errTest))
		}
	}
	sent = b.alerts()
	require.Len(t, sent, 20)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := stores[i%2].Settle(b.ctx, tasks.Settlement{Row: rows[2*i+1], Verdict: tasks.Never(errTest)})[0]; err != nil {
				t.Error(err)
			}
		})
		for j, at := range stores {
			wg.Go(func() {
				err := at.Settle(b.ctx, tasks.Settlement{Row: sent[(i*(2*j+1))%20], Verdict: tasks.Later(errTest)})[0]
				if err != nil && !errors.Is(err, tasks.ErrGone) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	require.Empty(t, undone.All())
	list := b.alerts()
	require.Len(t, list, 40)
	for _, a := range list {
		require.LessOrEqual(t, a.Attempts, 1, "one of the two has settled it")
	}
}
