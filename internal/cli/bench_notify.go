package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/bench"
)

func newBenchNotify() *cobra.Command {
	var o bench.NotifyOptions
	var asJSON bool
	var file string
	c := &cobra.Command{
		Use:   "notify",
		Short: "Measure how fast merchants are told what waits for them",
		Long: `Make --notices orders that have just been paid and whose merchants have yet to be
told, then start the service and report how many notices a second are delivered,
and what one costs: by one process of relay and workers, by two of them, and by
two processes of workers beside one that is the relay alone, to see its share.

Every merchant must be told once, and every attempt be in the log, or the exit
code is 1. Servers are as for "orderflow bench". See bench/README.md.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			if o.Program, o.Database, o.Redis, err = measuring(c); err != nil {
				return err
			}
			return notify(c, o, asJSON, file)
		},
	}
	c.Flags().Int64Var(&o.Notices, "notices", 100_000, "notices that wait, of 50 merchants with an endpoint each")
	c.Flags().IntVar(&o.Rounds, "rounds", 1, "how often each service is measured")
	c.Flags().BoolVar(&o.Statements, "statements", false, "count PostgreSQL's statements, which costs a little of each")
	c.Flags().DurationVar(&o.Limit, "limit", 5*time.Minute, "how long telling them all may take")
	c.Flags().DurationVar(&o.Think, "think", time.Millisecond, "how long the merchant takes for its answer")
	c.Flags().StringVar(&o.Profile, "profile", "", "keep the first process's profiles in this directory")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&file, "out", "", "keep every result in this file, as JSON")
	return c
}

// notify prints a line per run while it goes on, and the table.
func notify(c *cobra.Command, o bench.NotifyOptions, asJSON bool, file string) error {
	say, wipe := progressOrLines(c.ErrOrStderr())
	o.Say = say
	o.Done = func(crew string, v *bench.NotifyRun) {
		wipe()
		fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", crew, v)
	}
	v, err := bench.MeasureNotify(c.Context(), o)
	wipe()
	if v == nil {
		return err
	}
	if asJSON {
		err = errors.Join(err, printJSON(c.OutOrStdout(), v))
	} else {
		showNotified(c, v)
	}
	return errors.Join(err, save(file, v))
}

func showNotified(c *cobra.Command, v *bench.Notified) {
	t := newTable(c, v.Columns()...)
	for _, by := range v.Crews {
		if len(by.Runs) > 0 {
			t.row(by.Row()...)
		}
	}
	t.print()
	for _, by := range v.Crews {
		for _, r := range by.Runs {
			showList(c, r.Findings)
		}
	}
}
