package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/bench"
)

func newBenchIsolation() *cobra.Command {
	var o bench.IsolationOptions
	var within time.Duration
	var asJSON bool
	var file string
	c := &cobra.Command{
		Use:   "isolation",
		Short: "Measure what merchants notice of others whose endpoints hang",
		Long: `Have orders paid at --rate, of as many merchants as there are --endpoints, and let
a share of the endpoints keep whoever tells them something for --hang, each of the
shares of --hanging in turn. Report of the healthy endpoints how many of their
notices started, that is arrived while the others hung, and how long after the
payment's callback. Each share is measured beside the same load on a plain queue
that all endpoints share; --plain=false leaves that out.

The service is an API, a relay and --workers processes of workers. In the end the
endpoints hang no more: every healthy one must have been told once, nothing may
be lost, or the exit code is 1; with --within also when, without the plain queue,
a notice did not start or their p99 is not below it. Servers are as for
"orderflow bench". See bench/README.md.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			if o.Program, o.Database, o.Redis, err = measuring(c); err != nil {
				return err
			}
			v, err := isolation(c, o, asJSON, file)
			if err == nil && within > 0 {
				err = v.Within(within)
			}
			return err
		},
	}
	c.Flags().IntVar(&o.Endpoints, "endpoints", 200, "endpoints, each another merchant's")
	c.Flags().Float64SliceVar(&o.Shares, "hanging", []float64{0, 0.02, 0.1, 0.4}, "shares of them that hang, from step to step")
	c.Flags().DurationVar(&o.Hang, "hang", 15*time.Second, "how long those keep whoever comes")
	c.Flags().Float64Var(&o.Rate, "rate", 400, "orders a second that are paid")
	c.Flags().IntVar(&o.Workers, "workers", 2, "processes of workers")
	c.Flags().BoolVar(&o.Plain, "plain", true, "measure the plain queue beside it")
	c.Flags().IntVar(&o.Rounds, "rounds", 1, "how often each step is measured")
	c.Flags().DurationVar(&o.Warm, "warm", 5*time.Second, "how long to run before it counts")
	c.Flags().DurationVar(&o.Window, "window", 20*time.Second, "how long to count")
	c.Flags().DurationVar(&o.Drain, "drain", 2*time.Minute, "how long what is under way may take, once nobody hangs any more")
	c.Flags().DurationVar(&o.Think, "think", time.Millisecond, "how long a healthy endpoint takes for its answer")
	c.Flags().DurationVar(&within, "within", 0, "fail unless all notices of healthy endpoints start, with a p99 below this")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&file, "out", "", "keep every result in this file, as JSON")
	return c
}

// isolation prints a line per run while it goes on, and the table.
func isolation(c *cobra.Command, o bench.IsolationOptions, asJSON bool, file string) (*bench.Isolation, error) {
	say, wipe := progressOrLines(c.ErrOrStderr())
	o.Say = say
	o.Done = func(share float64, v *bench.IsolationRun) {
		wipe()
		fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", bench.IsolationTitle(share, v.Plain), v)
	}
	v, err := bench.MeasureIsolation(c.Context(), o)
	wipe()
	if v == nil {
		return nil, err
	}
	if asJSON {
		err = errors.Join(err, printJSON(c.OutOrStdout(), v))
	} else {
		showIsolation(c, v)
	}
	return v, errors.Join(err, save(file, v))
}

func showIsolation(c *cobra.Command, v *bench.Isolation) {
	t := newTable(c, v.Columns()...)
	for _, s := range v.Steps {
		t.row(s.Row()...)
	}
	t.print()
	fmt.Fprintf(c.OutOrStdout(), "%d endpoints, of which the healthy are counted; times are from the callback to the notices that started.\n", v.Endpoints)
	for _, s := range v.Steps {
		for _, r := range append(s.Isolated, s.Plain...) {
			showList(c, r.Findings)
		}
	}
}
