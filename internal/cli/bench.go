package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/bench"
)

func newBench() *cobra.Command {
	var o bench.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast it is on this machine",
		Long: `Start "orderflow serve" on a private PostgreSQL and a private Redis that lose
nothing, with a merchant beside it, take orders through their whole life over
the public API, and count: orders, callbacks, notices, CPU, commits, bytes.

The loop is closed: each of --clients buyers begins an order when the one before
is through; or with --rate open: orders come at that rate however slow the answers
are. Afterwards every order must be where it should be, or the exit code is 1.

With DATABASE_URL and REDIS_URL it runs on those servers, in a fresh database
that is dropped afterwards, and in an empty Redis that is cleared. With --url it
measures an Orderflow that runs already: DATABASE_URL, REDIS_URL and
ORDERFLOW_SANDBOX_SECRET are then those of that Orderflow, whose database must
have no orders. See bench/README.md.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Program, o.Database, o.Redis, err = measuring(c); err != nil {
				return err
			}
			if o.URL != "" {
				cfg, err := config.Load(config.Sources{Flags: c.Flags()})
				if err != nil {
					return err
				}
				o.Secret, o.Keys = cfg.Sandbox.Secret, cfg.Secrets.Keys
			}
			say, wipe := progressLine(c.ErrOrStderr())
			o.Say = say
			v, err := bench.Run(c.Context(), o)
			wipe()
			if err != nil {
				return err
			}
			return showBench(c, v, asJSON)
		},
	}
	loadFlags(c.Flags(), &o.Load, 2*time.Second, 10*time.Second)
	c.Flags().Float64Var(&o.Load.Rate, "rate", 0, "begin this many orders a second, in an open loop")
	c.Flags().Float64Var(&o.Load.Unpaid, "unpaid", 0, "leave this share of the orders unpaid, and measure how late they are closed")
	c.Flags().DurationVar(&o.Load.PayWithin, "pay-within", 3*time.Second, "how long those may be paid")
	c.Flags().StringVar(&o.URL, "url", "", "an Orderflow that runs already: http://127.0.0.1:8080")
	c.Flags().StringVar(&o.Profile, "profile", "", "keep the service's profiles of the window in this directory")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(newBenchOverload(), newBenchSeed(), newBenchGrowth(), newBenchClose(), newBenchIsolation(), newBenchNotify(), newBenchCompare(), newBenchMerchant())
	return c
}

func loadFlags(f *pflag.FlagSet, l *bench.Load, warm, window time.Duration) {
	f.IntVar(&l.Clients, "clients", 192, "buyers at once, in a closed loop")
	f.DurationVar(&l.Warm, "warm", warm, "how long to run before it counts")
	f.DurationVar(&l.Window, "window", window, "how long to count")
	f.DurationVar(&l.Drain, "drain", 30*time.Second, "how long what is under way may take afterwards")
	f.DurationVar(&l.Think, "think", time.Millisecond, "how long the merchant takes for its answer")
}

// measuring is how every measurement begins: with how this program is called,
// to be started again, and with the servers of its settings.
func measuring(c *cobra.Command) (program []string, database, redis string, err error) {
	roomy()
	path, err := os.Executable()
	if err != nil {
		return nil, "", "", fmt.Errorf("find this program, to start it again: %w", err)
	}
	cfg, err := config.Load(config.Sources{Flags: c.Flags()})
	return []string{path, os.Args[0]}, cfg.Database.URL, cfg.Redis.URL, err
}

func showBench(c *cobra.Command, v *bench.Result, asJSON bool) error {
	if asJSON {
		if err := printJSON(c.OutOrStdout(), v); err != nil {
			return err
		}
		return v.Err()
	}
	t := newTable(c, v.Target, "")
	for _, r := range v.Rows() {
		t.row(r.What, r.Value)
	}
	t.print()
	showList(c, v.Findings)
	return v.Err()
}

// progressLine is one line that is written over and over, for a terminal;
// anything else is told nothing. wipe takes it away.
func progressLine(w io.Writer) (say func(string), wipe func()) {
	f, ok := w.(*os.File)
	if !ok {
		return nil, func() {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, func() {}
	}
	const line = "\r\x1b[K"
	return func(s string) { fmt.Fprint(w, line+onOneLine(s)) }, func() { fmt.Fprint(w, line) }
}

// newBenchMerchant is the process that plays the merchant. It ends with the one
// that started it.
func newBenchMerchant() *cobra.Command {
	mended := make(chan struct{})
	m := bench.Merchant{Secret: os.Getenv(bench.MerchantSecret), Mended: mended}
	c := &cobra.Command{
		Use: "merchant", Short: "Take notices, and report them on standard output", Hidden: true, Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			roomy()
			go func() {
				_, _ = io.Copy(io.Discard, c.InOrStdin()) // it ends when whoever started us wants it
				close(mended)
			}()
			return m.Run(c.Context(), c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&m.Reader, "reader", "webhooks", "how notices are signed")
	c.Flags().DurationVar(&m.Think, "think", 0, "how long to take for an answer")
	c.Flags().IntVar(&m.Count, "doors", 1, "at how many addresses to take notices")
	c.Flags().Float64Var(&m.Hanging, "hanging", 0, "share of them that hang until standard input ends")
	c.Flags().DurationVar(&m.For, "hang", 0, "how long those take at most")
	return c
}

func newBenchCompare() *cobra.Command {
	var o bench.CompareOptions
	var file string
	c := &cobra.Command{
		Use: "compare", Short: "Measure it beside the baselines of bench/baseline", Hidden: true, Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Rounds < 1 || o.Bare == "" || o.River == "" {
				return &usageError{errors.New("want --rounds of 1 or more, and the programs --bare and --river; `make bench-compare` gives them")}
			}
			if o.Program, o.Database, o.Redis, err = measuring(c); err != nil {
				return err
			}
			return compare(c, o, file)
		},
	}
	loadFlags(c.Flags(), &o.Load, 2*time.Second, 8*time.Second)
	c.Flags().IntVar(&o.Rounds, "rounds", 5, "how often each of them is measured")
	c.Flags().StringVar(&o.Bare, "bare", "", "the program of bench/baseline/bare")
	c.Flags().StringVar(&o.River, "river", "", "the program of bench/baseline/river")
	c.Flags().StringVar(&file, "out", "", "keep every result in this file, as JSON")
	return c
}

// compare prints a line per run while it goes on, the table, and last the line
// that others read. After a run that was wrong there is no such line.
func compare(c *cobra.Command, o bench.CompareOptions, file string) error {
	say, wipe := progressLine(c.ErrOrStderr())
	o.Say = say
	o.Done = func(v *bench.Result) {
		wipe()
		fmt.Fprintf(c.ErrOrStderr(), "%-10s %6.0f lifecycles/s  callback to merchant %s\n", v.Target, v.PerSecond, v.Notice)
	}
	v, err := bench.Compare(c.Context(), o)
	wipe()
	if v != nil {
		showComparison(c, v)
		err = errors.Join(err, save(file, v))
	}
	if err == nil {
		fmt.Fprintf(c.OutOrStdout(), "RATIO orderflow/bare %.2f orderflow/river %.2f\n",
			v.Ratio(bench.Orderflow, bench.Bare).Median, v.Ratio(bench.Orderflow, bench.River).Median)
	}
	return err
}

func showComparison(c *cobra.Command, v *bench.Comparison) {
	t := newTable(c, "service", "rounds", "lifecycles/s", "ratio to bare", "cpu ms/order", "app+pg+redis", "intake p50/p99 ms", "callback to merchant p50/p99 ms", "commits", "WAL bytes")
	for _, name := range v.Targets {
		if len(v.Results[name]) == 0 {
			continue
		}
		median := func(figure func(*bench.Result) float64) float64 { return v.Of(name, figure).Median }
		cpu := func(process string) float64 {
			return median(func(r *bench.Result) float64 { return r.CPU[process] })
		}
		app, postgres, redis := cpu("app"), cpu("postgres"), cpu("redis")
		t.row(name, fmt.Sprint(len(v.Results[name])),
			between(v.Of(name, func(r *bench.Result) float64 { return r.PerSecond }), "%.0f"),
			between(v.Ratio(name, bench.Bare), "%.2f"),
			fmt.Sprintf("%.2f", app+postgres+redis), fmt.Sprintf("%.2f+%.2f+%.2f", app, postgres, redis),
			fmt.Sprintf("%.0f/%.0f", median(func(r *bench.Result) float64 { return r.Intake.P50 }), median(func(r *bench.Result) float64 { return r.Intake.P99 })),
			fmt.Sprintf("%.0f/%.0f", median(func(r *bench.Result) float64 { return r.Notice.P50 }), median(func(r *bench.Result) float64 { return r.Notice.P99 })),
			fmt.Sprintf("%.2f", median(func(r *bench.Result) float64 { return r.PerOrder["commits"] })),
			fmt.Sprintf("%.0f", median(func(r *bench.Result) float64 { return r.PerOrder["wal_bytes"] })))
	}
	t.print()
}

// between shows a median and how far the rounds were apart.
func between(s bench.Spread, format string) string {
	return fmt.Sprintf(strings.ReplaceAll("F (F–F)", "F", format), s.Median, s.Min, s.Max)
}
