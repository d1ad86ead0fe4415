package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/order"
)

func newKey() *cobra.Command {
	return group("key", "Make and revoke keys of the API", newKeyCreate(), newKeyList(), newKeyRevoke())
}

func newKeyCreate() *cobra.Command {
	var role, merchantID string
	c := &cobra.Command{
		Use:   "create NAME --role ROLE [--merchant ID]",
		Short: "Make a key; it is shown once and kept only as its hash",
		Args:  exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := access.ParseRole(role)
			if err != nil {
				return &usageError{err}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			key, hash := access.NewKey(r)
			if err := d.PutKey(c.Context(), hash, args[0], r, merchantID); err != nil {
				return fmt.Errorf("make key %s: %w", args[0], err)
			}
			fmt.Fprintln(c.OutOrStdout(), key)
			fmt.Fprintln(c.ErrOrStderr(), "Keep it now: it is not shown again.")
			return nil
		},
	}
	c.Flags().StringVar(&role, "role", "", "app, merchant or operator")
	c.Flags().StringVar(&merchantID, "merchant", "", "whose key it is, for --role merchant")
	return c
}

func newKeyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys, without the keys themselves", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			keys, err := d.Keys(c.Context())
			if err != nil {
				return err
			}
			t := newTable(c, "name", "role", "merchant", "created (utc)", "revoked (utc)")
			for _, k := range keys {
				t.row(k.Name, string(k.Role), k.MerchantID, at(k.CreatedAt), at(k.RevokedAt))
			}
			t.print()
			return nil
		},
	}
}

func newKeyRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "Revoke every key of a name; within seconds nobody gets in with them", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			err = d.RevokeKey(c.Context(), args[0])
			if errors.Is(err, order.ErrNotFound) {
				return fmt.Errorf("there is no live key named %s: see `orderflow key list`", args[0])
			}
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "revoked %s; processes that know it forget it within 10 seconds\n", args[0])
			}
			return err
		},
	}
}
