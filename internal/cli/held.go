package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// heldOrder is a line of `orderflow order held --json`.
type heldOrder struct {
	ID         string       `json:"id"`
	Hold       string       `json:"hold"`
	About      string       `json:"about"` // the number that the commands want
	Status     order.Status `json:"status"`
	MerchantID string       `json:"merchant_id"`
	Amount     int64        `json:"amount"`
	Currency   string       `json:"currency"`
	CreatedAt  time.Time    `json:"created_at"`
	Decide     string       `json:"decide"`
}

func newOrderHeld() *cobra.Command {
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use: "held", Short: "List the orders that wait for an operator", Args: exactly(0),
		Long: `List the orders that wait for an operator, newest first, with the number of the
payment, refund or order that it is about. "orderflow order show" tells what can
be done about each.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 || limit > 200 {
				return &usageError{errors.New("--limit: want 1 to 200")}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			list, err := d.Orders(c.Context(), order.Filter{Held: true, Limit: limit})
			if err != nil {
				return err
			}
			return printHeld(c, list, limit, asJSON)
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this many, 1 to 200")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printHeld(c *cobra.Command, list []*order.Order, limit int, asJSON bool) error {
	held := make([]heldOrder, len(list))
	for i, o := range list {
		held[i] = heldOrder{o.ID.String(), o.Hold, heldNumber(o), o.Status, o.MerchantID, o.Amount, o.Currency, o.CreatedAt, waysOut(o)}
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), held)
	}
	if len(held) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "no order is held")
		return nil
	}
	t := newTable(c, "order", "held for", "about", "status", "merchant", "amount", "created (utc)")
	for _, h := range held {
		t.row(h.ID, h.Hold, h.About, string(h.Status), h.MerchantID, order.Money(h.Amount, h.Currency), at(h.CreatedAt))
	}
	t.print()
	if len(held) == limit {
		fmt.Fprintf(c.ErrOrStderr(), "only the newest %d are shown: see --limit\n", limit)
	}
	return nil
}

// heldNumber is the number of what o is held for.
func heldNumber(o *order.Order) string {
	switch o.Hold {
	case order.HoldMismatch:
		if a := o.Unplaced(); a != nil {
			return a.ID.Compact()
		}
	case order.HoldRefundAbnormal:
		for _, r := range o.Refunds {
			if r.Status == order.RefundAbnormal {
				return r.ID.Compact()
			}
		}
	}
	return o.ID.String()
}

// waysOut are the commands that lift o's hold. Whether a way is open is asked of
// the order itself: of a copy.
func waysOut(o *order.Order) string {
	no, ways := heldNumber(o), []string{}
	way := func(command string) { ways = append(ways, "`orderflow "+command+" --why …`") }
	switch o.Hold {
	case order.HoldMismatch:
		if a := o.Unplaced(); a != nil && o.Clone().AcceptMismatch(a.ID, order.System, "", now()) == nil {
			way("order accept-payment " + no)
		}
		way("order return-payment " + no)
	case order.HoldRefundAbnormal:
		way("refund retry " + no)
		way("refund paid-out " + no + " --voucher …")
	case order.HoldConflict:
		if o.Clone().ResolveConflict(true, order.System, "", now()) == nil {
			way("order resolve " + no + " --as delivered")
		}
		way("order resolve " + no + " --as refunded")
	}
	return strings.Join(ways, " or ")
}

func newOrderCancel() *cobra.Command {
	var by hand
	c := &cobra.Command{
		Use:   "cancel ID --why REASON",
		Short: "Call an order off",
		Long: `Call an order off. Unpaid, it closes. Paid and not yet delivered, its merchant is
asked to stop the delivery, and unless the merchant was faster the money goes
back.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := order.ParseID(args[0])
			if err != nil {
				return &usageError{err}
			}
			return by.onOrder(c, id, func(o *order.Order, who order.Actor, now time.Time) error { return o.Cancel(by.why, who, now) })
		},
	}
	by.flags(c, "")
	return c
}

func newOrderResolve() *cobra.Command {
	var by hand
	var as string
	c := &cobra.Command{
		Use:   "resolve ID --as delivered|refunded --why REASON",
		Short: "Decide a delivery that was reported after its refund began",
		Long: `Decide a delivery that the merchant reported when its money was already on its
way back. As delivered, the refund is called back, as long as no channel was asked
for it. As refunded, the refund stands and the merchant's claim is noted.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := order.ParseID(args[0])
			if err != nil {
				return &usageError{err}
			}
			if as != "delivered" && as != "refunded" {
				return &usageError{fmt.Errorf("--as %q: want delivered or refunded", as)}
			}
			return by.onOrder(c, id, func(o *order.Order, who order.Actor, now time.Time) error {
				return o.ResolveConflict(as == "delivered", who, by.why, now)
			})
		},
	}
	c.Flags().StringVar(&as, "as", "", "delivered or refunded")
	by.flags(c, "")
	return c
}

func newAcceptPayment() *cobra.Command {
	return newOnPayment("accept-payment NO --why REASON", "Take a payment of the wrong sum for its order after all",
		`Take a payment of the wrong sum for its order after all. NO is the payment's
number, as "orderflow order show" and the channel's bill have it.`, (*order.Order).AcceptMismatch)
}

func newReturnPayment() *cobra.Command {
	return newOnPayment("return-payment NO --why REASON", "Give a payment of the wrong sum back now",
		`Give a payment of the wrong sum back now; when nobody decides, it goes back by
itself half an hour after it came. NO is the payment's number, as "orderflow order
show" and the channel's bill have it.`, (*order.Order).ReturnMismatch)
}

func newOnPayment(use, short, long string, take func(o *order.Order, id order.AttemptID, by order.Actor, why string, now time.Time) error) *cobra.Command {
	var by hand
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			no, err := ident.Parse[order.Attempt](args[0])
			if err != nil {
				return &usageError{err}
			}
			return by.onOrder(c, order.Family(no), func(o *order.Order, who order.Actor, now time.Time) error {
				if o.Attempt(no) == nil {
					return fmt.Errorf("there is no payment %s in this database", no.Compact())
				}
				return take(o, no, who, by.why, now)
			})
		},
	}
	by.flags(c, "")
	return c
}

// onOrder takes a step of an order and says where it stands.
func (h *hand) onOrder(c *cobra.Command, id order.ID, take func(o *order.Order, by order.Actor, now time.Time) error) error {
	o, done, err := h.change(c, id, take)
	if err != nil {
		return err
	}
	tell(c, done, fmt.Sprintf("order %s is %s", o.ID, o.Status))
	return nil
}
