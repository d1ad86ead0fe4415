package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/bench"
)

func newBenchSeed() *cobra.Command {
	var o bench.SeedOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "seed",
		Short: "Fill a database with old orders, and with orders that wait to be closed",
		Long: `Fill the database of DATABASE_URL, made up to date first, with orders as this
release would have written them: --orders old ones at rest, completed, closed or
refunded, spread evenly over --days up to now; and --closes that may still be paid
and hold their stock, to be closed within --closes-within, the first in an hour.

A few orders live their lives in a small database beside it, which is dropped
again; all others are copies of their rows with ids, times and names of their own,
written by COPY. Each transaction is whole: broken off, the books add up. The
database must have no orders, or --add says that it may.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Required: []string{"database.url"}})
			if err != nil {
				return err
			}
			o.Database = cfg.Database.URL
			return seed(c, o, asJSON)
		},
	}
	c.Flags().Int64Var(&o.Orders, "orders", 1_000_000, "old orders, at rest")
	c.Flags().IntVar(&o.Days, "days", 90, "over how many days they are spread")
	c.Flags().Int64Var(&o.Closes, "closes", 0, "orders that wait to be paid or closed")
	c.Flags().DurationVar(&o.ClosesWithin, "closes-within", 24*time.Hour, "over what time their closing is spread, from an hour from now")
	c.Flags().BoolVar(&o.Add, "add", false, "add to a database that has orders")
	c.Flags().IntVar(&o.Streams, "streams", 0, "connections that write; 0: one more than there are processors")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	o.ClosesIn = time.Hour
	return c
}

func seed(c *cobra.Command, o bench.SeedOptions, asJSON bool) error {
	say, wipe := progressOrLines(c.ErrOrStderr())
	o.Say = say
	o.Plan = func(p bench.SeedPlan) {
		wipe()
		showPlan(c.ErrOrStderr(), o, p)
	}
	v, err := bench.Seed(c.Context(), o)
	wipe()
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(c.OutOrStdout(), v)
	}
	showSeeded(c, v)
	return nil
}

// progressOrLines is progressLine, and for what is no terminal a line now and
// then: who keeps a log of hours wants to see that something goes on.
func progressOrLines(w io.Writer) (say func(string), wipe func()) {
	const often = 10 * time.Second
	if say, wipe := progressLine(w); say != nil {
		return say, wipe
	}
	last := time.Now()
	return func(s string) {
		if now := time.Now(); now.Sub(last) >= often {
			last = now
			fmt.Fprintln(w, onOneLine(s))
		}
	}, func() {}
}

// showPlan says what will be done, before it is.
func showPlan(w io.Writer, o bench.SeedOptions, p bench.SeedPlan) {
	fmt.Fprintf(w, "Into %s:\n", p.Database)
	if o.Orders > 0 {
		fmt.Fprintf(w, "  %d old orders\n", o.Orders)
	}
	if o.Closes > 0 {
		fmt.Fprintf(w, "  %d that wait, to be closed from %s to %s\n", o.Closes, at(p.First), at(p.Last))
	}
	fmt.Fprintf(w, "  made from %s to %s\n", at(p.From), at(p.To))
	fmt.Fprintf(w, "  some %s rows of %s together, about twice that on disk\n", many(p.Rows), size(p.Bytes))
}

func showSeeded(c *cobra.Command, v *bench.Seeded) {
	t := newTable(c, "table", "rows written", "on disk")
	for _, of := range v.Tables {
		t.row(of.Name, fmt.Sprint(of.Rows), size(of.Bytes))
	}
	t.row("all", fmt.Sprint(v.Rows), size(v.Database))
	t.print()
	out := c.OutOrStdout()
	fmt.Fprintf(out, "\n%d old orders (%d completed, %d closed, %d refunded, %d of them in part) and %d that wait, in %s: %.0f rows/s; %s to vacuum.\n",
		v.Orders, v.Endings["completed"], v.Endings["closed"], v.Endings["refunded"]+v.Endings["called off"]+v.Endings["refunded in part"], v.Endings["refunded in part"],
		v.Closes, seconds(v.Seconds), v.RowsPer, seconds(v.Tidying))
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// many is a number in words of thousands, as a plan needs it.
func many(n int64) string {
	switch {
	case n >= 10_000_000:
		return fmt.Sprintf("%d million", n/1_000_000)
	case n >= 10_000:
		return fmt.Sprintf("%d thousand", n/1000)
	}
	return fmt.Sprint(n)
}

func size(bytes int64) string {
	switch {
	case bytes >= 10<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
