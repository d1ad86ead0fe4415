package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/app"
)

func newDev() *cobra.Command {
	o := app.DevOptions{Dir: ".orderflow"}
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine, to try it",
		Long: `Run everything on loopback: PostgreSQL, Redis, the API, the relay, the workers,
the queue monitor, a sandbox payment channel and demo merchants. Servers named
by DATABASE_URL and REDIS_URL are used when set. Data stay under .orderflow/
and are found again; Ctrl-C ends all of it. Unless flags say otherwise it listens
on 127.0.0.1:8080, and its log is for people, with warnings and errors only.

With --traffic the demo merchants act on their notices, and orders come to every
ending there is, those that wait for an operator included: see orderflow order
held. What they came to is on standard output, the log with its alerts on
standard error.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Traffic < 0 || o.Traffic > 10_000 {
				return &usageError{errors.New("--traffic: want 0 to 10000 orders a second")}
			}
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Defaults: config.DevDefaults()})
			if err != nil {
				return err
			}
			o.Out = c.OutOrStdout()
			return app.Dev(c.Context(), cfg, o, c.ErrOrStderr())
		},
	}
	c.Flags().BoolVar(&o.Ephemeral, "ephemeral", false, "keep nothing: the data are gone with Ctrl-C")
	c.Flags().Float64Var(&o.Traffic, "traffic", 0, "keep this many orders a second flowing, with every ending")
	return c
}
