package db_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/order"
)

// vandalise runs a statement that the schema would refuse: what a superuser
// with a bad day, or a broken disk, could do.
func vandalise(b *bench, statement string) {
	b.t.Helper()
	var script strings.Builder
	for _, to := range []string{"DISABLE", "ENABLE"} {
		for _, table := range []string{"order_events", "stock_moves", "stock_sets", "ledger_postings"} {
			fmt.Fprintf(&script, "ALTER TABLE %s %s TRIGGER USER; ", table, to)
		}
		if to == "DISABLE" {
			script.WriteString(statement + "; ")
		}
	}
	_, err := b.ExecContext(b.ctx, "BEGIN; "+script.String()+"COMMIT")
	require.NoError(b.t, err, statement)
}

// TestTheAuditBites breaks each rule in a sound database, wants it found, and
// mends it.
func TestTheAuditBites(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	_, err := b.SetStock(b.ctx, "m_1", "A", 100, "operator:test")
	require.NoError(t, err)
	b.created("A", 1)
	o, a := b.created("A", 2)
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }))
	for check, broken := range map[string]struct{ breaks, mends string }{
		"stock held is what open orders hold":                               {"UPDATE stock SET held = held + 1", "UPDATE stock SET held = held - 1"},
		"what is on hand was set, less what was consumed, and restocked":    {"UPDATE stock SET on_hand = on_hand + 1", "UPDATE stock SET on_hand = on_hand - 1"},
		"an order's stock is held, released or consumed as its status says": {"UPDATE orders SET status = 'closed' WHERE status = 'pending_pay'", "UPDATE orders SET status = 'pending_pay' WHERE status = 'closed'"},
		"no more goes back than came":                                       {refundOf("success", "paid_amount + 1"), "DELETE FROM refunds"},
		"money that came late or twice goes back":                           {"UPDATE attempts SET disposition = 'late' WHERE status = 'success'", "UPDATE attempts SET disposition = 'applied' WHERE status = 'success'"},
		"a delivery is stopped before its money goes back":                  {refundOf("success", "1"), "DELETE FROM refunds"},
		"what an operator must look at is held, and nothing else":           {refundOf("abnormal", "1"), "DELETE FROM refunds"},

		ledger.RuleChannels: {"UPDATE attempts SET paid_amount = paid_amount + 1 WHERE status = 'success'", "UPDATE attempts SET paid_amount = paid_amount - 1 WHERE status = 'success'"},
		ledger.RulePrice:    {"UPDATE orders SET amount = amount + 1 WHERE status = 'paid'", "UPDATE orders SET amount = amount - 1 WHERE status = 'paid'"},
		ledger.RuleExact:    {"UPDATE ledger_postings SET at = at + interval '1 second'", "UPDATE ledger_postings SET at = at - interval '1 second'"},

		"at most one payment moves an order":                     {"INSERT INTO attempts SELECT (substring(id::text for 34) || '3f')::uuid, channel, status, disposition, amount, currency, expire_at, created_at FROM attempts WHERE status = 'success'", "DELETE FROM attempts WHERE id::text LIKE '%3f'"},
		"the timeline has no gap and ends in the order's status": {"UPDATE order_events SET seq = seq + 1 WHERE type = 'order.paid'", "UPDATE order_events SET seq = seq - 1 WHERE type = 'order.paid'"},
		"what must still happen is owed":                         {"UPDATE outbox SET kind = 'order:closed' WHERE kind = 'order:close'", "UPDATE outbox SET kind = 'order:close' WHERE kind = 'order:closed'"},
		"a paid order's merchant is told":                        {"UPDATE outbox SET kind = 'x' WHERE kind = 'delivery:notify'", "UPDATE outbox SET kind = 'delivery:notify' WHERE kind = 'x'"},
		"a recovery that runs is looked after":                   {aRecovery("running", 0), "DELETE FROM recoveries"},
		"what waits by a recovery waits while that runs":         {aRecovery("done", 2) + "; " + aDelivery, "DELETE FROM recoveries; DELETE FROM deliveries"},
		"no more comes of a recovery than was queued":            {aRecovery("done", 0) + "; " + aDelivery, "DELETE FROM recoveries; DELETE FROM deliveries"},
		"nothing is owed that is done":                           {"INSERT INTO outbox (kind, subject, due_at, created_at) SELECT 'order:complete', id, now(), now() FROM orders WHERE status = 'paid'", "DELETE FROM outbox WHERE kind = 'order:complete'"},
		"no order skips a state":                                 {"UPDATE order_events SET status = 'completed' WHERE type = 'order.paid'", "UPDATE order_events SET status = 'paid' WHERE type = 'order.paid'"},
		"a refund that was asked for is followed up":             {refundOf("processing", "1"), "DELETE FROM refunds"},
	} {
		b.bites(check, broken.breaks, broken.mends)
	}
}

// bites breaks a rule, wants it found, and mends it.
func (b *bench) bites(check, breaks, mends string) {
	b.t.Helper()
	vandalise(b, breaks)
	findings, err := b.Audit(b.ctx)
	require.NoError(b.t, err)
	found := false
	for _, f := range findings {
		found = found || f.Check == check
	}
	require.True(b.t, found, "%s: not found in %v", check, findings)
	vandalise(b, mends)
}

// What goes wrong on the way back is found as well.
func TestTheAuditBitesOnTheWayBack(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	_, err := b.SetStock(b.ctx, "m_1", "A", 100, "operator:test")
	require.NoError(t, err)
	wrong, a := b.created("A", 1)
	require.NoError(t, b.Update(b.ctx, wrong.ID, nil, func(o *order.Order) error {
		r := paid(a, b.now())
		r.Amount--
		return o.Receive(r, b.now())
	}))
	for range 2 { // one is refunded, one still refunding
		o, a := b.created("A", 1)
		require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error {
			return errors.Join(o.Receive(paid(a, b.now()), b.now()), o.FailDelivery("broken", "merchant:m_1", b.now()))
		}))
		if n := len(must(b.Orders(b.ctx, order.Filter{Status: order.Refunded, Limit: 1}))); n == 0 {
			require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error {
				return errors.Join(o.SubmitRefund(o.Refunds[0].ID, b.now()), o.SucceedRefund(o.Refunds[0].ID, b.now()))
			}))
		}
	}
	const held, owed, stock = "what an operator must look at is held, and nothing else", "what must still happen is owed", "an order's stock is held, released or consumed as its status says"
	b.bites(held, "UPDATE orders SET hold = '' WHERE hold = 'payment_mismatch'", "UPDATE orders SET hold = 'payment_mismatch' WHERE status = 'pending_pay'")
	b.bites(held, "UPDATE orders SET hold = 'refund_abnormal' WHERE status = 'refunding'", "UPDATE orders SET hold = '' WHERE status = 'refunding'")
	b.bites(held, `UPDATE orders SET delivery = delivery || '{"claim_at": "2026-01-01T00:00:00Z"}' WHERE status = 'refunding'`, "UPDATE orders SET delivery = delivery - 'claim_at' WHERE status = 'refunding'")
	b.bites(owed, "UPDATE outbox SET kind = 'x' WHERE kind = 'payment:return'", "UPDATE outbox SET kind = 'payment:return' WHERE kind = 'x'")
	b.bites("an order that is refunding gives all of its money back", "UPDATE refunds SET status = 'canceled' WHERE status = 'created'", "UPDATE refunds SET status = 'created' WHERE status = 'canceled'")
	b.bites(stock, "UPDATE orders SET status = 'refunded' WHERE status = 'refunding'", "UPDATE orders SET status = 'refunding' FROM refunds r WHERE r.id > orders.id AND substring(r.id::text FOR 34) = substring(orders.id::text FOR 34) AND r.status = 'created'")
	b.bites(stock, "UPDATE stock_moves SET kind = 'release' WHERE kind = 'restock'", "UPDATE stock_moves m SET kind = 'restock' FROM orders o WHERE o.id = m.order_id AND kind = 'release'")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// aRecovery makes one that has queued so many, and aDelivery a delivery of it.
func aRecovery(state string, queued int) string {
	return fmt.Sprintf(`INSERT INTO recoveries (id, merchant_id, endpoint_id, since, until, everything, state, checked, queued, at, at_id, created_at, moved_at)
		SELECT id, 'm_1', id, now(), now(), true, '%s', %d, %d, now(), id, now(), now() FROM orders LIMIT 1`, state, queued, queued)
}

const aDelivery = `INSERT INTO deliveries (notice_id, endpoint_id, type, due_at, reason, created_at, recovery_id, asked)
	SELECT n.id, r.endpoint_id, n.type, now(), 'recovery', now(), r.id, true FROM notices n, recoveries r LIMIT 1`

// refundOf makes a refund of the one payment that was made.
func refundOf(status, amount string) string {
	return `INSERT INTO refunds (id, attempt_id, status, amount, reason, created_at)
		SELECT (substring(id::text for 34) || '40')::uuid, id, '` + status + `', ` + amount + `, '', now() FROM attempts WHERE status = 'success'`
}
