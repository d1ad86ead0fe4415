package db_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/order"
)

// trade puts an order of every ending into the books.
func trade(b *bench) {
	b.t.Helper()
	b.created("A", 1)
	update := func(o *order.Order, change func(o *order.Order) error) {
		b.t.Helper()
		require.NoError(b.t, b.Update(b.ctx, o.ID, nil, change))
	}
	o, a := b.created("A", 1) // 1299, completed
	update(o, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) })
	update(o, func(o *order.Order) error { return o.Deliver("SF1", "merchant:m_1", b.now()) })
	update(o, func(o *order.Order) error { return o.Complete("app:test", b.now()) })
	o, a = b.created("A", 2) // 2598, given back
	update(o, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) })
	b.givenBack(o.ID)
	o, late := b.created("A", 3) // 3897, paid after it was closed
	update(o, func(o *order.Order) error { return o.Cancel("changed my mind", "app:test", b.now()) })
	update(o, func(o *order.Order) error { return o.CloseAttempt(late.ID, "closed", b.now()) })
	update(o, func(o *order.Order) error { return o.Receive(paid(late, b.now()), b.now()) })
	o, wrong := b.created("A", 4)
	update(o, func(o *order.Order) error {
		r := paid(wrong, b.now())
		r.Amount, r.Currency = 50, "USD"
		return o.Receive(r, b.now())
	})
}

func TestTheLedgerOfASoundDatabase(t *testing.T) {
	b := newBench(t)
	trade(b)
	r, err := b.CheckLedger(b.ctx, nil)
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	require.Zero(t, r.Wrong)
	require.Equal(t, []int64{5, 5, 2, 8}, []int64{r.Orders, r.Attempts, r.Refunds, r.Postings})
	require.Equal(t, 6, r.Accounts)
	require.Equal(t, []db.LedgerSum{
		{Currency: "CNY", Postings: 7, Moved: 2*1299 + 3*2598 + 3897},
		{Currency: "USD", Postings: 1, Moved: 50},
	}, r.Sums)
	require.False(t, r.First.IsZero())
	require.True(t, r.Last.After(r.First))
	var events int64
	require.NoError(t, b.NewSelect().Table("order_events").ColumnExpr("count(*)").Scan(b.ctx, &events))
	require.Equal(t, events, r.Events)
}

func TestTheLedgerOfAnEmptyDatabase(t *testing.T) {
	b := newBench(t)
	r, err := b.CheckLedger(b.ctx, nil)
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	require.Empty(t, r.Sums)
}

// More orders than are looked at in one go: none is missed, none looked at
// twice, wherever the pages end.
func TestTheLedgerIsReadInPages(t *testing.T) {
	b := newBench(t)
	const orders = db.CheckPage + 1
	var wg sync.WaitGroup
	for range orders {
		o, a := b.draft("A", 1)
		wg.Go(func() {
			require.NoError(t, b.Create(b.ctx, o, nil))
			require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
		})
	}
	wg.Wait()
	for _, left := range []int{1, 0} { // a page with one order, and a page with none
		var told []string
		r, err := b.CheckLedger(b.ctx, func(done, of int64) { told = append(told, fmt.Sprint(done, "/", of)) })
		require.NoError(t, err)
		require.Empty(t, r.Findings)
		n := db.CheckPage + left
		require.Equal(t, []int{n, 3 * n, n, n}, []int{int(r.Orders), int(r.Events), int(r.Attempts), int(r.Postings)})
		require.Equal(t, []string{fmt.Sprint(db.CheckPage, "/", n), fmt.Sprint(n, "/", n)}, told)
		vandalise(b, `CREATE TEMP TABLE one AS SELECT max(id::text) AS id FROM orders; DELETE FROM ledger_postings WHERE order_id::text = (SELECT id FROM one);
			DELETE FROM order_events WHERE order_id::text = (SELECT id FROM one); DELETE FROM attempts WHERE left(id::text, 34) = (SELECT left(id, 34) FROM one);
			DELETE FROM notices WHERE left(id::text, 34) = (SELECT left(id, 34) FROM one); DELETE FROM outbox WHERE left(subject::text, 34) = (SELECT left(id, 34) FROM one);
			DELETE FROM orders WHERE id::text = (SELECT id FROM one); DROP TABLE one`)
	}
}

// Rows of orders that are not there are found, wherever their ids lie.
func TestTheLedgerFindsStrays(t *testing.T) {
	b := newBench(t)
	trade(b)
	first, last := "00000000-0000-7000-8000-00000000", "ffffffff-ffff-7fff-bfff-ffffffff"
	between := ident.New[order.Order]().String()[:32]
	b.created("A", 1)
	for _, family := range []string{first, between, last} {
		for broken, harm := range map[string]string{
			"payment " + strings.ReplaceAll(family, "-", "") + "aa01 has no order": "INSERT INTO attempts (id, channel, status, amount, currency, expire_at, created_at) VALUES ('%saa01', 'sandbox', 'paying', 1, 'CNY', now(), now())",
			"refund " + strings.ReplaceAll(family, "-", "") + "aa40 has no order":  "INSERT INTO refunds (id, attempt_id, status, amount, reason, created_at) VALUES ('%saa40', gen_random_uuid(), 'success', 1, '', now())",
			"1 events and 0 postings are of " + family + "aa00, which is no order": "INSERT INTO order_events (order_id, seq, type, status, actor, at, detail) VALUES ('%saa00', 1, 'order.created', 'pending_pay', 'x', now(), '{}')",
			"0 events and 1 postings are of " + family + "aa00, which is no order": "INSERT INTO ledger_postings (order_id, seq, line, debit, credit, amount, currency, at) VALUES ('%saa00', 1, 0, 'bank', 'loss', 1, 'CNY', now())",
		} {
			_, err := b.ExecContext(b.ctx, fmt.Sprintf(harm, family))
			require.NoError(t, err)
			r, err := b.CheckLedger(b.ctx, nil)
			require.NoError(t, err)
			require.Equal(t, 1, r.Wrong)
			require.Equal(t, []db.Finding{{Check: "everything belongs to an order", What: broken}}, r.Findings)
			vandalise(b, fmt.Sprintf(`DELETE FROM attempts WHERE id::text LIKE '%[1]saa%%'; DELETE FROM refunds WHERE id::text LIKE '%[1]saa%%';
				DELETE FROM order_events WHERE order_id::text LIKE '%[1]saa%%'; DELETE FROM ledger_postings WHERE order_id::text LIKE '%[1]saa%%'`, family))
		}
	}
}

// Balances that people read and that are not what the postings say are found,
// also when they still sum to zero.
func TestTheLedgerFindsWrongBalances(t *testing.T) {
	b := newBench(t)
	trade(b)
	var sound string
	require.NoError(t, b.NewRaw("SELECT pg_get_viewdef('ledger_balances')").Scan(b.ctx, &sound))
	for broken, rules := range map[string][]string{
		"SELECT account, currency, (balance + 1)::bigint AS balance FROM (%s) b": {"balances are what the postings add up to", "the ledger sums to zero in every currency"},
		"SELECT account, currency, -balance AS balance FROM (%s) b":              {"balances are what the postings add up to"},
		"SELECT * FROM (%s) b WHERE account <> 'platform_fee'":                   {"balances are what the postings add up to", "the ledger sums to zero in every currency"},
		"SELECT * FROM (%s) b UNION ALL SELECT 'bank', 'JPY', 1::bigint":         {"balances are what the postings add up to", "the ledger sums to zero in every currency"},
	} {
		_, err := b.ExecContext(b.ctx, "CREATE OR REPLACE VIEW ledger_balances AS "+fmt.Sprintf(broken, strings.TrimSuffix(sound, ";")))
		require.NoError(t, err)
		r, err := b.CheckLedger(b.ctx, nil)
		require.NoError(t, err)
		found := map[string]bool{}
		for _, f := range r.Findings {
			found[f.Check] = true
		}
		for _, rule := range rules {
			require.True(t, found[rule], "%s: %v", broken, r.Findings)
		}
		require.Len(t, found, len(rules))
	}
	_, err := b.ExecContext(b.ctx, "CREATE OR REPLACE VIEW ledger_balances AS "+sound)
	require.NoError(t, err)
}

// Of very many faults, twenty of each rule are told and all are counted.
func TestTheLedgerCountsWhatItDoesNotTell(t *testing.T) {
	b := newBench(t)
	for range 21 {
		o, a := b.created("A", 1)
		require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	}
	vandalise(b, "UPDATE ledger_postings SET line = 1")
	r, err := b.CheckLedger(b.ctx, nil)
	require.NoError(t, err)
	require.Equal(t, 21, r.Wrong)
	require.Len(t, r.Findings, 20)
	require.Equal(t, ledger.RuleExact, r.Findings[0].Check)
	vandalise(b, "UPDATE ledger_postings SET line = 0")
}

func TestBalances(t *testing.T) {
	b := newBench(t)
	trade(b)
	balances := func(f db.BalanceFilter) (list []string) {
		t.Helper()
		all, err := b.Balances(b.ctx, f)
		require.NoError(t, err)
		for _, l := range all {
			list = append(list, fmt.Sprintf("%s %s %d %s", l.Account, l.Class, l.Balance, l.Currency))
		}
		return list
	}
	const (
		channel   = "channel_receivable:sandbox asset 5196 CNY"
		available = "merchant_available:m_1 liability -1292 CNY"
		pending   = "merchant_pending:m_1 liability 0 CNY"
	)
	require.Equal(t, []string{
		channel, "channel_receivable:sandbox asset 50 USD", available, pending,
		"platform_fee income -7 CNY", "refund_payable liability -3897 CNY", "suspense_long liability -50 USD",
	}, balances(db.BalanceFilter{}))
	require.Equal(t, []string{available, pending}, balances(db.BalanceFilter{MerchantID: "m_1"}))
	require.Empty(t, balances(db.BalanceFilter{MerchantID: "m_2"}))
	require.Equal(t, []string{pending}, balances(db.BalanceFilter{MerchantID: "m_1", Account: "merchant_pending"}))
	require.Equal(t, []string{available}, balances(db.BalanceFilter{Account: "merchant_available:m_1"}))
	require.Empty(t, balances(db.BalanceFilter{Account: "merchant"}))
}
