package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/bench"
)

func newBenchOverload() *cobra.Command {
	var o bench.Options
	var asJSON bool
	var least float64
	var times []float64
	c := &cobra.Command{
		Use:   "overload",
		Short: "Measure what it does with more than it can take",
		Long: `Find the peak of "orderflow serve" on this machine with buyers in a closed loop,
then offer 1, 2 and 3 times as many orders a second in an open loop, and at once
afterwards half of the peak, to see it recover. The peak is found again before each
and at the end: a step is compared to the peaks on both sides of it. What there is
no room for must be refused early, what is let in must come through.

With --times 0.5,0.5,0.5 it shows what merchants and buyers notice of half load,
whatever the peak is just then.

Everything that was accepted must be where it should be in the end, or the exit
code is 1; with --least also when a step completes less than that share of the
peak. See bench/README.md.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Program, o.Database, o.Redis, err = measuring(c); err != nil {
				return err
			}
			say, wipe := progressLine(c.ErrOrStderr())
			o.Say = say
			v, err := bench.Overload(c.Context(), o, times)
			wipe()
			if err != nil {
				return err
			}
			return errors.Join(showOverload(c, v, asJSON), v.Err(), v.Least(least))
		},
	}
	loadFlags(c.Flags(), &o.Load, 6*time.Second, 8*time.Second) // until those who wait are no more than before
	c.Flags().Float64SliceVar(&times, "times", bench.Steps(), "what is offered, in peaks, from step to step; below 1 right after more than 1 follows at once")
	c.Flags().Float64Var(&least, "least", 0, "the least share of the peak that a step of as much or more may complete, such as 0.8")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func showOverload(c *cobra.Command, v *bench.Overloaded, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), v)
	}
	t := newTable(c, v.Columns()...)
	for _, s := range v.Steps {
		t.row(s.Row()...)
	}
	t.print()
	out := c.OutOrStdout()
	fmt.Fprintf(out, "latencies are p50/p99; %d orders were accepted, verified: %t\n", v.Orders, v.Verified)
	if len(v.Errors) > 0 {
		fmt.Fprintf(out, "errors: %s\n", strings.Trim(fmt.Sprint(v.Errors), "map[]"))
	}
	showList(c, v.Findings)
	return nil
}
