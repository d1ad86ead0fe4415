package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/order"
)

// Finding is one thing in the database that cannot be right.
type Finding struct {
	Check string `json:"check"` // which rule it breaks
	What  string `json:"what"`  // the row, in words
}

func (f Finding) String() string { return f.Check + ": " + f.What }

// unplaced is what order.Unplaced is, of attempts a.
const unplaced = `a.disposition = 'mismatch' AND a.paid_amount > 0
	AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.attempt_id = a.id AND r.status NOT IN ('closed', 'canceled'))`

// audit lists the rules that hold at any moment between two transactions. Each
// query returns, as one text column, what breaks its rule.
var audit = []struct{ check, sql string }{
	{"stock held is what open orders hold", `
		SELECT format('%s/%s holds %s, its orders %s', s.merchant_id, s.sku, s.held, coalesce(m.held, 0)) FROM stock s LEFT JOIN (
			SELECT o.merchant_id, m.sku, sum(CASE m.kind WHEN 'hold' THEN m.quantity WHEN 'restock' THEN 0 ELSE -m.quantity END) AS held
			FROM stock_moves m JOIN orders o ON o.id = m.order_id GROUP BY 1, 2
		) m USING (merchant_id, sku) WHERE s.held <> coalesce(m.held, 0)`},
	{"what is on hand was set, less what was consumed, and restocked", `
		SELECT format('%s/%s has %s on hand; %s was set, %s consumed, %s restocked', merchant_id, sku, coalesce(s.on_hand, 0), coalesce(t.delta, 0), coalesce(m.consumed, 0), coalesce(m.restocked, 0))
		FROM stock s FULL JOIN (SELECT merchant_id, sku, sum(delta) AS delta FROM stock_sets GROUP BY 1, 2) t USING (merchant_id, sku) FULL JOIN (
			SELECT merchant_id, sku, sum(consumed) AS consumed, sum(restocked) AS restocked FROM (
				SELECT o.merchant_id, m.sku, CASE m.kind WHEN 'consume' THEN m.quantity ELSE 0 END AS consumed, CASE m.kind WHEN 'restock' THEN m.quantity ELSE 0 END AS restocked
				FROM stock_moves m JOIN orders o ON o.id = m.order_id WHERE m.kind IN ('consume', 'restock')
				UNION ALL SELECT merchant_id, sku, consumed, restocked FROM stock_carried) c GROUP BY 1, 2
		) m USING (merchant_id, sku) WHERE coalesce(s.on_hand, 0) <> coalesce(t.delta, 0) - coalesce(m.consumed, 0) + coalesce(m.restocked, 0)`},
	{"a merchant's number is of one order", `
		SELECT format('order %s has the number %s, which is kept as that of %s', o.id, o.merchant_order_no, coalesce(n.order_id::text, 'none')) FROM orders o
		LEFT JOIN order_numbers n ON n.merchant_id = o.merchant_id AND n.no = o.merchant_order_no WHERE o.merchant_order_no IS NOT NULL AND n.order_id IS DISTINCT FROM o.id`},
	{"an order's stock is held, released or consumed as its status says", `
		SELECT format('order %s is %s, its %s of %s', o.id, o.status, array_agg(m.kind ORDER BY m.kind), m.sku)
		FROM orders o JOIN stock_moves m ON m.order_id = o.id GROUP BY o.id, o.status, m.sku
		HAVING array_agg(m.kind ORDER BY m.kind) <> CASE
				WHEN o.status IN ('pending_pay', 'closing') THEN '{hold}'::text[] WHEN o.status = 'closed' THEN '{hold,release}'
				WHEN o.status = 'refunded' AND o.delivery->>'status' IN ('failed', 'revoked') AND o.delivery->>'unanswered' IS NULL THEN '{consume,hold,restock}'
				ELSE '{consume,hold}' END
			AND NOT (array_agg(m.kind ORDER BY m.kind) = '{consume,hold}' AND o.delivery->>'claim_at' IS NOT NULL)`},
	{"no more goes back than came", `
		SELECT format('of the %s of attempt %s %s goes back', a.paid_amount, a.id, sum(r.amount)) FROM refunds r JOIN attempts a ON a.id = r.attempt_id
		WHERE r.status NOT IN ('closed', 'canceled') GROUP BY a.id HAVING sum(r.amount) > a.paid_amount`},
	{"money that came late or twice goes back", `
		SELECT format('of the %s of attempt %s, which is %s, %s goes back', a.paid_amount, a.id, a.disposition, coalesce(sum(r.amount), 0)) FROM attempts a
		LEFT JOIN refunds r ON r.attempt_id = a.id AND r.status NOT IN ('closed', 'canceled')
		WHERE a.disposition IN ('late', 'duplicate') GROUP BY a.id HAVING coalesce(sum(r.amount), 0) <> a.paid_amount`},
	{"a delivery is stopped before its money goes back", `
		SELECT format('order %s is %s and refund %s of it is %s', o.id, o.status, r.id, r.status) FROM orders o
		JOIN attempts a ON substring(a.id::text FOR 34) = substring(o.id::text FOR 34) AND a.disposition = 'applied'
		JOIN refunds r ON r.attempt_id = a.id WHERE o.status IN ('paid', 'delivering', 'returning')`},
	{"an order that is refunding gives all of its money back", `
		SELECT format('order %s is refunding, and of its %s %s goes back', o.id, a.paid_amount, coalesce(sum(r.amount), 0)) FROM orders o
		JOIN attempts a ON substring(a.id::text FOR 34) = substring(o.id::text FOR 34) AND a.disposition = 'applied'
		LEFT JOIN refunds r ON r.attempt_id = a.id AND r.status NOT IN ('closed', 'canceled')
		WHERE o.status = 'refunding' GROUP BY o.id, a.id HAVING coalesce(sum(r.amount), 0) <> a.paid_amount`},
	{"what an operator must look at is held, and nothing else", `
		SELECT format('order %s is held for %L, its parts say %L', id, hold, want) FROM (
			SELECT o.id, o.hold, CASE WHEN o.delivery->>'claim_at' IS NOT NULL AND o.delivery->>'resolved_at' IS NULL THEN 'delivery_conflict'
				WHEN a.of IS NOT NULL THEN 'payment_mismatch' WHEN r.of IS NOT NULL THEN 'refund_abnormal' ELSE '' END AS want
			FROM orders o LEFT JOIN (SELECT DISTINCT substring(id::text FOR 34) AS of FROM attempts a WHERE ` + unplaced + `) a ON a.of = substring(o.id::text FOR 34)
			LEFT JOIN (SELECT DISTINCT substring(id::text FOR 34) AS of FROM refunds WHERE status = 'abnormal') r ON r.of = substring(o.id::text FOR 34)
		) held WHERE hold <> want`},
	{"at most one payment moves an order", `
		SELECT format('order of attempt %s has %s applied payments', min(id::text), count(*)) FROM attempts WHERE disposition = 'applied'
		GROUP BY substring(id::text FOR 34) HAVING count(*) > 1`},
	{"the timeline has no gap and ends in the order's status", `
		SELECT format('order %s is %s at version %s, its timeline ends %s after %s of %s', o.id, o.status, o.version, e.status, e.n, e.last)
		FROM orders o LEFT JOIN (SELECT order_id, count(*) AS n, max(seq) AS last, (array_agg(status ORDER BY seq DESC))[1] AS status
			FROM order_events GROUP BY 1) e ON e.order_id = o.id
		WHERE o.version IS DISTINCT FROM e.n OR o.version IS DISTINCT FROM e.last OR o.status IS DISTINCT FROM e.status`},
	{"what must still happen is owed", `
		SELECT format('order %s owes %s and has no such row', owed.id, owed.kind) FROM (
			SELECT 'order:close' AS kind, id FROM orders WHERE status = 'pending_pay'
			UNION ALL SELECT 'order:complete', id FROM orders WHERE status = 'delivered'
			UNION ALL SELECT 'delivery:deadline', overlay(id::text PLACING '80' FROM 35)::uuid FROM orders WHERE status IN ('paid', 'delivering')
			UNION ALL SELECT 'delivery:revoke', overlay(id::text PLACING '80' FROM 35)::uuid FROM orders WHERE status = 'returning'
			UNION ALL SELECT 'payment:query', id FROM attempts WHERE status = 'paying'
			UNION ALL SELECT 'channel:close', a.id FROM attempts a JOIN orders o ON substring(o.id::text FOR 34) = substring(a.id::text FOR 34)
				WHERE a.status = 'paying' AND o.status = 'closing'
			UNION ALL SELECT 'refund:submit', id FROM refunds WHERE status = 'created'
			UNION ALL SELECT 'payment:return', id FROM attempts a WHERE ` + unplaced + `
		) owed LEFT JOIN outbox b ON b.kind = owed.kind AND b.subject = owed.id WHERE b.subject IS NULL`},
	{"a refund that was asked for is followed up", `
		SELECT format('refund %s is processing and owed by no row', r.id) FROM refunds r
		LEFT JOIN outbox b ON b.kind IN ('refund:submit', 'refund:query') AND b.subject = r.id WHERE r.status = 'processing' AND b.subject IS NULL`},
	{"a paid order's merchant is told", `
		SELECT format('order %s was never told to its merchant', n.id) FROM notices n
		LEFT JOIN outbox b ON b.kind = 'delivery:notify' AND b.subject = n.id
		JOIN orders o ON substring(o.id::text FOR 34) = substring(n.id::text FOR 34)
		WHERE n.type = 'order.paid' AND o.status = 'paid' AND b.subject IS NULL AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.notice_id = n.id)
			AND NOT EXISTS (SELECT 1 FROM notice_attempts t WHERE t.notice_id = n.id AND (t.ok OR t.http_status = 410))`},
	{"what waits for an endpoint is looked after", `
		SELECT format('notice %s waits for endpoint %s, and nothing looks after that', min(d.notice_id::text), d.endpoint_id) FROM deliveries d
		LEFT JOIN endpoints e ON e.id = d.endpoint_id LEFT JOIN outbox b ON b.kind = 'endpoint:deliver' AND b.subject = d.endpoint_id
		WHERE b.subject IS NULL AND NOT (coalesce(e.paused, false) OR ` + stateOf + ` = 'disabled') GROUP BY d.endpoint_id`},
	{"what waits for an endpoint is a notice that it has not taken, or was asked for once more", `
		SELECT format('notice %s waits for endpoint %s', d.notice_id, d.endpoint_id) FROM deliveries d LEFT JOIN notices n ON n.id = d.notice_id
		WHERE n.id IS NULL OR NOT d.asked AND EXISTS (SELECT 1 FROM notice_attempts t WHERE t.notice_id = d.notice_id AND t.endpoint_id = d.endpoint_id AND t.ok)`},
	{"a recovery that runs is looked after", `
		SELECT format('recovery %s is running, and nothing walks it', r.id) FROM recoveries r
		LEFT JOIN outbox b ON b.kind = 'endpoint:recover' AND b.subject = r.id WHERE r.state = 'running' AND b.subject IS NULL`},
	{"what waits by a recovery waits while that runs", `
		SELECT format('notice %s waits for endpoint %s by recovery %s, which is %s', d.notice_id, d.endpoint_id, d.recovery_id, coalesce(r.state, 'not there')) FROM deliveries d
		LEFT JOIN recoveries r ON r.id = d.recovery_id WHERE d.recovery_id IS NOT NULL AND NOT d.in_flight AND r.state IS DISTINCT FROM 'running'`},
	{"no more comes of a recovery than was queued", `
		SELECT format('recovery %s has queued %s of %s: %s delivered, %s failed, %s waiting', r.id, r.queued, r.checked, r.delivered, r.failed, count(d.notice_id)) FROM recoveries r
		LEFT JOIN deliveries d ON d.recovery_id = r.id GROUP BY r.id HAVING r.queued > r.checked OR r.delivered + r.failed + count(d.notice_id) > r.queued`},
	{"nothing is owed that is done", `
		SELECT format('order %s is %s and its %s is still owed', o.id, o.status, b.kind) FROM outbox b
		JOIN orders o ON o.id = overlay(b.subject::text PLACING '00' FROM 35)::uuid
		WHERE (b.kind = 'order:close' AND o.status <> 'pending_pay') OR (b.kind = 'order:complete' AND o.status <> 'delivered')
			OR (b.kind = 'delivery:deadline' AND o.status NOT IN ('paid', 'delivering')) OR (b.kind = 'delivery:revoke' AND o.status <> 'returning')`},
}

// Audit checks, in one snapshot of the database, that stock adds up, that the
// ledger does (CheckLedger), that every timeline is whole and that all that
// must still happen is owed. It returns what does not hold; a sound database
// has no findings. It reads every order: on a large database it takes a while.
func (d *DB) Audit(ctx context.Context) (list []Finding, err error) {
	err = d.snapshot(ctx, func(tx pgx.Tx) error {
		for _, a := range audit {
			found, err := breaches(ctx, tx, a.sql)
			if err != nil {
				return fmt.Errorf("audit %q: %w", a.check, err)
			}
			for _, what := range found {
				list = append(list, Finding{a.check, what})
			}
		}
		skipped, err := skippedStates(ctx, tx)
		if err != nil {
			return err
		}
		books, err := checkLedger(ctx, tx, nil)
		list = append(append(list, skipped...), books.Findings...)
		return wrap(err, "audit the ledger")
	})
	return list, err
}

// breaches are the first few rows of a rule's query. It is planned as if all
// were wanted: with the LIMIT in sight, PostgreSQL takes what is quick when a
// few are soon found, and in a sound database never are.
func breaches(ctx context.Context, tx pgx.Tx, sql string) ([]string, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("WITH breaches (what) AS MATERIALIZED (%s) SELECT what FROM breaches LIMIT %d", sql, findingsMost))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// skippedStates finds timelines that take a step which the state machine has
// not.
func skippedStates(ctx context.Context, tx pgx.Tx) (list []Finding, err error) {
	allowed := map[[2]order.Status]bool{}
	for _, t := range order.Transitions() {
		allowed[[2]order.Status{t.From, t.To}] = true
	}
	rows, err := tx.Query(ctx, `SELECT coalesce(before, ''), status, count(*), min(order_id::text) FROM (
		SELECT order_id, status, lag(status) OVER (PARTITION BY order_id ORDER BY seq) AS before FROM order_events
	) e WHERE before IS DISTINCT FROM status GROUP BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("audit steps: %w", err)
	}
	var (
		from, to string
		n        int
		id       string
	)
	_, err = pgx.ForEachRow(rows, []any{&from, &to, &n, &id}, func() error {
		if !allowed[[2]order.Status{order.Status(from), order.Status(to)}] {
			list = append(list, Finding{"no order skips a state", fmt.Sprintf("%d went from %q to %q, one is %s", n, from, to, id)})
		}
		return nil
	})
	return list, err
}
