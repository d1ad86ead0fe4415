package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

func newRecovery() *cobra.Command {
	return group("recovery", "Look at recoveries of endpoints, and cancel them", newRecoveryList(), newRecoveryShow(), newRecoveryCancel())
}

func newRecoveryList() *cobra.Command {
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use: "list MERCHANT", Short: "List a merchant's recoveries, newest first", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 || limit > 200 {
				return &usageError{errors.New("--limit: want 1 to 200")}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			list, err := d.Recoveries(c.Context(), args[0], merchant.RecoveryID{}, limit)
			if err != nil {
				return err
			}
			if asJSON {
				views := make([]api.Recovery, len(list))
				for i, r := range list {
					views[i] = producer.RecoveryView(r)
				}
				return printJSON(c.OutOrStdout(), views)
			}
			if len(list) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "there is no recovery")
				return nil
			}
			t := newTable(c, "recovery", "endpoint", "state", "by", "since (utc)", "until (utc)", "queued", "delivered", "waiting", "failed")
			for _, r := range list {
				t.row(r.ID.String(), r.EndpointID.String(), string(r.State), string(r.Actor), at(r.Since), at(r.Until), fmt.Sprint(r.Queued), fmt.Sprint(r.Delivered), fmt.Sprint(r.Waiting), fmt.Sprint(r.Failed))
			}
			t.print()
			return nil
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this many, 1 to 200")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newRecoveryShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show RECOVERY", Short: "Show how far a recovery is", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return onRecovery(c, args[0], func(_ *db.DB, r merchant.Recovery) error {
				if asJSON {
					return printJSON(c.OutOrStdout(), producer.RecoveryView(r))
				}
				showRecovery(c, r)
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newRecoveryCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel RECOVERY", Short: "End a recovery: what waits only because of it is told no more", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return onRecovery(c, args[0], func(d *db.DB, r merchant.Recovery) error {
				if err := d.CancelRecovery(c.Context(), r.ID, now()); err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "recovery %s is cancelled; what is in flight just now finishes\n", r.ID)
				return nil
			})
		},
	}
}

func onRecovery(c *cobra.Command, text string, do func(*db.DB, merchant.Recovery) error) error {
	id, err := ident.Parse[merchant.Recovery](text)
	if err != nil {
		return &usageError{err}
	}
	d, err := openDB(c)
	if err != nil {
		return err
	}
	defer d.Close()
	r, err := d.Recovery(c.Context(), id)
	if errors.Is(err, order.ErrNotFound) {
		return fmt.Errorf("there is no recovery %s in this database: see `orderflow recovery list`", id)
	}
	if err != nil {
		return err
	}
	return do(d, r)
}

// stands is why a recovery stands still, and what to do about it.
var stands = map[merchant.Reason]string{
	merchant.Held:    "its endpoint is paused by hand or disabled; see `orderflow endpoint resume`",
	merchant.Probing: "its endpoint fails, and is only probed",
}

func showRecovery(c *cobra.Command, r merchant.Recovery) {
	out := c.OutOrStdout()
	fact := func(name, value string) { fmt.Fprintf(out, "%-12s%s\n", name, onOneLine(value)) }
	fact("recovery", r.ID.String())
	fact("merchant", r.MerchantID)
	fact("endpoint", r.EndpointID.String())
	fact("since", at(r.Since))
	fact("until", at(r.Until))
	what := "what it has not acknowledged"
	if r.All {
		what = "everything"
	}
	fact("of", what)
	if r.Actor != "" {
		fact("by", string(r.Actor))
	}
	state := string(r.State)
	if why := stands[r.Reason]; why != "" {
		state += ", and stands still: " + why
	}
	fact("state", state)
	fact("progress", advance(r))
	if n := r.Dropped(); n > 0 {
		fact("dropped", fmt.Sprint(n))
	}
	if !r.EndedAt.IsZero() {
		fact("ended", at(r.EndedAt))
	}
}
