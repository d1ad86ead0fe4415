package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/app"
)

func newServe() *cobra.Command {
	var profiles string
	var extras app.Extras
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the service, or some of its parts with --role",
		Long: `Run the service on a PostgreSQL and a Redis of yours (DATABASE_URL, REDIS_URL).

Every part is stateless: run as many processes as you like, each with all roles
or with some: --role api,relay,worker,monitor. The schema must be up to date:
run "orderflow migrate up" first.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Required: []string{"database.url", "redis.url"}})
			if err != nil {
				return err
			}
			log, err := logger(cfg.Log, c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer app.StandardLog(log)()
			stop, err := serveProfiles(c.Context(), profiles)
			if err != nil {
				return err
			}
			defer stop()
			roomy()
			a, err := app.Start(c.Context(), cfg, log, extras)
			if err != nil {
				return err
			}
			defer a.Stop()
			log.Info("orderflow is up", zap.Stringer("http", a.Addr()), zap.String("roles", fmt.Sprint(cfg.Roles)), zap.String("version", version()))
			err = a.Wait(c.Context())
			log.Info("orderflow is stopping: what is in hand is finished or given back")
			return err
		},
	}
	c.Flags().StringVar(&profiles, "pprof", "", "serve Go's profiles at this address of loopback")
	_ = c.Flags().MarkHidden("pprof") // for `orderflow bench --profile`; it has no guard
	c.Flags().BoolVar(&extras.PlainNotices, "plain-notices", false, "keep no merchant's endpoint apart from the others")
	_ = c.Flags().MarkHidden("plain-notices") // for `orderflow bench isolation`, which measures what that would be like
	return c
}
