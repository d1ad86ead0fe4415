package db_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/tasks"
)

// Somebody else has the row that is fulfilled just now. What they make of it
// counts: left as it was, it is fulfilled; otherwise the try settles nothing.
func TestAFulfilledRowThatSomebodyElseHas(t *testing.T) {
	for name, c := range map[string]struct {
		theirs string
		want   error
	}{
		"is left as it was": {"SELECT 1 FROM outbox FOR UPDATE", nil},
		"is owed anew":      {"UPDATE outbox SET generation = generation + 1", tasks.ErrGone},
		"is done by now":    {"DELETE FROM outbox", tasks.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			row := b.stray(tasks.MerchantNotify)
			theirs, err := b.BeginTx(b.ctx, nil)
			require.NoError(t, err)
			defer func() { _ = theirs.Rollback() }()
			_, err = theirs.ExecContext(b.ctx, c.theirs)
			require.NoError(t, err)

			settled := make(chan error, 1)
			go func() { settled <- b.Settle(b.ctx, tasks.Settlement{Row: row, Verdict: tasks.Done()})[0] }()
			dbtest.Waits(t, b.DB)
			require.NoError(t, theirs.Commit())
			require.ErrorIs(t, <-settled, c.want)
			require.Equal(t, name == "is owed anew", b.owes(row.Key))
		})
	}
}

// On a database that is new, where every table is best read as a whole, the hot
// connections plan by key all the same, and the others do not.
func TestHotStatementsAreByKey(t *testing.T) {
	b := newBench(t)
	const sql = `EXPLAIN SELECT o.* FROM unnest(ARRAY['order:close'], ARRAY[gen_random_uuid()]) AS v (kind, subject) JOIN outbox o USING (kind, subject)`
	rows, err := b.HotPool().Query(b.ctx, sql)
	require.NoError(t, err)
	hot, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, strings.Join(hot, "\n"), "Index Scan using outbox_pkey")

	for setting, want := range map[string][2]string{
		"enable_seqscan": {"off", "on"}, "enable_bitmapscan": {"off", "on"}, "enable_hashjoin": {"off", "on"},
		"enable_mergejoin": {"off", "on"}, "plan_cache_mode": {"force_generic_plan", "auto"},
	} {
		var atHot, atOthers string
		require.NoError(t, b.HotPool().QueryRow(b.ctx, "SHOW "+setting).Scan(&atHot))
		require.NoError(t, b.QueryRowContext(b.ctx, "SHOW "+setting).Scan(&atOthers))
		require.Equal(t, want, [2]string{atHot, atOthers}, setting)
	}
}
