package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newMigrate() *cobra.Command {
	up := &cobra.Command{
		Use: "up", Short: "Bring the schema up to this release's", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			taken, err := d.Migrate(c.Context())
			for _, m := range taken {
				fmt.Fprintf(c.OutOrStdout(), "applied %s\n", m.Name)
			}
			if err == nil && len(taken) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "the schema is up to date")
			}
			return err
		},
	}
	var yes bool
	down := &cobra.Command{
		Use: "down", Short: "Take the newest step back; the data of its tables are lost", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if !yes {
				return &usageError{fmt.Errorf("this drops tables with their data; to go ahead: %s --yes", c.CommandPath())}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			m, err := d.MigrateDown(c.Context())
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "took back %s\n", m.Name)
			}
			return err
		},
	}
	down.Flags().BoolVar(&yes, "yes", false, "yes, drop the tables")
	status := &cobra.Command{
		Use: "status", Short: "Show which steps the database has", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			steps, err := d.Migrations(c.Context())
			if err != nil {
				return err
			}
			t := newTable(c, "step", "state")
			for _, m := range steps {
				state := "pending"
				if m.Applied {
					state = "applied"
				}
				t.row(m.Name, state)
			}
			t.print()
			return nil
		},
	}
	return group("migrate", "Change the database's schema", up, down, status)
}
