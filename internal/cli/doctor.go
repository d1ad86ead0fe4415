package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/app"
)

func newDoctor() *cobra.Command {
	var audit bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with a set-up and what to do",
		Long: `Look at the settings, PostgreSQL, Redis, the schema and the work that is owed,
and say what is wrong and what to do. With --audit also check that stock, money,
timelines and tasks add up; that reads every order. Nothing is changed. The exit
code is 1 when something needs doing.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(sources(c, "database.url", "redis.url"))
			if err != nil {
				return err
			}
			list := app.Diagnose(c.Context(), cfg, audit)
			t := newTable(c, "", "looked at", "found")
			wrong := 0
			for _, d := range list {
				mark := "ok"
				if d.Advice != "" {
					mark = "!!"
					wrong++
				}
				t.row(mark, d.What, d.Found)
				if d.Advice != "" {
					t.row("", "", "→ "+d.Advice)
				}
			}
			t.print()
			if wrong > 0 {
				return fmt.Errorf("%d of %d need doing", wrong, len(list))
			}
			fmt.Fprintln(c.OutOrStdout(), "\nAll is well.")
			return nil
		},
	}
	c.Flags().BoolVar(&audit, "audit", false, "also check that the books add up: reads every order")
	return c
}
