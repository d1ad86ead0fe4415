package cli

import (
	"errors"
	"fmt"
	"strings"

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
	return group("order", "Look at orders", show)
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
	out := c.OutOrStdout()
	fmt.Fprintf(out, "order     %s\nstatus    %s\nmerchant  %s\nbuyer     %s\namount    %s\ncreated   %s\nexpires   %s\n",
		o.ID, o.Status, o.MerchantID, o.BuyerID, money(o.Amount, o.Currency), at(o.CreatedAt), at(o.ExpireAt))
	if o.Hold != "" {
		fmt.Fprintf(out, "HELD      %s\n", o.Hold)
	}
	if o.Delivery != nil {
		fmt.Fprintln(out, onOneLine(strings.TrimSpace(fmt.Sprintf("delivery  %s %s %s", o.Delivery.Status, o.Delivery.Proof, o.Delivery.Reason))))
	}
	fmt.Fprintln(out)
	items := newTable(c, "sku", "name", "quantity", "unit price")
	for _, it := range o.Items {
		items.row(it.SKU, it.Name, fmt.Sprint(it.Quantity), money(it.UnitPrice, o.Currency))
	}
	items.print()
	if len(o.Attempts) > 0 {
		fmt.Fprintln(out)
		t := newTable(c, "payment", "channel", "status", "amount", "trade no")
		for _, a := range o.Attempts {
			t.row(a.ID.Compact(), a.Channel, strings.TrimSpace(string(a.Status)+" "+string(a.Disposition)), money(a.Amount, a.Currency), a.TradeNo)
		}
		t.print()
	}
	if len(o.Refunds) > 0 {
		fmt.Fprintln(out)
		t := newTable(c, "refund", "status", "amount", "reason")
		for _, r := range o.Refunds {
			t.row(r.ID.Compact(), string(r.Status), money(r.Amount, o.Currency), r.Reason)
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
	return nil
}
