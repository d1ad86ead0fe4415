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

func newNoticeResend() *cobra.Command {
	var endpoint string
	var asJSON bool
	c := &cobra.Command{
		Use: "resend NOTICE", Short: "Tell a notice once more, taken or not", Args: exactly(1),
		Long: `Tell a notice once more, with its webhook-id and its bytes as before, whether it was
taken or not: to --endpoint, or to every endpoint of its merchant that subscribes to
its type. What already waits goes now, with all its tries anew. For an endpoint that
is paused or disabled it is held.`,
		RunE: func(c *cobra.Command, args []string) error {
			var to merchant.EndpointID
			if endpoint != "" {
				var err error
				if to, err = ident.Parse[merchant.Endpoint](endpoint); err != nil {
					return &usageError{fmt.Errorf("--endpoint: %w", err)}
				}
			}
			return resend(c, args[0], to, asJSON)
		},
	}
	c.Flags().StringVar(&endpoint, "endpoint", "", "to this endpoint alone")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func resend(c *cobra.Command, id string, to merchant.EndpointID, asJSON bool) error {
	d, err := openDB(c)
	if err != nil {
		return err
	}
	defer d.Close()
	r, err := d.NoticeRecord(c.Context(), id)
	if err != nil {
		return missingNotice(err, id)
	}
	waits, err := d.Resend(c.Context(), r.ID, to, now())
	if errors.Is(err, order.ErrNotFound) {
		return noEndpoint(r.MerchantID, to)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), producer.ResentView(r.ID, waits))
	}
	for _, w := range waits {
		fmt.Fprintf(c.OutOrStdout(), "endpoint %s %s\n", w.EndpointID, prospect(r.MerchantID, w))
	}
	return nil
}

// prospect is when an endpoint will hear of what waits for it.
func prospect(merchantID string, d merchant.Delivery) string {
	switch {
	case d.InFlight:
		return "is being told just now"
	case d.Reason == merchant.Held:
		return fmt.Sprintf("is paused or disabled: it is held; orderflow endpoint resume %s %s lets it go", merchantID, d.EndpointID)
	case d.Reason == merchant.Probing:
		return "fails and is only probed: it is held until a probe succeeds"
	case d.Reason == merchant.Throttled:
		return "has asked for a pause: it is told after that"
	}
	return "is told now; the relay hands it over within a second"
}
