package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer"
)

func newEndpointTest() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "test MERCHANT ENDPOINT",
		Short: "Send an endpoint a test now, and see what it makes of it",
		Long: `Send an endpoint a notice of the type endpoint.test now, from here, paused or not,
and print what it answered. When it takes that, a second one follows whose signature
is foreign: an endpoint that takes this one too does not verify signatures, and
anybody can tell it anything. The exit code is 1 then, and when it does not take the
first. Nothing of it is kept.`,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := ident.Parse[merchant.Endpoint](args[1])
			if err != nil {
				return &usageError{err}
			}
			return testEndpoint(c, args[0], id, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func testEndpoint(c *cobra.Command, merchantID string, id merchant.EndpointID, asJSON bool) error {
	cfg, d, err := openWith(c)
	if err != nil {
		return err
	}
	defer d.Close()
	e, err := d.SigningEndpoint(c.Context(), merchantID, id, now())
	if errors.Is(err, order.ErrNotFound) {
		return noEndpoint(merchantID, id)
	}
	if err != nil {
		return err
	}
	notifier := merchant.NewNotifier(merchant.Options{AllowLoopback: allowsLoopback(cfg)})
	defer notifier.Close()
	p := merchant.ProbeEndpoint(c.Context(), notifier.Send, e, now())
	if asJSON {
		if err := printJSON(c.OutOrStdout(), producer.ProbeView(p)); err != nil {
			return err
		}
	} else {
		showProbe(c, p)
	}
	switch {
	case !p.Signed.OK:
		return errors.New("the endpoint did not take the test")
	case p.Verifies == merchant.DoesNotVerify:
		return errors.New("the endpoint does not verify: it took what was signed with a secret that the merchant never had")
	}
	return nil
}

func showProbe(c *cobra.Command, p merchant.Probe) {
	t := newTable(c, "signed", "status", "took", "remote", "verdict", "answer")
	row := func(how string, a merchant.Attempt) { t.row(append([]string{how}, attemptCells(a)...)...) }
	row("rightly", p.Signed)
	if !p.Forged.At.IsZero() {
		row("wrongly", p.Forged)
	}
	t.print()
	switch {
	case p.Verifies == merchant.Verifies:
		fmt.Fprintln(c.OutOrStdout(), "it verifies signatures")
	case p.Signed.OK && p.Verifies == merchant.NotKnown:
		fmt.Fprintln(c.OutOrStdout(), "whether it verifies signatures is not known: try again")
	}
}
