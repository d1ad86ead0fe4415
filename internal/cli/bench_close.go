package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/bench"
)

func newBenchClose() *cobra.Command {
	var o bench.CloseOptions
	var asJSON bool
	var file string
	c := &cobra.Command{
		Use:   "close",
		Short: "Measure how late orders are closed that are all due in the same second",
		Long: `Make --orders orders that nobody pays and that are all due to be closed in the
same second, let others be ordered and paid at --rate meanwhile, and report how
late they are closed, when the last of them is, and what the others notice of it.
Each was to be paid through the sandbox channel, over HTTP, which must say that no
money can come before the order is closed; with --no-payment nobody asked to pay.

Afterwards all must be closed, their stock back and nothing wrong with the
database, or the exit code is 1. Servers are as for "orderflow bench".`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			if o.Program, o.Database, o.Redis, err = measuring(c); err != nil {
				return err
			}
			return measureClose(c, o, asJSON, file)
		},
	}
	c.Flags().Int64Var(&o.Orders, "orders", 100_000, "orders that are due together")
	c.Flags().BoolVar(&o.NoPayment, "no-payment", false, "nobody asked to pay them: no channel has to be asked")
	c.Flags().Float64Var(&o.Rate, "rate", 100, "orders a second that are taken and paid meanwhile; 0: none")
	c.Flags().DurationVar(&o.Lead, "lead", 30*time.Second, "how long the service is up, at least, before they are due")
	c.Flags().DurationVar(&o.Limit, "limit", 10*time.Minute, "how long their closing may take")
	c.Flags().DurationVar(&o.Think, "think", time.Millisecond, "how long the merchant takes for its answer")
	c.Flags().StringVar(&o.Profile, "profile", "", "keep the service's profiles of the closing in this directory")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&file, "out", "", "keep the result in this file, as JSON")
	return c
}

func measureClose(c *cobra.Command, o bench.CloseOptions, asJSON bool, file string) error {
	say, wipe := progressOrLines(c.ErrOrStderr())
	o.Say = say
	v, err := bench.MeasureClose(c.Context(), o)
	wipe()
	if err != nil {
		return err
	}
	if err := save(file, v); err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(c.OutOrStdout(), v); err != nil {
			return err
		}
		return v.Err()
	}
	t := newTable(c, "orders due together", many(v.Orders))
	for _, r := range v.Rows() {
		t.row(r.What, r.Value)
	}
	t.print()
	showList(c, v.Findings)
	return v.Err()
}
