package db_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// before0002 is a database of the release before the reverse trade, with an
// order in every status it knew, written as it wrote them: its events named
// neither disposition nor currency of a refund. $N is the N-th order.
const before0002 = `
INSERT INTO merchants (id, name) VALUES ('m_1', 'Tea');
INSERT INTO stock (merchant_id, sku, on_hand) VALUES ('m_1', 'TEA', 10);
INSERT INTO orders (id, merchant_id, buyer_id, currency, amount, fee_bps, status, hold, version, items, delivery, created_at, expire_at, completed_at)
	SELECT ('01939b1c-5f4a-7c3e-9a00-000000' || n || '00')::uuid, 'm_1', 'b_1', 'CNY', 1000, 0, status, hold, version, '[]',
		CASE WHEN delivery <> '' THEN jsonb_build_object('status', delivery) END, now(), now() + interval '1 hour', CASE WHEN status = 'completed' THEN now() END
	FROM (VALUES
		(1001, 'pending_pay', '', 2, ''), (1002, 'closing', '', 3, ''), (1003, 'closed', 'payment_mismatch', 5, ''), (1004, 'closed', 'payment_mismatch', 5, ''),
		(1005, 'paid', '', 3, 'notifying'), (1006, 'delivering', '', 4, 'accepted'), (1007, 'delivered', '', 5, 'delivered'), (1008, 'completed', '', 6, 'delivered'),
		(1009, 'refunding', '', 5, 'failed'), (1010, 'refunding', 'refund_abnormal', 7, 'failed'), (1011, 'refunded', '', 8, 'failed'), (1012, 'closed', '', 8, '')
	) AS v (n, status, hold, version, delivery);
INSERT INTO attempts (id, channel, status, disposition, amount, currency, expire_at, created_at, trade_no, paid_amount, paid_currency, paid_at)
	SELECT ('01939b1c-5f4a-7c3e-9a00-000000' || n || '01')::uuid, 'sandbox', status, disposition, 1000, 'CNY', now() + interval '1 hour', now(), 'T' || n, paid,
		CASE WHEN status = 'success' THEN 'CNY' ELSE '' END, CASE WHEN status = 'success' THEN now() END
	FROM (VALUES (1002, 'paying', '', 0), (1003, 'success', 'mismatch', 999), (1004, 'success', 'mismatch', 0), (1005, 'success', 'applied', 1000),
		(1006, 'success', 'applied', 1000), (1007, 'success', 'applied', 1000), (1008, 'success', 'applied', 1000), (1009, 'success', 'applied', 1000),
		(1010, 'success', 'applied', 1000), (1011, 'success', 'applied', 1000), (1012, 'success', 'late', 1000)
	) AS v (n, status, disposition, paid);
INSERT INTO refunds (id, attempt_id, status, amount, reason, created_at, done_at)
	SELECT ('01939b1c-5f4a-7c3e-9a00-000000' || n || '40')::uuid, ('01939b1c-5f4a-7c3e-9a00-000000' || n || '01')::uuid, status, 1000, 'sold out', now(),
		CASE WHEN status = 'success' THEN now() END
	FROM (VALUES (1009, 'created'), (1010, 'abnormal'), (1011, 'success'), (1012, 'success')) AS v (n, status);
INSERT INTO order_events (order_id, seq, type, status, actor, at, detail)
	SELECT o.id, v.seq, v.type, v.status, 'system', o.created_at,
		CASE WHEN v.type LIKE 'refund.%' OR v.type IN ('order.paid', 'payment.late', 'payment.mismatch') THEN jsonb_strip_nulls(jsonb_build_object('attempt', a.id::text, 'channel', 'sandbox',
				'amount', CASE WHEN v.type LIKE 'refund.%' THEN 1000 ELSE nullif(a.paid_amount, 0) END, 'currency', CASE WHEN v.type NOT LIKE 'refund.%' THEN 'CNY' END,
				'refund', CASE WHEN v.type LIKE 'refund.%' THEN overlay(o.id::text PLACING '40' FROM 35) END))
			WHEN v.type = 'order.completed' THEN '{"amount": 1000}' ELSE '{}' END
	FROM orders o LEFT JOIN attempts a ON substring(a.id::text FOR 34) = substring(o.id::text FOR 34)
	JOIN (VALUES ('pending_pay', '', 1, 'order.created', 'pending_pay'), ('pending_pay', '', 2, 'payment.opened', 'pending_pay'),
		('closing', '', 1, 'order.created', 'pending_pay'), ('closing', '', 2, 'payment.opened', 'pending_pay'), ('closing', '', 3, 'order.closing', 'closing'),
		('closed', 'payment_mismatch', 1, 'order.created', 'pending_pay'), ('closed', 'payment_mismatch', 2, 'payment.opened', 'pending_pay'), ('closed', 'payment_mismatch', 3, 'payment.mismatch', 'pending_pay'),
		('closed', 'payment_mismatch', 4, 'order.closing', 'closing'), ('closed', 'payment_mismatch', 5, 'order.closed', 'closed'),
		('closed', '', 1, 'order.created', 'pending_pay'), ('closed', '', 2, 'payment.opened', 'pending_pay'), ('closed', '', 3, 'order.closing', 'closing'), ('closed', '', 4, 'order.closed', 'closed'),
		('closed', '', 5, 'payment.late', 'closed'), ('closed', '', 6, 'refund.created', 'closed'), ('closed', '', 7, 'refund.submitted', 'closed'), ('closed', '', 8, 'refund.succeeded', 'closed'),
		('paid', '', 1, 'order.created', 'pending_pay'), ('paid', '', 2, 'payment.opened', 'pending_pay'), ('paid', '', 3, 'order.paid', 'paid'),
		('delivering', '', 1, 'order.created', 'pending_pay'), ('delivering', '', 2, 'payment.opened', 'pending_pay'), ('delivering', '', 3, 'order.paid', 'paid'), ('delivering', '', 4, 'delivery.accepted', 'delivering'),
		('delivered', '', 1, 'order.created', 'pending_pay'), ('delivered', '', 2, 'payment.opened', 'pending_pay'), ('delivered', '', 3, 'order.paid', 'paid'), ('delivered', '', 4, 'delivery.accepted', 'delivering'), ('delivered', '', 5, 'delivery.delivered', 'delivered'),
		('completed', '', 1, 'order.created', 'pending_pay'), ('completed', '', 2, 'payment.opened', 'pending_pay'), ('completed', '', 3, 'order.paid', 'paid'), ('completed', '', 4, 'delivery.accepted', 'delivering'), ('completed', '', 5, 'delivery.delivered', 'delivered'), ('completed', '', 6, 'order.completed', 'completed'),
		('refunding', '', 1, 'order.created', 'pending_pay'), ('refunding', '', 2, 'payment.opened', 'pending_pay'), ('refunding', '', 3, 'order.paid', 'paid'), ('refunding', '', 4, 'delivery.failed', 'refunding'), ('refunding', '', 5, 'refund.created', 'refunding'),
		('refunding', 'refund_abnormal', 1, 'order.created', 'pending_pay'), ('refunding', 'refund_abnormal', 2, 'payment.opened', 'pending_pay'), ('refunding', 'refund_abnormal', 3, 'order.paid', 'paid'), ('refunding', 'refund_abnormal', 4, 'delivery.failed', 'refunding'),
		('refunding', 'refund_abnormal', 5, 'refund.created', 'refunding'), ('refunding', 'refund_abnormal', 6, 'refund.submitted', 'refunding'), ('refunding', 'refund_abnormal', 7, 'refund.abnormal', 'refunding'),
		('refunded', '', 1, 'order.created', 'pending_pay'), ('refunded', '', 2, 'payment.opened', 'pending_pay'), ('refunded', '', 3, 'order.paid', 'paid'), ('refunded', '', 4, 'delivery.failed', 'refunding'), ('refunded', '', 5, 'refund.created', 'refunding'),
		('refunded', '', 6, 'refund.submitted', 'refunding'), ('refunded', '', 7, 'refund.succeeded', 'refunding'), ('refunded', '', 8, 'order.refunded', 'refunded')
	) AS v (of, held, seq, type, status) ON v.of = o.status AND v.held = o.hold;
INSERT INTO ledger_postings (order_id, seq, line, debit, credit, amount, currency, at)
	SELECT e.order_id, e.seq, 0, p.debit, p.credit, (e.detail->>'amount')::bigint, 'CNY', e.at FROM order_events e
	JOIN (VALUES ('order.paid', 'channel_receivable:sandbox', 'merchant_pending:m_1'), ('payment.late', 'channel_receivable:sandbox', 'refund_payable'), ('payment.mismatch', 'channel_receivable:sandbox', 'suspense_long'),
		('refund.created', 'merchant_pending:m_1', 'refund_payable'), ('refund.succeeded', 'refund_payable', 'channel_receivable:sandbox'), ('order.completed', 'merchant_pending:m_1', 'merchant_available:m_1')
	) AS p (type, debit, credit) ON p.type = e.type
	WHERE e.detail ? 'amount' AND NOT (e.type = 'refund.created' AND e.status = 'closed');
INSERT INTO outbox (kind, subject, due_at, created_at)
	SELECT CASE status WHEN 'pending_pay' THEN 'order:close' ELSE 'order:complete' END, id, now() + interval '1 hour', now() FROM orders WHERE status IN ('pending_pay', 'delivered')
	UNION ALL SELECT kind, id, now(), now() FROM attempts, (VALUES ('payment:query'), ('channel:close')) AS v (kind) WHERE status = 'paying'
	UNION ALL SELECT 'refund:submit', id, now(), now() FROM refunds WHERE status = 'created'
	UNION ALL SELECT 'delivery:notify', overlay(id::text PLACING '80' FROM 35)::uuid, now(), now() FROM orders WHERE status = 'paid'`

// downTo takes steps back until only the first n are left.
func downTo(t *testing.T, d *db.DB, n int64) {
	t.Helper()
	for {
		taken, err := d.MigrateDown(t.Context())
		require.NoError(t, err)
		if taken.Version == n+1 {
			return
		}
	}
}

// A database of the release before, with every sort of order in it, is sound
// after the migration, and after one more way back and again.
func TestAnOldDatabaseMigrates(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	downTo(t, d, 1)
	run(t, d, before0002)
	for _, way := range []string{"up", "down, and up again"} {
		_, err := d.Migrate(t.Context())
		require.NoError(t, err, way)
		findings, err := d.Audit(t.Context())
		require.NoError(t, err, way)
		require.Empty(t, findings, way)
		held, err := d.Orders(t.Context(), order.Filter{Held: true, Limit: 200})
		require.NoError(t, err)
		reasons := map[string]string{}
		for _, o := range held {
			reasons[o.ID.String()[32:34]] = o.Hold
		}
		require.Equal(t, map[string]string{"03": order.HoldMismatch, "10": order.HoldRefundAbnormal}, reasons, "%s: no money came with the other mismatch, and nobody could lift its hold", way)
		downTo(t, d, 1)
	}
	_, err := d.Migrate(t.Context())
	require.NoError(t, err)
}

// What a newer release had begun is not stuck when the way back was taken and
// regretted; and the release before is left no task of a kind that it has not.
func TestTheWayBackAndAgain(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	o, row := b.telling()
	b.settle(row, tasks.Never(errTest))
	require.Len(t, b.alerts(), 1)
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Cancel("changed my mind", "app:test", b.now()) }))
	downTo(t, b.DB, 1)
	var strange int
	require.NoError(t, b.QueryRowContext(b.ctx, `SELECT count(*) FROM outbox WHERE kind NOT IN ('payment:confirm', 'payment:query', 'channel:close', 'order:close', 'delivery:notify', 'order:complete', 'refund:submit', 'refund:query')`).Scan(&strange))
	require.Zero(t, strange)
	_, err := b.Migrate(b.ctx)
	require.NoError(t, err)
	now, err := b.Order(b.ctx, o.ID)
	require.NoError(t, err)
	require.Equal(t, order.Returning, now.Status)
	revoke := b.row(tasks.About(tasks.DeliveryRevoke, order.DeliveryID(o.ID)))
	require.False(t, revoke.DueAt.Before(now.Delivery.RevokeBy))
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.RevokeUnanswered(revoke.DueAt.Add(time.Second)) }))
}
