package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/ledger"
)

func newLedger() *cobra.Command {
	return group("ledger", "Check the ledger, and read its balances", newLedgerCheck(), newLedgerBalances())
}

func newLedgerCheck() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Prove that the ledger adds up, and say what was looked at",
		Long: `Look at one moment of the database and check every order's books: that each event
has exactly the postings it stands for, that balances are what payments, refunds
and status say, that nothing is without an order, and that all accounts of a
currency sum to zero. Nothing is changed or locked, and a replica will do: point
DATABASE_URL at it. The exit code is 1 when something does not add up.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := openBooks(c)
			if err != nil {
				return err
			}
			defer d.Close()
			r, err := d.CheckLedger(c.Context(), progress(c.ErrOrStderr(), "orders", time.Now))
			if err != nil {
				return err
			}
			return showCheck(c, r, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// openBooks is openDB for a database that must have the ledger's views.
func openBooks(c *cobra.Command) (*db.DB, error) {
	d, err := openDB(c)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	if err := d.Ping(limited); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// progress tells now and then how far a long run is; a short one says nothing.
func progress(w io.Writer, what string, now func() time.Time) func(done, of int64) {
	const often = 2 * time.Second
	last := now()
	return func(done, of int64) {
		if t := now(); t.Sub(last) >= often {
			last = t
			fmt.Fprintf(w, "%d of %d %s\n", done, of, what)
		}
	}
}

func showCheck(c *cobra.Command, r db.LedgerReport, asJSON bool) error {
	if asJSON {
		if err := printJSON(c.OutOrStdout(), r); err != nil {
			return err
		}
	} else {
		showReport(c, r)
	}
	if r.Wrong > 0 {
		return fmt.Errorf("the ledger does not add up, findings: %d; keep the database as it is and report it", r.Wrong)
	}
	if !asJSON {
		fmt.Fprintln(c.OutOrStdout(), "All adds up.")
	}
	return nil
}

func showReport(c *cobra.Command, r db.LedgerReport) {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "looked at  the database as of %s\n", at(r.At))
	fmt.Fprintf(out, "orders     %d, with %d events, %d payments, %d refunds\n", r.Orders, r.Events, r.Attempts, r.Refunds)
	fmt.Fprintf(out, "postings   %d on %d accounts, from %s to %s\n\n", r.Postings, r.Accounts, at(r.First), at(r.Last))
	if len(r.Sums) > 0 {
		t := newTable(c, "currency", "postings", "moved", "sum of all accounts")
		for _, s := range r.Sums {
			t.row(s.Currency, fmt.Sprint(s.Postings), fmt.Sprint(s.Moved), fmt.Sprint(s.Sum))
		}
		t.print()
		fmt.Fprintln(out)
	}
	showFindings(out, r)
}

// showFindings lists what does not hold under the rule that it breaks.
func showFindings(out io.Writer, r db.LedgerReport) {
	of := map[string][]string{}
	var rules []string
	for _, f := range r.Findings {
		if of[f.Check] == nil {
			rules = append(rules, f.Check)
		}
		of[f.Check] = append(of[f.Check], f.What)
	}
	for _, rule := range rules {
		fmt.Fprintf(out, "!! not so: %s\n", rule)
		for _, what := range of[rule] {
			fmt.Fprintf(out, "   %s\n", onOneLine(what))
		}
	}
	if more := r.Wrong - len(r.Findings); more > 0 {
		fmt.Fprintf(out, "   … and %d more\n", more)
	}
}

func newLedgerBalances() *cobra.Command {
	var f db.BalanceFilter
	var asJSON bool
	c := &cobra.Command{
		Use:   "balances",
		Short: "Show where each account stands",
		Long: `Show where each account stands, in minor units: what we have and what we spent
in the column debit, what we owe and what we earned in the column credit. In JSON
a balance is debits less credits.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := openBooks(c)
			if err != nil {
				return err
			}
			defer d.Close()
			list, err := d.Balances(c.Context(), f)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), append([]db.Balance{}, list...))
			}
			showBalances(c, list, f == db.BalanceFilter{})
			return nil
		},
	}
	c.Flags().StringVar(&f.MerchantID, "merchant", "", "only this merchant's accounts")
	c.Flags().StringVar(&f.Account, "account", "", "only this account, or accounts of this kind: refund_payable, channel_receivable …")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// showBalances prints a trial balance: of all accounts, both columns come to
// the same.
func showBalances(c *cobra.Command, list []db.Balance, all bool) {
	if len(list) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "no such account has postings")
		return
	}
	t := newTable(c, "account", "class", "currency", "debit", "credit")
	sums := map[string]*[2]int64{} // debit, credit
	var currencies []string
	for _, b := range list {
		debit, credit := columns(b)
		t.row(string(b.Account), string(b.Class), b.Currency, debit, credit)
		if sums[b.Currency] == nil {
			sums[b.Currency] = &[2]int64{}
			currencies = append(currencies, b.Currency)
		}
		sums[b.Currency][0] += max(b.Balance, 0)
		sums[b.Currency][1] += max(-b.Balance, 0)
	}
	if all {
		for _, currency := range currencies {
			t.row("all", "", currency, fmt.Sprint(sums[currency][0]), fmt.Sprint(sums[currency][1]))
		}
	}
	t.print()
}

// columns puts a balance on its side: what is 0 stands where its class grows.
func columns(b db.Balance) (debit, credit string) {
	grows := b.Class == ledger.Asset || b.Class == ledger.Expense
	if b.Balance > 0 || (b.Balance == 0 && grows) {
		return fmt.Sprint(b.Balance), ""
	}
	return "", fmt.Sprint(-b.Balance)
}
