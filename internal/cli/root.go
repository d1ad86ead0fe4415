// Package cli is the command line: what people and schedulers type. Each
// command reads its settings, opens what it needs, does one thing and says what
// it did.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/app"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exit codes: 0 is done, 1 is a failure, 2 a command that was not understood.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Run runs one command line and returns its exit code. When ctx ends the
// command winds up what it has in hand and returns.
func Run(ctx context.Context, args []string, s Streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		return report(s.Err, err)
	}
	return 0
}

func report(w io.Writer, err error) int {
	var faults config.Faults
	var usage *usageError
	switch {
	case errors.As(err, &faults):
		fmt.Fprintln(w, "orderflow: these settings cannot be used:")
		for _, f := range faults {
			fmt.Fprintf(w, "  %s\n", f)
		}
		fmt.Fprintln(w, "Nothing was started. `orderflow config` shows every setting and where it comes from.")
	case errors.As(err, &usage):
		fmt.Fprintf(w, "orderflow: %v\n", err)
		return exitUsage
	case db.Unreachable(err):
		fmt.Fprintf(w, "orderflow: the database cannot be reached: %v\n", err)
		fmt.Fprintln(w, "Is it up, and DATABASE_URL right? `orderflow doctor` tells more.")
	default:
		fmt.Fprintf(w, "orderflow: %v\n", err)
	}
	return exitFailed
}

// usageError is a command line that was not understood.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func newRoot(s Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "orderflow",
		Short: "An order pipeline: intake, payment, delivery, closing",
		Long: `Orderflow takes orders in, takes their payment through payment channels, tells
merchants to deliver, and closes what is not paid in time.

To try it:          orderflow dev
To run it:          orderflow migrate up && orderflow serve
When in doubt:      orderflow doctor`,
		Args: cobra.ArbitraryArgs, RunE: holdsOthers,
		SilenceUsage: true, SilenceErrors: true, Version: version(),
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())}
	})
	config.Flags(root.PersistentFlags())
	root.AddCommand(newDev(), newServe(), newMigrate(), newMaintenance(), newOrder(), newRefund(), newTask(), newLedger(), newKey(), newEndpoint(), newNotice(), newRecovery(), newSecrets(), newConfig(), newDoctor(), newHealthcheck(), newBench())
	return root
}

// none and exactly check the number of arguments, as a fault of usage.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(c, args); err != nil {
			return &usageError{fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())}
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: holdsOthers}
	c.AddCommand(sub...)
	return c
}

func holdsOthers(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("unknown command %q for %q; see `%s --help`", args[0], c.CommandPath(), c.CommandPath())}
	}
	return c.Help()
}

// sources are the settings of a command: flags, environment, file, and for what
// none of them names, a development server that is running in this directory.
func sources(c *cobra.Command, required ...string) config.Sources {
	return config.Sources{Flags: c.Flags(), Defaults: app.DevServers(), Required: required}
}

// openDB is for commands that work on the database alone.
func openDB(c *cobra.Command) (*db.DB, error) {
	_, d, err := openWith(c)
	return d, err
}

// openWith is openDB for those that need the settings as well.
func openWith(c *cobra.Command) (config.Config, *db.DB, error) {
	cfg, err := config.Load(sources(c, "database.url"))
	if err != nil {
		return cfg, nil, err
	}
	d, err := app.OpenDB(c.Context(), cfg, 2)
	return cfg, d, err
}

// logger is a zap logger as the settings want it, on w.
func logger(cfg config.Log, w io.Writer) (*zap.Logger, error) {
	return app.NewLogger(cfg, w)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
