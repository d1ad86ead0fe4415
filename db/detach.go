package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// unfinished is about orders o that something may still happen to by itself.
const unfinished = `(o.status NOT IN ('closed', 'completed', 'refunded') OR o.hold <> '')`

// Detach takes a month out of all tables, into the schema archive, where it can
// be read with SQL, dumped and dropped. What it did to the ledger's balances
// and to the stock is carried on. The orders of it are found no more: not by
// the API, and not by a payment that comes for one.
//
// It is *tasks.InUse while anything about an order of the month is unfinished. Broken
// off anywhere it leaves the month in, perhaps sealed; called again it goes on.
func (d *DB) Detach(ctx context.Context, name string, now time.Time) error {
	list, _, err := d.Months(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(m Month) bool { return m.Name == name })
	if i < 0 {
		return fmt.Errorf("month %s: %w", name, order.ErrNotFound)
	}
	m := list[i]
	if m.To.After(now) {
		return &order.Refusal{Step: "take out month " + name, Why: "it is not over"}
	}
	if err = d.atRest(ctx, m, now); err == nil {
		m.Sealed = true
		err = d.detach(ctx, m, now)
	}
	if err != nil && m.Sealed { // by us, or by one who was killed
		err = errors.Join(err, d.unseal(context.WithoutCancel(ctx), m))
	}
	var use *tasks.InUse
	if errors.As(err, &use) {
		return err
	}
	return wrap(err, "take out month "+name)
}

// detach takes out a month that is at rest.
func (d *DB) detach(ctx context.Context, m Month, now time.Time) error {
	if err := d.seal(ctx, m); err != nil {
		return err
	}
	if err := d.atRest(ctx, m, now); err != nil { // still, and from now on
		return err
	}
	sums, err := d.sumUp(ctx, m)
	if err != nil {
		return err
	}
	return d.rebuild(ctx, func(tx pgx.Tx) error {
		if err := takeOut(ctx, tx, m); err != nil {
			return err
		}
		// A callback may have come for it until now, and is a task that is owed.
		owed, err := owedIn(ctx, tx, m, now)
		if err != nil {
			return err
		}
		if owed > 0 {
			return &tasks.InUse{Month: m.Name, Tasks: owed}
		}
		return sums.write(ctx, tx, m.Name)
	})
}

// atRest is *tasks.InUse unless nothing happens to the month's orders by itself.
func (d *DB) atRest(ctx context.Context, m Month, now time.Time) error {
	use := &tasks.InUse{Month: m.Name}
	err := d.snapshot(ctx, func(tx pgx.Tx) (err error) {
		if use.Tasks, err = owedIn(ctx, tx, m, now); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT count(*) FROM orders_"+m.Name+" o WHERE "+unfinished).Scan(&use.Open)
	})
	if err == nil && use.Tasks+use.Open > 0 {
		err = use
	}
	return err
}

// heldMost is how long what is held for an endpoint keeps its month in. Nobody
// resumed the endpoint for so long: what is older goes with the month.
const heldMost = 30 * 24 * time.Hour

// owedIn counts the tasks about orders of a month, dead ones as well, and what
// of it endpoints have yet to be told.
func owedIn(ctx context.Context, tx pgx.Tx, m Month, now time.Time) (n int64, err error) {
	from, to := m.bounds()
	err = tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM outbox WHERE subject >= $1 AND subject < $2 AND kind <> ALL($3))
		+ (SELECT count(*) FROM deliveries WHERE notice_id >= $1 AND notice_id < $2 AND created_at > $4)`,
		from.String(), to.String(), aboutNoOrder(), now.Add(-heldMost)).Scan(&n)
	return n, err
}

// aboutNoOrder are the kinds of task whose subjects are numbers of another sort.
func aboutNoOrder() (kinds []string) {
	for _, s := range tasks.Specs() {
		if !s.Kind.AboutOrder() {
			kinds = append(kinds, string(s.Kind))
		}
	}
	return kinds
}

// seal has every change of an order of the month refused, and with it whatever
// would come of the change.
func (d *DB) seal(ctx context.Context, m Month) error {
	return d.rebuild(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE OR REPLACE TRIGGER sealed BEFORE UPDATE OR DELETE ON orders_"+m.Name+" FOR EACH ROW EXECUTE FUNCTION refuse_sealed()")
		return err
	})
}

func (d *DB) unseal(ctx context.Context, m Month) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return d.rebuild(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DROP TRIGGER IF EXISTS sealed ON orders_"+m.Name)
		return err
	})
}

// sealed says that err is the refusal of a month that is being taken out.
func sealed(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "OF001"
}

// carried is what a month did to balances and stock.
type carried struct {
	accounts, currencies []string
	balances             []int64
	merchants, skus      []string
	consumed, restocked  []int64
}

// sumUp reads the month's postings and movements, without holding anybody up.
func (d *DB) sumUp(ctx context.Context, m Month) (c carried, err error) {
	err = d.snapshot(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT account, currency, sum(amount)::bigint FROM (
			SELECT debit AS account, currency, amount FROM ledger_postings_`+m.Name+` UNION ALL SELECT credit, currency, -amount FROM ledger_postings_`+m.Name+`
			) p GROUP BY 1, 2 ORDER BY 1, 2`)
		if err != nil {
			return err
		}
		var (
			a, b string
			x, y int64
		)
		_, err = pgx.ForEachRow(rows, []any{&a, &b, &x}, func() error {
			c.accounts, c.currencies, c.balances = append(c.accounts, a), append(c.currencies, b), append(c.balances, x)
			return nil
		})
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `SELECT o.merchant_id, m.sku, coalesce(sum(quantity) FILTER (WHERE kind = 'consume'), 0)::bigint, coalesce(sum(quantity) FILTER (WHERE kind = 'restock'), 0)::bigint
			FROM stock_moves_`+m.Name+` m JOIN orders_`+m.Name+` o ON o.id = m.order_id WHERE kind IN ('consume', 'restock') GROUP BY 1, 2`)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&a, &b, &x, &y}, func() error {
			c.merchants, c.skus, c.consumed, c.restocked = append(c.merchants, a), append(c.skus, b), append(c.consumed, x), append(c.restocked, y)
			return nil
		})
		return err
	})
	return c, wrap(err, "sum up")
}

func (c carried) write(ctx context.Context, tx pgx.Tx, month string) error {
	_, err := tx.Exec(ctx, "INSERT INTO ledger_carried (month, account, currency, balance) SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[])",
		month, c.accounts, c.currencies, c.balances)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO stock_carried (month, merchant_id, sku, consumed, restocked) SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])",
		month, c.merchants, c.skus, c.consumed, c.restocked)
	return err
}

// takeOut moves the month's partitions into the archive.
func takeOut(ctx context.Context, tx pgx.Tx, m Month) error {
	for _, t := range monthly {
		leaf := t.name + "_" + m.Name
		for _, sql := range []string{
			"ALTER TABLE " + t.name + " DETACH PARTITION " + leaf,
			"ALTER TABLE " + leaf + " SET SCHEMA archive",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", leaf, err)
			}
		}
	}
	from, to := m.bounds()
	if _, err := tx.Exec(ctx, "DELETE FROM deliveries WHERE notice_id >= $1 AND notice_id < $2", from.String(), to.String()); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DROP TRIGGER sealed ON archive.orders_"+m.Name)
	return err
}
