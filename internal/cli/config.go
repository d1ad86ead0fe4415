package cli

import (
	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/config"
)

func newConfig() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "config", Short: "Show every setting and where it comes from; secrets are hidden", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := config.Describe(sources(c))
			if asJSON {
				if printed := printJSON(c.OutOrStdout(), list); printed != nil {
					return printed
				}
				return err
			}
			t := newTable(c, "setting", "value", "from", "environment", "what it is")
			for _, s := range list {
				t.row(s.Name, s.Value, s.Source, s.Env, s.Doc)
			}
			t.print()
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
