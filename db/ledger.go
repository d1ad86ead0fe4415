package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/ledger"
)

// Balance is where an account stands in one currency: debits less credits, so
// what we have is positive and what we owe negative.
type Balance struct {
	Account  ledger.Account `json:"account"`
	Class    ledger.Class   `json:"class"`
	Currency string         `json:"currency"`
	Balance  int64          `json:"balance"`
}

// BalanceFilter chooses accounts; what is zero does not narrow.
type BalanceFilter struct {
	MerchantID string
	Account    string // an account, or a kind of accounts
}

// Balances reads where accounts stand, by account and currency. It adds up
// the whole ledger.
func (d *DB) Balances(ctx context.Context, f BalanceFilter) (list []Balance, err error) {
	q := d.NewSelect().Table("ledger_balances").Column("account", "currency", "balance").OrderExpr(`account COLLATE "C", currency`)
	if f.MerchantID != "" {
		q.Where("account IN (?, ?)", ledger.Pending(f.MerchantID), ledger.Available(f.MerchantID))
	}
	if f.Account != "" {
		q.Where("? IN (account, split_part(account, ':', 1))", f.Account)
	}
	err = q.Scan(ctx, &list)
	for i := range list {
		list[i].Class = list[i].Account.Class()
	}
	return list, wrap(err, "balances")
}

// LedgerReport is what a check of the ledger looked at, and found.
type LedgerReport struct {
	At       time.Time   `json:"at"` // the moment that was looked at
	Orders   int64       `json:"orders"`
	Events   int64       `json:"events"`
	Attempts int64       `json:"attempts"`
	Refunds  int64       `json:"refunds"`
	Postings int64       `json:"postings"`
	First    time.Time   `json:"first,omitzero"` // of the postings
	Last     time.Time   `json:"last,omitzero"`
	Accounts int         `json:"accounts"`
	Sums     []LedgerSum `json:"sums"`     // one per currency
	Wrong    int         `json:"wrong"`    // things that do not hold
	Findings []Finding   `json:"findings"` // those, at most 20 of each rule
}

// LedgerSum is a currency's part of the ledger.
type LedgerSum struct {
	Currency string `json:"currency"`
	Postings int64  `json:"postings"`
	Moved    int64  `json:"moved"` // the postings' amounts
	Sum      int64  `json:"sum"`   // over all accounts: 0
}

// CheckLedger looks at one moment of the database and checks every order's
// books (ledger.Check), that postings, timelines and parts belong to an order,
// and that the balances are what the postings add up to. It changes nothing,
// locks nothing and works on a replica; while it runs PostgreSQL keeps the row
// versions of its moment. progress, if not nil, is told after each page of
// orders.
func (d *DB) CheckLedger(ctx context.Context, progress func(done, of int64)) (r LedgerReport, err error) {
	err = d.snapshot(ctx, func(tx pgx.Tx) error {
		r, err = checkLedger(ctx, tx, progress)
		return err
	})
	return r, wrap(err, "check the ledger")
}

// snapshot reads one moment of the database.
func (d *DB) snapshot(ctx context.Context, read func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, d.hot, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := readingAll(ctx, tx); err != nil {
			return err
		}
		return read(tx)
	})
}

func checkLedger(ctx context.Context, tx pgx.Tx, progress func(done, of int64)) (LedgerReport, error) {
	c := &ledgerCheck{tx: tx, books: ledger.Balances{}, sums: map[string]*LedgerSum{}}
	if err := tx.QueryRow(ctx, "SELECT now(), (SELECT count(*) FROM orders)").Scan(&c.report.At, &c.of); err != nil {
		return LedgerReport{}, err
	}
	for {
		more, err := c.page(ctx)
		if err != nil {
			return LedgerReport{}, fmt.Errorf("after order %s: %w", c.last, err)
		}
		if progress != nil {
			progress(c.report.Orders, c.of)
		}
		if !more {
			break
		}
	}
	if err := c.balances(ctx); err != nil {
		return LedgerReport{}, err
	}
	return c.result(), nil
}

// result closes the report.
func (c *ledgerCheck) result() LedgerReport {
	r := c.report
	r.At, r.Accounts = r.At.UTC(), c.accounts()
	r.Sums = c.sumsByCurrency()
	for _, s := range r.Sums {
		if s.Sum != 0 {
			c.findings.add("the ledger sums to zero in every currency", fmt.Sprintf("%s sums to %d", s.Currency, s.Sum))
		}
	}
	r.Wrong, r.Findings = c.findings.n, append([]Finding{}, c.findings.list...)
	return r
}
