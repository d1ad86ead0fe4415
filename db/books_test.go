package db_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/order"
)

// The schema itself keeps the books: whoever has a connection can add to them
// what balances, and nothing else.
func TestTheSchemaKeepsTheBooks(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	_, err := b.SetStock(b.ctx, "m_1", "A", 100, "operator:test")
	require.NoError(t, err)
	o, a := b.created("A", 2)
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))

	const (
		onlyAdded = "23001" // restrict_violation
		check     = "23514"
		notNull   = "23502"
		unique    = "23505"
	)
	posting := func(values string) string {
		return "INSERT INTO ledger_postings (order_id, seq, line, debit, credit, amount, currency, at) SELECT id, 99, 0, " + values + ", now() FROM orders"
	}
	for statement, code := range map[string]string{
		posting("'bank', 'loss', 0, 'CNY'"):                                                check,
		posting("'bank', 'loss', -1, 'CNY'"):                                               check,
		posting("'bank', 'bank', 1, 'CNY'"):                                                check,
		posting("'bank', 'loss', 1, ''"):                                                   check,
		posting("'bank', 'loss', 1, 'cny'"):                                                check,
		posting("'bank', 'loss', 1, 'CNY '"):                                               check,
		posting("'bank', 'loss', 1, 'EURO'"):                                               check,
		posting("NULL, 'loss', 1, 'CNY'"):                                                  notNull,
		posting("'bank', NULL, 1, 'CNY'"):                                                  notNull,
		posting("'bank', 'loss', 1, NULL"):                                                 notNull,
		"INSERT INTO ledger_postings SELECT * FROM ledger_postings":                        unique,
		"INSERT INTO ledger_postings SELECT * FROM ledger_postings ON CONFLICT DO NOTHING": "",
		"INSERT INTO ledger_postings SELECT * FROM ledger_postings ON CONFLICT (order_id, seq, line) DO UPDATE SET amount = 1": onlyAdded,
	} {
		refused(t, b, statement, code)
	}
	for _, table := range []string{"ledger_postings", "order_events", "stock_moves", "stock_sets"} {
		refused(t, b, "UPDATE "+table+" SET at = now()", onlyAdded)
		refused(t, b, "UPDATE "+table+" SET at = now() WHERE false", onlyAdded)
		refused(t, b, "DELETE FROM "+table, onlyAdded)
		refused(t, b, "TRUNCATE "+table, onlyAdded)
		refused(t, b, "TRUNCATE merchants, api_keys, endpoints, "+table, onlyAdded)
	}
	_, err = b.ExecContext(b.ctx, "DELETE FROM ledger_postings")
	require.ErrorContains(t, err, "DELETE on ledger_postings refused: its rows are only ever added")
}

// refused wants PostgreSQL to refuse a statement with a code; "" when it must
// not.
func refused(t *testing.T, b *bench, statement, code string) {
	t.Helper()
	_, err := b.ExecContext(b.ctx, statement)
	if code == "" {
		require.NoError(t, err, statement)
		return
	}
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg, statement)
	require.Equal(t, code, pg.Code, "%s: %v", statement, err)
}

// stockSet is a row of stock_sets.
type stockSet struct {
	Delta  int64
	OnHand int64 `bun:"on_hand"`
	Actor  string
}

func stockSets(t *testing.T, d *db.DB, sku string) (list []stockSet) {
	t.Helper()
	require.NoError(t, d.NewSelect().Table("stock_sets").Column("delta", "on_hand", "actor").
		Where("sku = ?", sku).Order("id").Scan(t.Context(), &list))
	return list
}

func TestWhoSetTheStockIsKept(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	set := func(n int64, by order.Actor) {
		_, err := b.SetStock(b.ctx, "m_1", "TEA", n, by)
		require.NoError(t, err)
	}
	set(10, "operator:alice")
	o, a := b.created("TEA", 3)
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	set(7, "merchant:m_1") // counted, and it was right
	b.created("TEA", 2)
	_, err := b.SetStock(b.ctx, "m_1", "TEA", 1, "operator:bob")
	require.ErrorIs(t, err, order.ErrNotAllowed)
	set(20, "operator:bob")
	require.Equal(t, []stockSet{{10, 10, "operator:alice"}, {0, 7, "merchant:m_1"}, {13, 20, "operator:bob"}}, stockSets(t, b.DB, "TEA"))
}

// Ten people count a new SKU at once: each count is of what the one before
// left, so that together they are the last.
func TestStockSetByManyAtOnce(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	var wg sync.WaitGroup
	for n := range int64(10) {
		wg.Go(func() {
			_, err := b.SetStock(b.ctx, "m_1", "TEA", n, "operator:test")
			require.NoError(t, err)
		})
	}
	wg.Wait()
	list := stockSets(t, b.DB, "TEA")
	require.Len(t, list, 10)
	var before int64
	for _, s := range list {
		require.Equal(t, s.OnHand-before, s.Delta)
		before = s.OnHand
	}
}

// A database that sold before stock_sets was there adds up as well: taking the
// step back and again is what an old database goes through.
func TestStockFromBeforeTheBooks(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	for sku, n := range map[string]int64{"SOLD": 10, "BACK": 10, "IDLE": 10, "NONE": 0} {
		_, err := b.SetStock(b.ctx, "m_1", sku, n, "operator:alice")
		require.NoError(t, err)
	}
	for _, sku := range []string{"SOLD", "BACK"} {
		o, a := b.created(sku, 3)
		require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
		if sku == "BACK" {
			b.givenBack(o.ID)
		}
	}
	b.created("SOLD", 1)
	remigrate(t, b.DB, "0003_books")
	for sku, n := range map[string]int64{"SOLD": 10, "BACK": 10, "IDLE": 10, "NONE": 0} {
		require.Equal(t, []stockSet{{n, n, "migration"}}, stockSets(t, b.DB, sku), sku)
	}
}

// givenBack takes a paid order whose delivery fails to its end.
func (b *bench) givenBack(id order.ID) {
	b.t.Helper()
	now := b.now()
	require.NoError(b.t, b.Update(b.ctx, id, nil, func(o *order.Order) error {
		return errors.Join(o.FailDelivery("broken", "merchant:m_1", now),
			o.SubmitRefund(o.Refunds[0].ID, now.Add(time.Second)), o.SucceedRefund(o.Refunds[0].ID, now.Add(2*time.Second)))
	}))
}

// remigrate takes the schema back to before a step, and up again.
func remigrate(t *testing.T, d *db.DB, step string) {
	t.Helper()
	for {
		taken, err := d.MigrateDown(t.Context())
		require.NoError(t, err)
		if taken.Name == step {
			break
		}
	}
	_, err := d.Migrate(t.Context())
	require.NoError(t, err)
}

func TestBalancesAreViews(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	run(t, d, `INSERT INTO ledger_postings (order_id, seq, line, debit, credit, amount, currency, at) VALUES
		(gen_random_uuid(), 1, 0, 'channel_receivable:sandbox', 'merchant_pending:m_1', 100, 'CNY', now()),
		(gen_random_uuid(), 1, 0, 'channel_receivable:sandbox', 'merchant_pending:m_1', 7, 'JPY', now()),
		(gen_random_uuid(), 1, 0, 'merchant_pending:m_1', 'merchant_available:m_1', 60, 'CNY', now()),
		(gen_random_uuid(), 1, 0, 'merchant_pending:m_1', 'platform_fee', 40, 'CNY', now()),
		(gen_random_uuid(), 1, 0, 'merchant_available:m_1', 'refund_payable', 61, 'CNY', now())`)
	rows := func(query string) (list []string) {
		t.Helper()
		require.NoError(t, d.NewRaw(query).Scan(t.Context(), &list))
		return list
	}
	require.Equal(t, []string{
		"channel_receivable:sandbox CNY 100", "channel_receivable:sandbox JPY 7", "merchant_available:m_1 CNY 1", "merchant_pending:m_1 CNY 0",
		"merchant_pending:m_1 JPY -7", "platform_fee CNY -40", "refund_payable CNY -61",
	}, rows(`SELECT concat_ws(' ', account, currency, balance) FROM ledger_balances ORDER BY account COLLATE "C", currency`))
	require.Equal(t, []string{"m_1 CNY 0 -1", "m_1 JPY 7 0"},
		rows("SELECT concat_ws(' ', merchant_id, currency, pending, available) FROM merchant_balances ORDER BY currency"))
}
