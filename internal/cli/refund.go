package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

func newRefund() *cobra.Command {
	return group("refund", "Look at refunds, and find another way when the channel has none",
		newRefundShow(), newRefundRetry(), newRefundPaidOut(), newRefundCancel())
}

func newRefundShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NO", Short: "Show a refund; NO is its number, as the channel's bill has it", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			no, err := ident.Parse[order.Refund](args[0])
			if err != nil {
				return &usageError{err}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			o, err := d.Order(c.Context(), order.Family(no))
			if err != nil && !errors.Is(err, order.ErrNotFound) {
				return err
			}
			if err != nil || o.Refund(no) == nil {
				return noRefund(no)
			}
			showRefund(c, o, o.Refund(no))
			return nil
		},
	}
}

func noRefund(no order.RefundID) error {
	return fmt.Errorf("there is no refund %s in this database", no.Compact())
}

func showRefund(c *cobra.Command, o *order.Order, r *order.Refund) {
	t := newTable(c)
	t.row("refund", r.ID.Compact())
	t.row("status", string(r.Status))
	t.row("amount", refundMoney(o, r))
	t.row("order", o.ID.String()+" "+string(o.Status))
	t.row("payment", r.Attempt.Compact()+" "+o.Attempt(r.Attempt).Channel+" "+string(o.Attempt(r.Attempt).Disposition))
	t.row("reason", r.Reason)
	if r.Problem != "" {
		t.row("problem", r.Problem)
	}
	if r.Voucher != "" {
		t.row("voucher", r.Voucher)
	}
	t.row("created", at(r.CreatedAt))
	t.row("done", at(r.DoneAt))
	t.print()
}

func newRefundRetry() *cobra.Command {
	var by hand
	c := &cobra.Command{
		Use:   "retry NO --why REASON",
		Short: "Ask the channel for an abnormal refund once more, with the same number",
		Args:  exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return by.onRefund(c, args[0], func(o *order.Order, no order.RefundID, who order.Actor, now time.Time) error {
				return o.RetryRefund(no, who, by.why, now)
			})
		},
	}
	by.flags(c, "")
	return c
}

func newRefundPaidOut() *cobra.Command {
	var by hand
	var voucher string
	c := &cobra.Command{
		Use:   "paid-out NO --voucher NUMBER --why REASON",
		Short: "Note that an abnormal refund was paid out past the channel",
		Long: `Note that an abnormal refund was paid out past the channel, by a bank transfer
say. The voucher proves it: the transfer's number.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneLine("--voucher", voucher); err != nil {
				return &usageError{err}
			}
			return by.onRefund(c, args[0], func(o *order.Order, no order.RefundID, who order.Actor, now time.Time) error {
				return o.PayOutRefund(no, voucher, who, by.why, now)
			})
		},
	}
	c.Flags().StringVar(&voucher, "voucher", "", "what proves the payment, such as the transfer's number")
	by.flags(c, "")
	return c
}

func newRefundCancel() *cobra.Command {
	var by hand
	c := &cobra.Command{
		Use:   "cancel NO --why REASON",
		Short: "Call a refund back that no channel was asked for yet",
		Args:  exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return by.onRefund(c, args[0], func(o *order.Order, no order.RefundID, who order.Actor, now time.Time) error {
				return o.CancelRefund(no, who, by.why, now)
			})
		},
	}
	by.flags(c, "")
	return c
}

// onRefund takes a step of a refund and says where it stands.
func (h *hand) onRefund(c *cobra.Command, number string, take func(o *order.Order, no order.RefundID, by order.Actor, now time.Time) error) error {
	no, err := ident.Parse[order.Refund](number)
	if err != nil {
		return &usageError{err}
	}
	o, done, err := h.change(c, order.Family(no), func(o *order.Order, by order.Actor, now time.Time) error {
		if o.Refund(no) == nil {
			return noRefund(no)
		}
		return take(o, no, by, now)
	})
	if err != nil {
		return err
	}
	tell(c, done, fmt.Sprintf("refund %s is %s, order %s is %s", no.Compact(), o.Refund(no).Status, o.ID, o.Status))
	return nil
}
