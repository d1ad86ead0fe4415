package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/db"
)

// rule is what must be so of every order in the book: its query gives the
// orders of which it is not, from the table book (id, payment, paid, unpaid,
// hangs, notice).
type rule struct{ says, sql string }

// findingsMost is how many orders are named per rule.
const findingsMost = 5

// check holds the database against the book.
func check(ctx context.Context, conn *pgx.Conn, b *book, rules []rule) (findings []string, err error) {
	if err := writeBook(ctx, conn, b); err != nil {
		return nil, err
	}
	for _, r := range rules {
		list, err := breaks(ctx, conn, r)
		if err != nil {
			return nil, fmt.Errorf("verify that %s: %w", r.says, err)
		}
		findings = append(findings, list...)
	}
	return findings, nil
}

// writeBook makes the temporary table that rules are about. paid are those whose
// callback was acknowledged; where it was sent and not acknowledged, both are
// right: neither paid nor unpaid.
func writeBook(ctx context.Context, conn *pgx.Conn, b *book) error {
	if _, err := conn.Exec(ctx, "CREATE TEMPORARY TABLE book (id text PRIMARY KEY, payment text NOT NULL, paid boolean NOT NULL, unpaid boolean NOT NULL, hangs boolean NOT NULL, notice text NOT NULL)"); err != nil {
		return fmt.Errorf("write the book: %w", err)
	}
	lives := b.all()
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"book"}, []string{"id", "payment", "paid", "unpaid", "hangs", "notice"}, pgx.CopyFromSlice(len(lives), func(i int) ([]any, error) {
		l := lives[i]
		return []any{l.order, l.payment, !l.acked.IsZero(), l.called.IsZero(), l.hangs, l.notice}, nil
	}))
	if err == nil {
		_, err = conn.Exec(ctx, "ANALYZE book")
	}
	if err != nil {
		return fmt.Errorf("write the book: %w", err)
	}
	return nil
}

func breaks(ctx context.Context, conn *pgx.Conn, r rule) (findings []string, err error) {
	rows, err := conn.Query(ctx, fmt.Sprintf("SELECT id, count(*) OVER () FROM (%s) x LIMIT %d", r.sql, findingsMost))
	if err != nil {
		return nil, err
	}
	var id string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		findings = append(findings, fmt.Sprintf("order %s: it is not so that %s", id, r.says))
		return nil
	})
	if more := n - int64(len(findings)); more > 0 {
		findings = append(findings, fmt.Sprintf("… and of %d more orders it is not so that %s", more, r.says))
	}
	return findings, err
}

// orderflowRules are about each order by itself; what they have in common is
// the audit's business.
var orderflowRules = []rule{
	{"an acknowledged order exists", `SELECT a.id FROM book a LEFT JOIN orders o ON o.id = a.id::uuid WHERE o.id IS NULL`},
	{"an order whose callback was acknowledged is paid", `SELECT a.id FROM book a JOIN orders o ON o.id = a.id::uuid WHERE a.paid AND o.status <> 'paid'`},
	{"its callback was kept once", `SELECT a.id FROM book a WHERE a.paid AND (SELECT count(*) FROM inbox i WHERE i.subject = a.payment::uuid AND i.channel = 'sandbox' AND i.event_id = 'paid_' || a.payment) <> 1`},
	{"its money was captured once", `SELECT a.id FROM book a WHERE a.paid AND (
		SELECT array_agg(p.amount) FROM ledger_postings p WHERE p.order_id = a.id::uuid) IS DISTINCT FROM ARRAY[12990::bigint]`},
	{"its notice was acknowledged once, under the id that the merchant saw", `SELECT a.id FROM book a WHERE a.paid AND NOT a.hangs AND (
		(SELECT array_agg(n.id::text) FROM notices n WHERE n.id BETWEEN a.id::uuid AND overlay(a.id PLACING 'ff' FROM 35)::uuid) IS DISTINCT FROM ARRAY[a.notice]
		OR (SELECT count(*) FROM notice_attempts t WHERE t.notice_id = a.notice::uuid AND t.ok) <> 1)`},
	{"the notice to an endpoint that hangs is there, and acknowledged once at most", `SELECT a.id FROM book a WHERE a.paid AND a.hangs AND (
		(SELECT count(*) FROM notices n WHERE n.id BETWEEN a.id::uuid AND overlay(a.id PLACING 'ff' FROM 35)::uuid) <> 1
		OR (SELECT count(*) FROM notice_attempts t WHERE t.notice_id BETWEEN a.id::uuid AND overlay(a.id PLACING 'ff' FROM 35)::uuid AND t.ok) > 1)`},
	{"an order that nobody paid took no money and is closed in time", `SELECT a.id FROM book a JOIN orders o ON o.id = a.id::uuid
		WHERE a.unpaid AND (o.status NOT IN ('pending_pay', 'closing', 'closed') OR o.status <> 'closed' AND o.expire_at < now())`},
}

// unasked is the rule that there are no others, when the book knows all. where
// narrows it to those that are measured.
func unasked(b *book, where string) []rule {
	if !b.knowsAll() {
		return nil
	}
	return []rule{{"an order was asked for once, and acknowledged", `SELECT o.id::text AS id FROM orders o LEFT JOIN book a ON a.id = o.id::text WHERE a.id IS NULL` + where}}
}

// measured narrows orders o to those of this run: what was there before is not
// read, however much it is.
func (o *orderflow) measured() string { return " AND o.id >= '" + o.since.String() + "'" }

// left are payments and notices on their way, and orders whose time is over. When
// the outbox has no notice left, those are looked for that no merchant has
// acknowledged: where else they wait is the service's own affair.
func (o *orderflow) left(ctx context.Context, conn *pgx.Conn) (n int64, err error) {
	soon := 0.0
	if o.load.Unpaid > 0 {
		soon = o.load.PayWithin.Seconds()
	}
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM outbox WHERE kind IN ('payment:confirm', 'delivery:notify'))
		+ (SELECT count(*) FROM orders o WHERE status IN ('pending_pay', 'closing') AND expire_at <= now() + make_interval(secs => $1)`+o.measured()+`)`, soon).Scan(&n)
	if err == nil && n == 0 {
		n, err = one(ctx, conn, `SELECT count(*) FROM notices n WHERE n.id >= '`+o.since.String()+`'
			AND NOT EXISTS (SELECT 1 FROM notice_attempts t WHERE t.notice_id = n.id AND t.ok)`)
	}
	return n, err
}

// lateness is how long after its time each order that nobody paid was closed,
// the channel's word that no money can come included.
func (o *orderflow) lateness(ctx context.Context, conn *pgx.Conn) ([]time.Duration, error) {
	rows, err := conn.Query(ctx, `SELECT (extract(epoch FROM closed_at - expire_at) * 1000000)::bigint FROM orders o
		WHERE status = 'closed' AND closed_at >= expire_at AND expire_at - created_at <= make_interval(secs => $1)`+o.measured(), o.load.PayWithin.Seconds()+1)
	if err != nil {
		return nil, fmt.Errorf("read how late orders were closed: %w", err)
	}
	late, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (time.Duration, error) {
		var micros int64
		err := row.Scan(&micros)
		return time.Duration(micros) * time.Microsecond, err
	})
	return late, err
}

func (o *orderflow) verify(ctx context.Context, conn *pgx.Conn, b *book) ([]string, error) {
	findings, err := check(ctx, conn, b, append(unasked(b, o.measured()), orderflowRules...))
	if err != nil || o.lived {
		return findings, err
	}
	audited, err := audit(ctx, conn.Config().ConnString())
	return append(findings, audited...), err
}

// audit looks through the whole of a database.
func audit(ctx context.Context, url string) (findings []string, err error) {
	d, err := db.Open(ctx, url, 2)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := d.Audit(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		findings = append(findings, "audit: "+f.String())
	}
	return findings, nil
}
