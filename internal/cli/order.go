package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

func newOrder() *cobra.Command {
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show an order and its timeline",
		Long: `Show an order with its payments, refunds, delivery and timeline. ID may be the
order's, or the number of one of its payments or refunds as a channel's bill has
it: 32 hex digits.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			part, err := ident.Parse[order.Order](args[0])
			if err != nil {
				return &usageError{err}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			return showOrder(c, d, order.Family(part))
		},
	}
	return group("order", "Look at orders, and step in",
		show, newOrderHeld(), newOrderCancel(), newAcceptPayment(), newReturnPayment(), newOrderResolve())
}

func showOrder(c *cobra.Command, d *db.DB, id order.ID) error {
	o, err := d.Order(c.Context(), id)
	if errors.Is(err, order.ErrNotFound) {
		return fmt.Errorf("there is no order %s in this database", id)
	}
	if err != nil {
		return err
	}
	events, err := d.Events(c.Context(), id)
	if err != nil {
		return err
	}
	tries, err := d.NoticeAttempts(c.Context(), order.DeliveryID(id).String())
	if err != nil && !errors.Is(err, order.ErrNotFound) {
		return err
	}
	waiting, err := d.OrderDeliveries(c.Context(), id)
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	printFacts(out, o)
	fmt.Fprintln(out)
	items := newTable(c, "sku", "name", "quantity", "unit price")
	for _, it := range o.Items {
		items.row(it.SKU, it.Name, fmt.Sprint(it.Quantity), order.Money(it.UnitPrice, o.Currency))
	}
	items.print()
	if len(o.Attempts) > 0 {
		fmt.Fprintln(out)
		t := newTable(c, "payment", "channel", "status", "amount", "paid", "trade no")
		for _, a := range o.Attempts {
			paid := ""
			if a.Status == order.AttemptSuccess {
				paid = order.Money(a.PaidAmount, a.PaidCurrency)
			}
			t.row(a.ID.Compact(), a.Channel, strings.TrimSpace(string(a.Status)+" "+string(a.Disposition)), order.Money(a.Amount, a.Currency), paid, a.TradeNo)
		}
		t.print()
	}
	if len(o.Refunds) > 0 {
		fmt.Fprintln(out)
		t := newTable(c, "refund", "status", "amount", "reason", "problem", "voucher")
		for _, r := range o.Refunds {
			t.row(r.ID.Compact(), string(r.Status), refundMoney(o, r), r.Reason, r.Problem, r.Voucher)
		}
		t.print()
	}
	fmt.Fprintln(out)
	t := newTable(c, "time (utc)", "event", "status", "by", "")
	for _, e := range events {
		t.row(at(e.At), string(e.Type), string(e.Status), string(e.Actor), e.Detail.String())
	}
	t.print()
	if len(tries) > 0 {
		fmt.Fprintln(out)
		t := newTable(c, "notice tried", "answer", "took", "")
		for _, a := range tries {
			t.row(at(a.At), fmt.Sprint(a.HTTPStatus), fmt.Sprintf("%d ms", a.Duration.Milliseconds()), a.Error)
		}
		t.print()
	}
	if len(waiting) > 0 {
		fmt.Fprintln(out)
		t := newTable(c, "notice waits", "for endpoint", "because", "until", "tries", "")
		for _, w := range waiting {
			t.row(w.Type, w.EndpointID.String(), string(w.Reason), at(w.DueAt), fmt.Sprint(w.Attempts), w.LastError)
		}
		t.print()
	}
	return nil
}

// printFacts prints what is true of the order as a whole, a line each.
func printFacts(w io.Writer, o *order.Order) {
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s%s\n", name, onOneLine(value))
		}
	}
	when := func(name string, t time.Time) {
		if !t.IsZero() {
			fact(name, at(t))
		}
	}
	fact("order", o.ID.String())
	fact("status", string(o.Status))
	fact("merchant", o.MerchantID)
	fact("buyer", o.BuyerID)
	fact("amount", order.Money(o.Amount, o.Currency))
	fact("created", at(o.CreatedAt))
	fact("expires", at(o.ExpireAt))
	when("cancelled", o.CancelAt)
	if o.Hold != "" {
		fact("HELD", o.Hold)
		fact("", "decide: "+waysOut(o))
	}
	if d := o.Delivery; d != nil {
		fact("delivery", strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Status, d.Proof, d.Reason)))
		when("deliver by", d.DeliverBy)
		when("revoke by", d.RevokeBy)
		if !d.ClaimAt.IsZero() {
			fact("claimed", strings.TrimSpace(fmt.Sprintf("delivered at %s, after the refund began %s", at(d.ClaimAt), d.Claim)))
		}
	}
	fact("buyer note", o.TellBuyer())
}

// refundMoney is a refund's amount in the currency of the payment that it gives
// back.
func refundMoney(o *order.Order, r *order.Refund) string {
	return order.Money(r.Amount, o.Attempt(r.Attempt).PaidCurrency)
}
