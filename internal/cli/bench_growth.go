package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/bench"
)

func newBenchGrowth() *cobra.Command {
	var o bench.GrowthOptions
	var asJSON bool
	var file string
	c := &cobra.Command{
		Use:   "growth",
		Short: "Measure it on a database that grows, beside an empty one",
		Long: `Measure complete lifecycles as "orderflow bench" does, on a database that grows
from step to step: each of --sizes old orders with the first of --closes waiting
ones, and then the largest size with the others of --closes. What is seeded is
vacuumed, and on disk, before it is measured.

In each of --rounds an empty database and the grown one are measured, one right
after the other and each round in the other order, on servers of their own where
DATABASE_URL and REDIS_URL name none: a ratio is of two runs of one round. In the
end the whole grown database is looked through, which takes a minute or two per
million orders; --audit=false leaves it out. Ten million orders take some 50 GB of disk.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			if o.Program, o.Database, o.Redis, err = measuring(c); err != nil {
				return err
			}
			return growth(c, o, asJSON, file)
		},
	}
	loadFlags(c.Flags(), &o.Load, 2*time.Second, 8*time.Second)
	c.Flags().Int64SliceVar(&o.Sizes, "sizes", []int64{0, 1_000_000, 10_000_000}, "old orders, from step to step")
	c.Flags().Int64SliceVar(&o.Closes, "closes", []int64{0, 100_000, 1_000_000}, "orders that wait to be closed")
	c.Flags().IntVar(&o.Days, "days", 90, "over how many days old orders are spread")
	c.Flags().IntVar(&o.Rounds, "rounds", 5, "how often each step is measured")
	c.Flags().BoolVar(&o.Audit, "audit", true, "look through the whole grown database in the end")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&file, "out", "", "keep every result in this file, as JSON")
	return c
}

// growth prints a line per round while it goes on, and the table.
func growth(c *cobra.Command, o bench.GrowthOptions, asJSON bool, file string) error {
	say, wipe := progressOrLines(c.ErrOrStderr())
	o.Say = say
	tell := func(format string, args ...any) {
		wipe()
		fmt.Fprintf(c.ErrOrStderr(), format, args...)
	}
	o.Step = func(s *bench.GrowthStep) { tell("%s\n", stepTitle(s)) }
	o.Ran = func(grown, empty *bench.Result) {
		tell("  %.0f lifecycles/s, empty %.0f, ratio %.2f; callback to merchant %s\n", grown.PerSecond, empty.PerSecond, grown.PerSecond/empty.PerSecond, grown.Notice)
	}
	v, err := bench.MeasureGrowth(c.Context(), o)
	wipe()
	if v == nil {
		return err
	}
	if asJSON {
		err = errors.Join(err, printJSON(c.OutOrStdout(), v))
	} else {
		showGrowth(c, v)
	}
	return errors.Join(err, save(file, v))
}

func stepTitle(s *bench.GrowthStep) string {
	title := fmt.Sprintf("%d old orders, %d waiting, %s", s.Orders, s.Closes, size(s.Bytes))
	if s.Seeded != nil {
		title += fmt.Sprintf("; seeded %d rows in %s, %.0f rows/s", s.Seeded.Rows, seconds(s.Seeded.Seconds), s.Seeded.RowsPer)
	}
	return title
}

func showGrowth(c *cobra.Command, v *bench.Growth) {
	t := newTable(c, "old orders", "waiting", "database", "lifecycles/s", "empty beside it", "ratio", "callback to merchant p50/p99 ms", "empty", "WAL bytes", "empty", "commits")
	for _, s := range v.Steps {
		if len(s.Grown) == 0 || len(s.Empty) == 0 {
			continue
		}
		perSecond := func(r *bench.Result) float64 { return r.PerSecond }
		p50, p99 := func(r *bench.Result) float64 { return r.Notice.P50 }, func(r *bench.Result) float64 { return r.Notice.P99 }
		wal, commits := func(r *bench.Result) float64 { return r.PerOrder["wal_bytes"] }, func(r *bench.Result) float64 { return r.PerOrder["commits"] }
		t.row(fmt.Sprint(s.Orders), fmt.Sprint(s.Closes), size(s.Bytes),
			between(s.Of(perSecond), "%.0f"), between(s.Beside(perSecond), "%.0f"), between(s.Ratio(), "%.2f"),
			fmt.Sprintf("%.0f/%.0f", s.Of(p50).Median, s.Of(p99).Median), fmt.Sprintf("%.0f/%.0f", s.Beside(p50).Median, s.Beside(p99).Median),
			fmt.Sprintf("%.0f", s.Of(wal).Median), fmt.Sprintf("%.0f", s.Beside(wal).Median), fmt.Sprintf("%.2f", s.Of(commits).Median))
	}
	t.print()
	switch {
	case len(v.Findings) > 0:
		showList(c, v.Findings)
	case v.Audited:
		fmt.Fprintln(c.OutOrStdout(), "\nThe grown database was looked through as a whole: nothing is wrong.")
	}
}

// showList prints what was found wrong, the first of it.
func showList(c *cobra.Command, findings []string) {
	for _, f := range findings[:min(len(findings), 20)] {
		fmt.Fprintf(c.OutOrStdout(), "!! %s\n", onOneLine(f))
	}
}

// save keeps results in a file, when one is named.
func save(file string, v any) error {
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	return errors.Join(printJSON(f, v), f.Close())
}
