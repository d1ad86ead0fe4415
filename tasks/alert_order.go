package tasks

import (
	"fmt"
	"time"

	"github.com/orderflow/orderflow/order"
)

// alert is what an event of an order tells whoever is on duty; most tell
// nothing.
func (t Terms) alert(o *order.Order, e order.Event) (m Message, rings bool) {
	d := e.Detail
	var name AlertName
	var text string
	switch e.Type {
	case order.EventMismatch:
		name, text = AlertMismatch, fmt.Sprintf("Payment %s of order %s through %s: %s. ", d.Attempt.Compact(), o.ID, short(d.Channel), plain(d.Reason, reasonMost))
		if d.Amount == 0 { // there is nothing to decide
			text += "No money is there to give back. See: orderflow order show " + o.ID.String()
		} else {
			text += fmt.Sprintf("At %s it goes back by itself; before, run: orderflow order accept-payment %s --why WHY, or orderflow order return-payment %s --why WHY",
				e.At.Add(t.ReturnMismatch).UTC().Format(time.RFC3339), d.Attempt.Compact(), d.Attempt.Compact())
		}
	case order.EventRefundAbnormal:
		name, text = AlertRefundAbnormal, fmt.Sprintf("%s cannot give back %s of order %s: %s. Find another way, then run: orderflow refund retry %s --why WHY, or orderflow refund paid-out %s --voucher NO --why WHY",
			short(d.Channel), order.Money(d.Amount, d.Currency), o.ID, plain(d.Reason, reasonMost), d.Refund.Compact(), d.Refund.Compact())
	case order.EventDeliveryFailed:
		name, text = AlertDeliveryFailed, fmt.Sprintf("Merchant %s cannot deliver order %s of %s: %s. The buyer gets the money back. See: orderflow order show %s",
			short(o.MerchantID), o.ID, order.Money(o.Received(), o.Currency), plain(d.Reason, reasonMost), o.ID)
	case order.EventOverdue:
		if d.Level != order.OverdueAlerted {
			return Message{}, false
		}
		name, text = AlertDeliveryOverdue, fmt.Sprintf("Merchant %s has not delivered order %s of %s, due %s. At %s it is called off. Reach the merchant, or run: orderflow order cancel %s --why WHY",
			short(o.MerchantID), o.ID, order.Money(o.Received(), o.Currency), o.Delivery.DeliverBy.UTC().Format(time.RFC3339), o.OverdueAt(order.OverdueCalledOff).UTC().Format(time.RFC3339), o.ID)
	case order.EventConflict:
		name, text = AlertDeliveryConflict, fmt.Sprintf("Merchant %s says that order %s is delivered (%s), and its %s are on their way back. Find out, then run: orderflow order resolve %s --as delivered|refunded --why WHY",
			short(o.MerchantID), o.ID, plain(d.Proof, reasonMost), order.Money(o.Received(), o.Currency), o.ID)
	default:
		return Message{}, false
	}
	return AlertOf(fmt.Sprintf("%s/%d", o.ID, e.Seq), Alert{Name: name, Order: o.ID, Text: text, At: e.At}), true
}

// What of an order's alert may be somebody else's words, in characters: with
// names and reasons at their longest the command behind them is not cut off.
const (
	nameMost   = 32
	reasonMost = 120
)

// short is a merchant's or a channel's name; the order has all of it.
func short(name string) string { return plain(name, nameMost) }

// RefundTwice is the alert that a channel gave back what was paid out by hand.
func RefundTwice(r *order.Refund, a *order.Attempt, amount int64, now time.Time) Message {
	return AlertOf(r.ID.Compact(), Alert{
		Name: AlertRefundTwice, Order: order.Family(r.ID), At: now,
		Text: fmt.Sprintf("Refund %s was paid out by hand (%s), and %s has given back %s of it as well: the buyer may have it twice. Look at the channel's bill and ask for one of them back. See: orderflow order show %s",
			r.ID.Compact(), short(r.Voucher), short(a.Channel), order.Money(amount, a.PaidCurrency), order.Family(r.ID)),
	})
}

// BalanceShort is the alert that a channel has not enough of our money to give
// some back. Those of one channel and hour that wait are one.
func BalanceShort(r *order.Refund, a *order.Attempt, now time.Time) Message {
	return AlertOf(a.Channel+"/"+now.UTC().Format("2006-01-02T15"), Alert{
		Name: AlertBalanceShort, Order: order.Family(r.ID), At: now,
		Text: fmt.Sprintf("Our balance at %s is short: %s of order %s cannot go back. Put money there; the refund is tried again by itself",
			short(a.Channel), order.Money(r.Amount, a.PaidCurrency), order.Family(r.ID)),
	})
}
