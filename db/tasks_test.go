package db_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// owe writes a row of the outbox.
func owe(t *testing.T, d *db.DB, r tasks.Row) tasks.Row {
	t.Helper()
	if r.Subject.IsZero() {
		r.Subject = ident.New[struct{}]()
	}
	if r.CreatedAt.IsZero() {
		r.CreatedAt = nine
	}
	orNull := func(at time.Time) any {
		if at.IsZero() {
			return nil
		}
		return at
	}
	run(t, d, `INSERT INTO outbox (kind, subject, payload, due_at, promoted_at, generation, attempts, last_error, dead_at, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.Kind, r.Subject, r.Payload, r.DueAt, orNull(r.PromotedAt), r.Generation, r.Attempts, r.LastError,
		orNull(r.DeadAt), r.CreatedAt)
	return r
}

// an outbox with a row of each sort, around the present time of the database.
type outbox struct {
	late, latePromoted, soon, soonPromoted, future, dead1, dead2 tasks.Row
}

func fill(t *testing.T, d *db.DB) (o outbox) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	row := func(kind tasks.Kind, due time.Duration) tasks.Row {
		return tasks.Row{Key: tasks.Key{Kind: kind}, DueAt: now.Add(due)}
	}
	promoted := func(r tasks.Row) tasks.Row {
		r.PromotedAt = now
		return r
	}
	dead := func(r tasks.Row, ago time.Duration) tasks.Row {
		r.DeadAt, r.Attempts, r.LastError, r.Payload = now.Add(-ago), 14, "410 Gone", []byte(`{"a":1}`)
		return r
	}
	o.late = owe(t, d, row(tasks.OrderClose, -time.Hour))
	o.latePromoted = owe(t, d, promoted(row(tasks.PaymentQuery, -30*time.Minute)))
	o.soonPromoted = owe(t, d, promoted(row(tasks.OrderClose, 10*time.Minute)))
	o.soon = owe(t, d, row(tasks.OrderClose, 20*time.Minute))
	o.future = owe(t, d, row("future:kind", time.Hour))
	o.dead2 = owe(t, d, dead(row(tasks.DeliveryNotify, -3*time.Hour), time.Minute))
	o.dead1 = owe(t, d, dead(row(tasks.OrderClose, -2*time.Hour), time.Hour))
	return o
}

func TestTasks(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	o := fill(t, d)
	living := []tasks.Row{o.late, o.latePromoted, o.soonPromoted, o.soon, o.future}
	for _, c := range []struct {
		name   string
		filter tasks.Filter
		want   []tasks.Row
	}{
		{"nothing said: the living, soonest first", tasks.Filter{}, living},
		{"waiting", tasks.Filter{State: tasks.Waiting}, living},
		{"of a kind", tasks.Filter{Kind: tasks.OrderClose}, []tasks.Row{o.late, o.soonPromoted, o.soon}},
		{"overdue", tasks.Filter{State: tasks.Overdue}, []tasks.Row{o.late, o.latePromoted}},
		{"overdue of a kind", tasks.Filter{State: tasks.Overdue, Kind: tasks.PaymentQuery}, []tasks.Row{o.latePromoted}},
		{"dead, longest first", tasks.Filter{State: tasks.Dead}, []tasks.Row{o.dead1, o.dead2}},
		{"dead of a kind", tasks.Filter{State: tasks.Dead, Kind: tasks.DeliveryNotify}, []tasks.Row{o.dead2}},
		{"a page", tasks.Filter{Limit: 2}, living[:2]},
		{"the page after it", tasks.Filter{Limit: 2, After: tasks.PlaceOf(o.latePromoted)}, living[2:4]},
		{"the last page", tasks.Filter{Limit: 2, After: tasks.PlaceOf(o.soon)}, living[4:]},
		{"after the first dead", tasks.Filter{State: tasks.Dead, After: tasks.PlaceOf(o.dead1)}, []tasks.Row{o.dead2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := d.Tasks(t.Context(), c.filter)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := d.Tasks(t.Context(), tasks.Filter{State: "lost"})
	require.ErrorContains(t, err, "want waiting, overdue or dead")
}

// Rows that are due at one moment are paged through without loss or repeat.
func TestTasksOfOneMoment(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	want := map[tasks.Key]bool{}
	for i := range 9 {
		r := tasks.Row{Key: tasks.Key{Kind: tasks.OrderClose}, DueAt: nine}
		if i%3 == 0 {
			r.Kind = tasks.PaymentQuery
		}
		if i%2 == 0 {
			r.PromotedAt = nine
		}
		want[owe(t, d, r).Key] = true
	}
	f := tasks.Filter{Limit: 2}
	for range 5 {
		rows, err := d.Tasks(t.Context(), f)
		require.NoError(t, err)
		for _, r := range rows {
			require.True(t, want[r.Key], "%s came twice", r.Key)
			delete(want, r.Key)
			f.After = tasks.PlaceOf(r)
		}
	}
	require.Empty(t, want)
}

func TestRequeue(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	o := fill(t, d)
	now := nine.Add(time.Minute)
	for name, before := range map[string]tasks.Row{"dead": o.dead2, "promoted": o.latePromoted, "waiting": o.soon} {
		require.NoError(t, d.Requeue(ctx, before.Key, "operator:alice", "mended", now), name)
		rows, err := d.Tasks(ctx, tasks.Filter{Kind: before.Kind})
		require.NoError(t, err)
		want := before
		want.Generation, want.Attempts, want.DueAt, want.PromotedAt, want.DeadAt = before.Generation+1, 0, now, time.Time{}, time.Time{}
		require.Contains(t, rows, want, name)
	}
	dead, err := d.Tasks(ctx, tasks.Filter{State: tasks.Dead})
	require.NoError(t, err)
	require.Equal(t, []tasks.Row{o.dead1}, dead, "no other row was touched")

	gone := tasks.Key{Kind: tasks.OrderClose, Subject: o.dead2.Subject}
	err = d.Requeue(ctx, gone, "operator:alice", "mended", now)
	require.ErrorIs(t, err, order.ErrNotFound)
	require.ErrorContains(t, err, gone.String())
}

func TestTaskCounts(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()

	empty, err := d.TaskCounts(ctx)
	require.NoError(t, err)
	require.Len(t, empty, len(tasks.Specs()))
	for i, spec := range tasks.Specs() {
		require.Equal(t, tasks.Count{Kind: spec.Kind}, empty[i])
	}

	o := fill(t, d)
	counts, err := d.TaskCounts(ctx)
	require.NoError(t, err)
	got := map[tasks.Kind]tasks.Count{}
	for _, c := range counts {
		if c != (tasks.Count{Kind: c.Kind}) {
			got[c.Kind] = c
		}
	}
	require.Equal(t, map[tasks.Kind]tasks.Count{
		tasks.OrderClose:     {Kind: tasks.OrderClose, Waiting: 2, Promoted: 1, Overdue: 1, Dead: 1, OldestDue: o.late.DueAt},
		tasks.PaymentQuery:   {Kind: tasks.PaymentQuery, Promoted: 1, Overdue: 1, OldestDue: o.latePromoted.DueAt},
		tasks.DeliveryNotify: {Kind: tasks.DeliveryNotify, Dead: 1},
		"future:kind":        {Kind: "future:kind", Waiting: 1, OldestDue: o.future.DueAt},
	}, got)
	require.Equal(t, tasks.Kind("future:kind"), counts[len(counts)-1].Kind, "kinds of another release come last")
}

// What counts is what is due and in somebody's hands, of one kind.
func TestCountDue(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	now := time.Now()
	for _, r := range []tasks.Row{
		{Key: tasks.Key{Kind: tasks.PaymentConfirm}, DueAt: now.Add(-time.Minute), PromotedAt: now},
		{Key: tasks.Key{Kind: tasks.PaymentConfirm}, DueAt: now.Add(-time.Hour), PromotedAt: now},
		{Key: tasks.Key{Kind: tasks.PaymentConfirm}, DueAt: now.Add(time.Hour), PromotedAt: now},
		{Key: tasks.Key{Kind: tasks.PaymentConfirm}, DueAt: now.Add(-time.Hour)},
		{Key: tasks.Key{Kind: tasks.PaymentConfirm}, DueAt: now.Add(-time.Hour), PromotedAt: now, DeadAt: now},
		{Key: tasks.Key{Kind: tasks.OrderClose}, DueAt: now.Add(-time.Hour), PromotedAt: now},
	} {
		owe(t, d, r)
	}
	n, err := d.CountDue(t.Context(), tasks.PaymentConfirm)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}
