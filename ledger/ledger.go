// Package ledger says which money moves between which accounts when something
// happens to an order.
//
// A Posting takes an amount from one account and gives it to another, so a set
// of postings sums to zero by its shape, and so does the whole ledger. Postings
// are only ever added. The rules are pure; the store writes their result in the
// transaction of the event that caused them.
package ledger

import (
	"strings"

	"github.com/orderflow/orderflow/order"
)

// Account names an account: a kind and, after a colon, whose it is.
type Account string

// Kind is the account's kind: "merchant_pending" of "merchant_pending:m_demo".
func (a Account) Kind() string {
	kind, _, _ := strings.Cut(string(a), ":")
	return kind
}

// The accounts. Receivables are assets per channel; pending and available are
// what is owed to a merchant before and after an order is complete.
const (
	Bank          Account = "bank"
	RefundPayable Account = "refund_payable"
	SuspenseLong  Account = "suspense_long" // money we cannot place (长款)
	PlatformFee   Account = "platform_fee"
)

// Receivable is what a channel owes us.
func Receivable(channel string) Account { return Account("channel_receivable:" + channel) }

// Pending is what is owed to a merchant for orders that are not yet complete.
func Pending(merchant string) Account { return Account("merchant_pending:" + merchant) }

// Available is what a merchant can be paid out.
func Available(merchant string) Account { return Account("merchant_available:" + merchant) }

// Code is a currency as the ledger keeps it. What a channel wrote that is no code
// at all becomes XXX, ISO 4217's "no currency": the money came, and must be
// somewhere; the event and the attempt have it as it was written.
func Code(currency string) string {
	if len(currency) == 3 && strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return currency
	}
	return "XXX"
}

// Posting moves Amount, in minor units of Currency and always positive, from
// the account that is credited to the one that is debited.
type Posting struct {
	Debit    Account
	Credit   Account
	Amount   int64
	Currency string
}

// Postings are the postings of one event of o, empty when no money moves. They
// follow from the event and from what never changes of an order, so that they
// can be checked at any time.
//
// The platform's commission is taken when the order is complete: until then a
// refund is exact.
//
// They depend on the event and on what never changes after it, so that they are
// the same whenever they are asked for: Check asks again, years later.
func Postings(o *order.Order, e order.Event) []Posting {
	post := func(debit, credit Account, amount int64, currency string) []Posting {
		if amount == 0 {
			return nil
		}
		return []Posting{{debit, credit, amount, Code(currency)}}
	}
	e.Detail = whole(o, e)
	d := e.Detail
	switch e.Type {
	case order.EventPaid:
		return post(Receivable(d.Channel), Pending(o.MerchantID), d.Amount, d.Currency)
	case order.EventLatePayment, order.EventDuplicatePayment:
		return post(Receivable(d.Channel), RefundPayable, d.Amount, d.Currency)
	case order.EventMismatch:
		return post(Receivable(d.Channel), SuspenseLong, d.Amount, d.Currency)
	case order.EventMismatchAccepted: // taken back, and booked as paid by the next event
		return post(SuspenseLong, Receivable(d.Channel), d.Amount, d.Currency)
	case order.EventRefundCreated:
		if from := givenBack(o, e); from != RefundPayable {
			return post(from, RefundPayable, d.Amount, d.Currency)
		}
	case order.EventRefundCanceled, order.EventRefundClosed:
		if from := givenBack(o, e); from != RefundPayable {
			return post(RefundPayable, from, d.Amount, d.Currency)
		}
	case order.EventRefundSucceeded:
		return post(RefundPayable, Receivable(d.Channel), d.Amount, d.Currency)
	case order.EventRefundPaidOut:
		return post(RefundPayable, Bank, d.Amount, d.Currency)
	case order.EventCompleted:
		fee := o.Fee(d.Amount)
		return append(
			post(Pending(o.MerchantID), Available(o.MerchantID), d.Amount-fee, o.Currency),
			post(Pending(o.MerchantID), PlatformFee, fee, o.Currency)...)
	}
	return nil
}

// whole is e's detail with the payment that a refund's event is about. The first
// release wrote refunds' events without it; what it gave back cannot have been
// placed anew since.
func whole(o *order.Order, e order.Event) order.Detail {
	d := e.Detail
	if d.Refund.IsZero() || d.Disposition != "" {
		return d
	}
	if a := o.Attempt(d.Attempt); a != nil {
		d.Disposition, d.Currency = a.Disposition, a.PaidCurrency
	}
	return d
}

// givenBack is the account whose money a refund gives back. A payment that came
// late or twice was booked as owed back when it came.
func givenBack(o *order.Order, e order.Event) Account {
	switch {
	case e.Detail.Disposition == order.Mismatch:
		return SuspenseLong
	case e.Detail.Disposition != order.Applied:
		return RefundPayable
	case e.Status == order.Completed:
		return Available(o.MerchantID)
	}
	return Pending(o.MerchantID)
}
