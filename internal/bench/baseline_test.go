package bench

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
)

// baselineMarket is the baselines' tables with one order that is through.
func baselineMarket(t *testing.T) (*baseline, *pgx.Conn, *book) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dbtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	schema, err := os.ReadFile("../../bench/baseline/trade/schema.sql")
	require.NoError(t, err)
	for _, sql := range []string{
		"CREATE SCHEMA baseline; SET search_path = baseline", string(schema),
		"INSERT INTO orders (id, merchant_id, out_trade_no, amount, currency, state, notify_url) VALUES (1, 1, 'n1', 12990, 'CNY', 'delivered', '')",
		"INSERT INTO order_items (order_id, sku, qty, price) VALUES (1, 'a', 1, 9990), (1, 'b', 3, 1000)",
		"INSERT INTO payments (order_id, txn_id, channel, amount) VALUES (1, 'TX1', 'alipay', 12990)",
		"INSERT INTO order_events (order_id, from_state, to_state) VALUES (1, 'pending', 'paid')",
		"INSERT INTO delivery_attempts (order_id, attempt, status, duration_ms) VALUES (1, 1, 200, 3)",
	} {
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err, sql)
	}
	b := newBook()
	l := &life{receipt: receipt{order: "1", payment: "TX1"}}
	b.keep(l)
	b.call(l, time.Now())
	b.acknowledge(l, time.Now())
	b.tell("1", "1", time.Now())
	return &baseline{title: Bare}, conn, b
}

func TestTheBaselinesAreVerifiedAsWell(t *testing.T) {
	t.Parallel()
	sys, conn, book := baselineMarket(t)
	for name, c := range map[string]struct{ sql, finding string }{
		"nothing":                 {"SELECT 1", ""},
		"an order is not told":    {"UPDATE orders SET state = 'paid'", "a paid order is delivered"},
		"an item is lost":         {"DELETE FROM order_items WHERE qty = 3", "has its two items"},
		"a payment is lost":       {"DELETE FROM payments", "has one payment"},
		"a notice is not noted":   {"DELETE FROM delivery_attempts", "and one delivery"},
		"an order is told of two": {"INSERT INTO order_events (order_id, from_state, to_state) VALUES (1, 'pending', 'paid')", "one event"},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // one connection, one transaction
			tx, err := conn.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
			_, err = tx.Exec(t.Context(), c.sql)
			require.NoError(t, err)
			findings, err := sys.verify(t.Context(), conn, book)
			require.NoError(t, err)
			if c.finding == "" {
				require.Empty(t, findings)
				return
			}
			require.Contains(t, strings.Join(findings, "\n"), c.finding)
		})
	}
	left, err := sys.left(t.Context(), conn)
	require.NoError(t, err)
	require.Zero(t, left)
}

func TestTheBaselineDriver(t *testing.T) {
	t.Parallel()
	b := &baseline{title: Bare}
	c := b.order(51, false, site{doors: []string{"http://m/notices"}})
	require.Equal(t, "/orders", c.path)
	require.JSONEq(t, `{"merchant_id":2,"out_trade_no":"bare-0000000051","amount":12990,"currency":"CNY","notify_url":"http://m/notices",
		"items":[{"sku":"TEA-11","qty":1,"price":9990},{"sku":"CUP-000051","qty":3,"price":1000}]}`, string(c.body))
	r, err := b.made([]byte(`{"id":9}`))
	require.NoError(t, err)
	require.Equal(t, receipt{order: "9", payment: "TX9"}, r)
	_, err = b.made([]byte(`{}`))
	require.Error(t, err)
	c = b.callback(r)
	require.JSONEq(t, `{"order_id":9,"txn_id":"TX9","amount":12990,"channel":"alipay"}`, string(c.body))
	require.Equal(t, "X-Signature: "+hexMAC(baselineSecret, c.body)+"\r\n", c.header)
}
