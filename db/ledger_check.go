package db

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/order"
)

// ledgerCheck walks through all orders in the order of their ids, with their
// parts, timelines and postings: each table is read once, along its primary
// key, and no more than a page of it is in memory.
type ledgerCheck struct {
	tx       pgx.Tx
	last     order.ID // everything up to this order's parts was looked at
	of       int64    // orders that there are
	books    ledger.Balances
	sums     map[string]*LedgerSum
	report   LedgerReport
	findings findings
}

// checkPage is how many orders are in memory at a time.
const checkPage = 500

// dossier is all that there is of one order.
type dossier struct {
	order   *order.Order // nil when there is none: its rows are strays
	events  []order.Event
	entries []ledger.Entry
}

// page checks the next orders. The last page takes all that is left, so that
// rows of orders that are not there are seen, wherever they are.
func (c *ledgerCheck) page(ctx context.Context) (more bool, err error) {
	rows, err := c.tx.Query(ctx, "SELECT "+orderColumns+" FROM orders WHERE id > $1 ORDER BY id LIMIT $2", [16]byte(c.last), checkPage)
	if err != nil {
		return false, err
	}
	dossiers := map[order.ID]*dossier{}
	to := order.ID(uuid.Max)
	err = each(rows, scanOrder, func(o *order.Order) {
		dossiers[o.ID] = &dossier{order: o}
		to = ident.WithPart[order.Order](o.ID, 0xff)
	})
	if err != nil {
		return false, err
	}
	c.report.Orders += int64(len(dossiers))
	if more = len(dossiers) == checkPage; !more {
		to = order.ID(uuid.Max)
	}
	if err := c.fill(ctx, dossiers, to); err != nil {
		return false, err
	}
	for _, id := range slices.SortedFunc(maps.Keys(dossiers), func(x, y order.ID) int { return bytes.Compare(x[:], y[:]) }) {
		c.check(id, dossiers[id])
	}
	c.last = to
	return more, nil
}

// fill reads what the orders after c.last, and up to an id, are made of.
func (c *ledgerCheck) fill(ctx context.Context, dossiers map[order.ID]*dossier, to order.ID) error {
	of := func(id order.ID) *dossier {
		if dossiers[id] == nil {
			dossiers[id] = &dossier{}
		}
		return dossiers[id]
	}
	b := &pgx.Batch{}
	queue := func(columns, table, key, by string, scan func(pgx.Rows) error) {
		b.Queue("SELECT "+columns+" FROM "+table+" WHERE "+key+" > $1 AND "+key+" <= $2 ORDER BY "+by, [16]byte(c.last), [16]byte(to)).Query(scan)
	}
	queue(attemptColumns, "attempts", "id", "id", func(rows pgx.Rows) error {
		return each(rows, scanAttempt, func(a *order.Attempt) {
			c.report.Attempts++
			if o := of(order.Family(a.ID)).order; o != nil {
				o.Attempts = append(o.Attempts, a)
			} else {
				c.stray("payment %s has no order", a.ID.Compact())
			}
		})
	})
	queue(refundColumns, "refunds", "id", "id", func(rows pgx.Rows) error {
		return each(rows, scanRefund, func(r *order.Refund) {
			c.report.Refunds++
			if o := of(order.Family(r.ID)).order; o != nil {
				o.Refunds = append(o.Refunds, r)
			} else {
				c.stray("refund %s has no order", r.ID.Compact())
			}
		})
	})
	queue("order_id, seq, type, status, actor, at, detail", "order_events", "order_id", "order_id, seq", func(rows pgx.Rows) error {
		return each(rows, scanEvent, func(e eventRow) {
			c.report.Events++
			f := of(e.order)
			f.events = append(f.events, e.Event)
		})
	})
	queue("order_id, seq, line, debit, credit, amount, currency, at", "ledger_postings", "order_id", "order_id, seq, line", func(rows pgx.Rows) error {
		return each(rows, scanPosting, func(p postingRow) {
			c.count(p)
			f := of(p.order)
			f.entries = append(f.entries, ledger.Entry{Seq: p.seq, Line: p.line, At: p.at, Posting: p.Posting})
		})
	})
	return c.tx.SendBatch(ctx, b).Close()
}

func (c *ledgerCheck) stray(format string, args ...any) {
	c.findings.add("everything belongs to an order", fmt.Sprintf(format, args...))
}

// check looks at one order.
func (c *ledgerCheck) check(id order.ID, f *dossier) {
	if f.order == nil {
		if len(f.events)+len(f.entries) > 0 {
			c.stray("%d events and %d postings are of %s, which is no order", len(f.events), len(f.entries), id)
		}
		return
	}
	for _, fault := range ledger.Check(f.order, f.events, f.entries) {
		c.findings.add(fault.Rule, fault.What)
	}
}

// count adds a posting to the balances and the report.
func (c *ledgerCheck) count(p postingRow) {
	c.books.Post(p.Posting)
	r := &c.report
	r.Postings++
	if r.First.IsZero() || p.at.Before(r.First) {
		r.First = p.at
	}
	if p.at.After(r.Last) {
		r.Last = p.at
	}
	s := c.sum(p.Currency)
	s.Postings++
	s.Moved += p.Amount
}

func (c *ledgerCheck) sum(currency string) *LedgerSum {
	if c.sums[currency] == nil {
		c.sums[currency] = &LedgerSum{Currency: currency}
	}
	return c.sums[currency]
}

// balances sums the balances that people read, and compares them with the
// postings that were looked at: PostgreSQL adds up the one, this the other.
func (c *ledgerCheck) balances(ctx context.Context) error {
	var (
		p ledger.Purse
		n int64
	)
	rows, err := c.tx.Query(ctx, "SELECT account, currency, balance FROM ledger_carried")
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{(*string)(&p.Account), &p.Currency, &n}, func() error { c.books[p] += n; return nil })
	if err != nil {
		return err
	}
	if rows, err = c.tx.Query(ctx, "SELECT account, currency, balance FROM ledger_balances"); err != nil {
		return err
	}
	shown := ledger.Balances{}
	_, err = pgx.ForEachRow(rows, []any{(*string)(&p.Account), &p.Currency, &n}, func() error {
		shown[p] = n
		c.sum(p.Currency).Sum += n
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range purses(c.books, shown) {
		if _, there := shown[p]; !there || shown[p] != c.books[p] {
			c.findings.add("balances are what the postings add up to", fmt.Sprintf("%s is shown with %s, its postings say %s", p.Account, order.Money(shown[p], p.Currency), order.Money(c.books[p], p.Currency)))
		}
	}
	return nil
}

func (c *ledgerCheck) accounts() int {
	accounts := map[ledger.Account]bool{}
	for p := range c.books {
		accounts[p.Account] = true
	}
	return len(accounts)
}

func (c *ledgerCheck) sumsByCurrency() []LedgerSum {
	list := []LedgerSum{}
	for _, currency := range slices.Sorted(maps.Keys(c.sums)) {
		list = append(list, *c.sums[currency])
	}
	return list
}

// purses are those of a and b, in order.
func purses(a, b ledger.Balances) []ledger.Purse {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.SortedFunc(maps.Keys(all), func(x, y ledger.Purse) int {
		return strings.Compare(string(x.Account)+" "+x.Currency, string(y.Account)+" "+y.Currency)
	})
}

func scanEvent(rows pgx.Rows) (e eventRow, err error) {
	var (
		id     uuid.UUID
		detail []byte
	)
	if err := rows.Scan(&id, &e.Seq, (*string)(&e.Type), (*string)(&e.Status), (*string)(&e.Actor), &e.At, &detail); err != nil {
		return e, err
	}
	e.order, e.At = order.ID(id), e.At.UTC()
	if err := json.Unmarshal(detail, &e.Detail); err != nil {
		return e, fmt.Errorf("event %d of order %s: %w", e.Seq, e.order, err)
	}
	return e, nil
}

func scanPosting(rows pgx.Rows) (p postingRow, err error) {
	var (
		id uuid.UUID
		at time.Time
	)
	err = rows.Scan(&id, &p.seq, &p.line, (*string)(&p.Debit), (*string)(&p.Credit), &p.Amount, &p.Currency, &at)
	p.order, p.at = order.ID(id), at.UTC()
	return p, err
}

// findings gathers what does not hold: all of it counted, and of each rule the
// first twenty kept.
type findings struct {
	n    int
	of   map[string]int
	list []Finding
}

const findingsMost = 20

func (f *findings) add(check, what string) {
	if f.of == nil {
		f.of = map[string]int{}
	}
	f.n++
	f.of[check]++
	if f.of[check] <= findingsMost {
		f.list = append(f.list, Finding{check, what})
	}
}
