package db_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// longAgo is in a month that every maintenance takes out.
func longAgo() time.Time {
	return time.Now().UTC().AddDate(-2, 0, 0).Truncate(time.Second)
}

// idAt is an order's identifier as it was made at a time.
func idAt(at time.Time) order.ID {
	id := ident.New[order.Order]()
	for i := range 6 {
		id[i] = byte(at.UnixMilli() >> (8 * (5 - i)))
	}
	return id
}

// old is an order of two teas that was made at a time and is unpaid.
func (b *bench) old(at time.Time) (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, err := order.New(idAt(at), order.Draft{
		MerchantID: "m_1", MerchantOrderNo: "N" + uuid.NewString(), BuyerID: "b_1", Currency: "CNY", FeeBps: 60,
		Items: []order.Item{{SKU: "TEA", Name: "Tea", Quantity: 2, UnitPrice: 1299}},
	}, "app:test", at)
	require.NoError(b.t, err)
	a, err := o.Pay("sandbox", "app:test", at)
	require.NoError(b.t, err)
	require.NoError(b.t, b.Create(b.ctx, o, nil))
	return o, a
}

// finished is one that was paid, delivered and completed.
func (b *bench) finished(at time.Time) (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, a := b.old(at)
	for _, step := range []func(*order.Order) error{
		func(o *order.Order) error { return o.Receive(paid(a, at), at) },
		func(o *order.Order) error { return o.Deliver("parcel 7", "merchant:m_1", at) },
		func(o *order.Order) error { return o.Complete("app:test", at) },
	} {
		require.NoError(b.t, b.Update(b.ctx, o.ID, nil, step))
	}
	return o, a
}

// stocked is a bench whose merchant has a thousand teas, and the months that
// old orders need.
func stocked(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	seedMerchant(t, b)
	_, err := b.SetStock(b.ctx, "m_1", "TEA", 1000, "operator:test")
	require.NoError(t, err)
	_, err = b.EnsureMonths(b.ctx, longAgo(), longAgo().AddDate(0, 1, 0))
	require.NoError(t, err)
	return b
}

func (b *bench) names() (names []string) {
	b.t.Helper()
	list, strays, err := b.Months(b.ctx)
	require.NoError(b.t, err)
	require.Zero(b.t, strays)
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names
}

func (b *bench) balances() map[string]int64 {
	b.t.Helper()
	rows, err := b.QueryContext(b.ctx, "SELECT account || ' ' || currency, balance FROM ledger_balances WHERE balance <> 0")
	require.NoError(b.t, err)
	defer rows.Close()
	all := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		require.NoError(b.t, rows.Scan(&name, &n))
		all[name] = n
	}
	require.NoError(b.t, rows.Err())
	return all
}

func TestMonthsAreMadeAhead(t *testing.T) {
	b := newBench(t)
	now := time.Date(2031, 12, 3, 23, 0, 0, 0, time.UTC)
	first := b.names()
	require.Len(t, first, 2, "a migrated database has this month and the next")
	require.Equal(t, db.MonthOf(time.Now()), first[0])

	made, err := b.EnsureAhead(b.ctx, now)
	require.NoError(t, err)
	require.Equal(t, []string{"2031_12", "2032_01"}, made, "over the end of a year")
	made, err = b.EnsureAhead(b.ctx, now)
	require.NoError(t, err)
	require.Empty(t, made, "they are there")

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := b.EnsureMonths(b.ctx, now, now.AddDate(0, 5, 0))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, append(first, "2031_12", "2032_01", "2032_02", "2032_03", "2032_04", "2032_05"), b.names(), "several at once make each once")
}

// All of an order lies in its month, whenever it is written.
func TestAnOrderLiesInItsMonth(t *testing.T) {
	b := stocked(t)
	b.subscribes(false)
	o, a := b.finished(longAgo())
	require.Equal(t, 1, b.notices(merchant.OrderCompleted))
	require.NoError(t, b.Receive(b.ctx, "sandbox", notice(a, "late", b.now()), []byte("{}"), b.now()))
	month := db.MonthOf(longAgo())
	for table, column := range map[string]string{
		"orders": "id", "attempts": "id", "order_events": "order_id", "stock_moves": "order_id", "ledger_postings": "order_id", "inbox": "subject", "notices": "id",
	} {
		var lies []string
		require.NoError(t, b.NewRaw("SELECT DISTINCT tableoid::regclass::text FROM "+table+" WHERE "+column+" >= ?", o.ID).Scan(b.ctx, &lies))
		require.Equal(t, []string{table + "_" + month}, lies)
	}
}

// A month that was forgotten stops nobody, and is made round what lies there.
func TestAForgottenMonth(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	at := time.Now().UTC().AddDate(0, 5, 0)
	o, _ := b.old(at)
	require.Equal(t, order.PendingPay, b.status(o.ID))
	made, err := b.EnsureMonths(b.ctx, at.AddDate(0, -1, 0), at.AddDate(0, 1, 0))
	require.NoError(t, err)
	require.NotContains(t, made, db.MonthOf(at))
	require.Eventually(t, func() bool { // PostgreSQL counts with a delay
		_, strays, err := b.Months(b.ctx)
		return err == nil && strays > 0
	}, 10*time.Second, 20*time.Millisecond, "and is told of")
	require.GreaterOrEqual(t, len(made), 1)
	require.Equal(t, order.PendingPay, b.status(o.ID))
}

func TestAMonthIsTakenOut(t *testing.T) {
	b := stocked(t)
	at := longAgo()
	o, a := b.finished(at)
	unpaid, _ := b.old(at)
	require.NoError(t, b.Update(b.ctx, unpaid.ID, nil, func(o *order.Order) error { return o.Cancel("too slow", "app:test", at) }))
	for _, a := range must(b.Order(b.ctx, unpaid.ID)).Attempts {
		require.NoError(t, b.Update(b.ctx, unpaid.ID, nil, func(o *order.Order) error { return o.CloseAttempt(a.ID, "closed at the channel", at) }))
		b.settle(b.row(tasks.About(tasks.PaymentQuery, a.ID)), tasks.Done())
	}
	young, _ := b.finished(b.now())
	_ = young
	before := b.balances()
	require.NotEmpty(t, before)

	b.settleAll(o)
	require.NoError(t, b.Detach(b.ctx, db.MonthOf(at), b.now()))
	require.NotContains(t, b.names(), db.MonthOf(at))
	require.Equal(t, before, b.balances(), "balances are carried on")
	report, err := b.CheckLedger(b.ctx, nil)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	_, err = b.Order(b.ctx, o.ID)
	require.ErrorIs(t, err, order.ErrNotFound)
	var archived int
	require.NoError(t, b.NewRaw("SELECT count(*) FROM archive.orders_"+db.MonthOf(at)).Scan(b.ctx, &archived))
	require.Equal(t, 2, archived)
	_, err = b.ExecContext(b.ctx, "UPDATE archive.orders_"+db.MonthOf(at)+" SET hold = hold")
	require.NoError(t, err, "nothing of the sealing is left")

	// What comes for it now is kept, and nothing follows.
	require.NoError(t, b.Receive(b.ctx, "sandbox", notice(a, "after two years", b.now()), []byte("{}"), b.now()))
	require.False(t, b.owes(confirmKey(a)))
	// Its number is still taken.
	twin, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: "m_1", MerchantOrderNo: o.MerchantOrderNo, BuyerID: "b_1", Currency: "CNY", Items: o.Items,
	}, "app:test", b.now())
	require.NoError(t, err)
	require.ErrorIs(t, b.Create(b.ctx, twin, nil), order.ErrNumberTaken)

	require.ErrorIs(t, b.Detach(b.ctx, db.MonthOf(at), b.now()), order.ErrNotFound)
	var refusal *order.Refusal
	require.ErrorAs(t, b.Detach(b.ctx, db.MonthOf(time.Now()), b.now()), &refusal, "this month is not over")
}

// settleAll fulfils whatever is owed about an order.
func (b *bench) settleAll(o *order.Order) {
	b.t.Helper()
	_, err := b.ExecContext(b.ctx, "DELETE FROM outbox WHERE subject >= ? AND subject <= ?", o.ID, ident.WithPart[order.Order](o.ID, 0xff))
	require.NoError(b.t, err)
}

func TestAMonthInUseStays(t *testing.T) {
	at := longAgo()
	for name, c := range map[string]struct {
		do   func(b *bench) // after a finished order
		says string
	}{
		"an order is unfinished": {func(b *bench) { b.old(at) }, "1 of its orders are unfinished or held, 2 tasks"},
		"a task is dead": {func(b *bench) {
			o, a := b.finished(at)
			require.NoError(b.t, b.Receive(b.ctx, "sandbox", notice(a, "once more", b.now()), []byte("{}"), b.now()))
			b.settle(b.row(confirmKey(a)), tasks.Never(errors.New("poison")))
			_ = o
		}, "0 of its orders are unfinished or held, 1 tasks"},
		"a merchant is yet to be told": {func(b *bench) {
			b.subscribes(true, merchant.OrderCompleted)
			b.finished(at)
		}, "0 of its orders are unfinished or held, 1 tasks"},
	} {
		t.Run(name, func(t *testing.T) {
			b := stocked(t)
			first, _ := b.finished(at)
			c.do(b)
			err := b.Detach(b.ctx, db.MonthOf(at), b.now())
			var use *tasks.InUse
			require.ErrorAs(t, err, &use)
			require.ErrorContains(t, err, c.says)
			require.Contains(t, b.names(), db.MonthOf(at))
			require.NoError(t, b.Update(b.ctx, first.ID, nil, func(o *order.Order) error { return refundSome(o, at) }), "it is not left sealed")
		})
	}
}

// refundSome gives a cent of a completed order back.
func refundSome(o *order.Order, at time.Time) error {
	_, err := o.AskRefund(1, "a dent", "operator:test", at)
	return err
}

// A process that was killed while it took a month out leaves it sealed: its
// orders do not change, all others do, and the next goes on.
func TestASealedMonth(t *testing.T) {
	b := stocked(t)
	at := longAgo()
	o, _ := b.finished(at)
	b.settleAll(o)
	require.NoError(t, b.Seal(b.ctx, at))

	var wg sync.WaitGroup
	errs := make([]error, 9)
	for i := range errs { // in one batch, or some
		id := o.ID
		if i > 0 {
			young, _ := b.created("CUP", 1)
			id = young.ID
		}
		wg.Go(func() {
			errs[i] = b.Update(b.ctx, id, nil, func(o *order.Order) error {
				if i == 0 {
					return refundSome(o, b.now())
				}
				return o.Cancel("changed my mind", "app:test", b.now())
			})
		})
	}
	wg.Wait()
	var refusal *order.Refusal
	require.ErrorAs(t, errs[0], &refusal)
	require.ErrorContains(t, errs[0], "archived")
	for _, err := range errs[1:] {
		require.NoError(t, err, "a neighbour of it")
	}
	require.NoError(t, b.Detach(b.ctx, db.MonthOf(at), b.now()))
	require.NotContains(t, b.names(), db.MonthOf(at))
}

// Money goes back and callbacks come for old orders while their month is being
// taken out: each is either done and keeps the month in, or refused.
func TestTakingOutBesideChanges(t *testing.T) {
	stages := []struct {
		name  string
		lock  string // stops it there
		there string // whether it has come there
	}{
		{"before it is sealed", "LOCK TABLE orders_%s IN ROW EXCLUSIVE MODE", "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'orders_%s'::regclass AND NOT granted)"},
		{"while it is summed up", "LOCK TABLE orders IN ACCESS SHARE MODE", "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'orders_%s'::regclass AND tgname = 'sealed')"},
	}
	refund := func(b *bench, o *order.Order, _ *order.Attempt) error {
		return b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return refundSome(o, b.now()) })
	}
	callback := func(b *bench, _ *order.Order, a *order.Attempt) error {
		return b.Receive(b.ctx, "sandbox", notice(a, "again", b.now()), []byte("{}"), b.now())
	}
	for i, tc := range []struct {
		stage  int
		what   string
		change func(*bench, *order.Order, *order.Attempt) error
		taken  bool
	}{
		{0, "a refund", refund, false},
		{0, "a callback", callback, false},
		{1, "a refund", refund, true},
		{1, "a callback", callback, false},
	} {
		stage := stages[tc.stage]
		t.Run(tc.what+" "+stage.name, func(t *testing.T) {
			b := stocked(t)
			at := longAgo()
			o, a := b.finished(at)
			b.settleAll(o)
			balances := b.balances()
			in := func(sql string) string { return strings.ReplaceAll(sql, "%s", db.MonthOf(at)) }

			holder, err := b.HotPool().Begin(b.ctx)
			require.NoError(t, err)
			_, err = holder.Exec(b.ctx, in(stage.lock))
			require.NoError(t, err)
			taken := make(chan error, 1)
			go func() { taken <- b.Detach(b.ctx, db.MonthOf(at), b.now()) }()
			require.Eventually(t, func() bool {
				var there bool
				return b.NewRaw(in(stage.there)).Scan(b.ctx, &there) == nil && there
			}, 10*time.Second, 5*time.Millisecond)
			changed := tc.change(b, o, a)
			require.NoError(t, holder.Rollback(b.ctx))
			err = <-taken

			owed := b.owes(tasks.About(tasks.RefundSubmit, ident.WithPart[order.Refund](o.ID, 0x40))) || b.owes(confirmKey(a))
			require.NotEqual(t, tc.taken, owed, "case %d: nothing is owed about what is gone, and what keeps it in is still to be done", i)
			if tc.taken {
				require.NoError(t, err)
				var refusal *order.Refusal
				require.ErrorAs(t, changed, &refusal)
				require.Equal(t, balances, b.balances())
				return
			}
			require.NoError(t, changed)
			var use *tasks.InUse
			require.ErrorAs(t, err, &use)
			list, _, err := b.Months(b.ctx)
			require.NoError(t, err)
			require.False(t, list[0].Sealed, "its orders can change again")
		})
	}
}

// Months come and go while orders are made and paid: nobody's is refused or lost.
func TestMonthsBesideTraffic(t *testing.T) {
	b := stocked(t)
	ctx, stop := context.WithCancel(b.ctx)
	var buyers sync.WaitGroup
	var made atomic.Int64
	for range 8 {
		buyers.Go(func() {
			for ctx.Err() == nil {
				o, a := b.draft("CUP", 1)
				if err := b.Create(b.ctx, o, nil); err != nil {
					t.Error(err)
				}
				if err := b.Receive(b.ctx, "sandbox", notice(a, o.ID.String(), b.now()), []byte("{}"), b.now()); err != nil {
					t.Error(err)
				}
				if err := b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }); err != nil {
					t.Error(err)
				}
				made.Add(1)
			}
		})
	}
	defer buyers.Wait()
	defer stop()
	for i := range 5 {
		at := longAgo().AddDate(0, -2*i-2, 0)
		_, err := b.EnsureMonths(b.ctx, at, at)
		require.NoError(t, err)
		require.NoError(t, b.Detach(b.ctx, db.MonthOf(at), b.now()))
	}
	stop()
	buyers.Wait()
	var paid int64
	require.NoError(t, b.NewRaw("SELECT count(*) FROM orders WHERE status = 'paid'").Scan(b.ctx, &paid))
	require.Equal(t, made.Load(), paid)
	require.Positive(t, paid)
	_, err := b.ExecContext(b.ctx, "DELETE FROM outbox WHERE kind = 'payment:confirm'")
	require.NoError(t, err)
}

func TestMaintenance(t *testing.T) {
	b := stocked(t)
	at := longAgo()
	o, _ := b.finished(at)
	b.settleAll(o)
	run(t, b.DB, `INSERT INTO idempotency_keys (scope, key, request_hash, status, answer, created_at)
		SELECT 'app', n::text, '', 200, repeat('x', 900)::bytea, now() - n * interval '1 minute' FROM generate_series(1, 20000) n`)
	run(t, b.DB, `INSERT INTO recoveries (id, merchant_id, endpoint_id, since, until, everything, state, at, at_id, created_at, moved_at, ended_at)
		SELECT lpad(n::text, 32, '0')::uuid, 'm_1', gen_random_uuid(), ended, ended, false, CASE WHEN n = 1 THEN 'cancelled' ELSE 'done' END, ended, gen_random_uuid(), ended, ended, ended
		FROM (VALUES (1, now() - interval '91 days'), (2, now() - interval '91 days'), (3, now() - interval '91 days'), (4, now() - interval '89 days')) AS v (n, ended)`)
	run(t, b.DB, `INSERT INTO deliveries (notice_id, endpoint_id, type, due_at, in_flight, reason, created_at, recovery_id, asked)
		SELECT gen_random_uuid(), endpoint_id, 'order.paid', now(), true, 'recovery', now(), id, true FROM recoveries WHERE state = 'cancelled'`)
	keep := tasks.Keep{Orders: 400 * 24 * time.Hour, Answers: 7 * 24 * time.Hour, Recoveries: 90 * 24 * time.Hour}

	conn, err := b.HotPool().Acquire(b.ctx)
	require.NoError(t, err)
	_, err = conn.Exec(b.ctx, "SELECT pg_advisory_lock($1)", int64(db.MaintenanceLock))
	require.NoError(t, err)
	_, err = b.Maintain(b.ctx, keep, b.now())
	require.ErrorIs(t, err, tasks.ErrMaintaining)
	_, err = conn.Exec(b.ctx, "SELECT pg_advisory_unlock($1)", int64(db.MaintenanceLock))
	require.NoError(t, err)
	conn.Release()

	did, err := b.Maintain(b.ctx, keep, b.now())
	require.NoError(t, err)
	require.Empty(t, did.Made)
	require.Contains(t, did.Taken, db.MonthOf(at))
	require.InDelta(t, 20000-7*24*60, did.Answers, 5)
	require.Equal(t, int64(2), did.Recoveries)
	left, err := b.Recoveries(b.ctx, "m_1", merchant.RecoveryID{}, 5)
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Equal(t, []merchant.RecoveryState{merchant.RecoveryDone, merchant.RecoveryCancelled}, []merchant.RecoveryState{left[0].State, left[1].State}, "the young one, and the one of which something is in flight")
	run(t, b.DB, "DELETE FROM deliveries")
	did, err = b.Maintain(b.ctx, keep, b.now())
	require.NoError(t, err)
	require.Equal(t, tasks.Maintained{Recoveries: 1}, did)
	did, err = b.Maintain(b.ctx, keep, b.now())
	require.NoError(t, err)
	require.Equal(t, tasks.Maintained{}, did, "done is done")

	late, _ := b.old(b.now())
	did, err = b.Maintain(b.ctx, keep, b.now().AddDate(2, 0, 0))
	require.NoError(t, err)
	require.Len(t, did.Made, 2)
	require.Equal(t, order.PendingPay, b.status(late.ID))
}

// What is from before there were months is one, and goes when it is over.
func TestWhatIsFromBeforeTheMonths(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	downTo(t, d, 4)
	run(t, d, before0002)
	_, err := d.Migrate(t.Context())
	require.NoError(t, err)
	list, strays, err := d.Months(t.Context())
	require.NoError(t, err)
	require.Zero(t, strays)
	require.Equal(t, "before", list[0].Name)
	require.Zero(t, list[0].From)
	require.Len(t, list, 2, "this month lies in it, the next is made")
	require.Equal(t, list[0].To, list[1].From)
}

// With as few connections as a process may have.
func TestMaintenanceNeedsTwoConnections(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), dbtest.URL(t), 2)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = d.Maintain(ctx, tasks.DefaultKeep(), time.Now())
	require.NoError(t, err)
}
