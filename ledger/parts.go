package ledger

import (
	"maps"
	"slices"

	"github.com/orderflow/orderflow/order"
)

// channels compares each channel's receivable with attempts and refunds. Money
// that has left a channel for the bank, or was paid out from there, or is in a
// place of its own otherwise, is counted there: then only the whole can be
// compared.
func (c *check) channels(currency string) {
	has, took := c.receivables(currency), c.took(currency)
	off, elsewhere := int64(0), int64(0)
	for purse, n := range c.books {
		if class := purse.Account.Class(); purse.Currency == currency && purse.Account.Kind() != "channel_receivable" && (class == Asset || class == Expense) {
			elsewhere += n
		}
	}
	for _, account := range sortedKeys(has, took) {
		off += has[account] - took[account]
		if elsewhere == 0 && has[account] != took[account] {
			c.fault(RuleChannels, "has %s in %s; its payments and refunds say %s", order.Money(has[account], currency), account, order.Money(took[account], currency))
		}
	}
	if elsewhere != 0 && off+elsewhere != 0 {
		c.fault(RuleChannels, "has %s, %s off what its payments and refunds say", c.assets(currency), order.Money(off+elsewhere, currency))
	}
}

// receivables are what the entries say of each channel.
func (c *check) receivables(currency string) map[Account]int64 {
	has := map[Account]int64{}
	for purse, n := range c.books {
		if purse.Currency == currency && purse.Account.Kind() == "channel_receivable" {
			has[purse.Account] = n
		}
	}
	return has
}

// took is the same by the order's attempts and refunds.
func (c *check) took(currency string) map[Account]int64 {
	took := map[Account]int64{}
	for _, a := range c.o.Attempts {
		if Code(a.PaidCurrency) == currency {
			took[Receivable(a.Channel)] += received(a) - c.refunds(a, done)
		}
	}
	return took
}

// owedBack compares what waits to go back, or to be placed, with the payments
// that did not move the order and the refunds that are not home.
func (c *check) owedBack(currency string) {
	var want, open int64
	for _, a := range c.o.Attempts {
		if Code(a.PaidCurrency) != currency {
			continue
		}
		open += c.refunds(a, underway)
		if a.Disposition == order.Applied {
			want += c.refunds(a, underway)
		} else {
			want += received(a) - c.refunds(a, done)
		}
	}
	payable, suspense := c.books.Owed(RefundPayable, currency), c.books.Owed(SuspenseLong, currency)
	if payable+suspense != want {
		c.fault(RuleOwedBack, "has %d %s in refund_payable and %d in suspense_long; its payments and refunds say %d together", payable, currency, suspense, want)
	}
	if payable < open {
		c.fault(RuleOwedBack, "has %d %s in refund_payable, and refunds of %d under way", payable, currency, open)
	}
}

// merchant compares what is the merchant's and the fee with the applied payment
// and its refunds.
func (c *check) merchant(currency string) {
	var want int64
	if a := applied(c.o); a != nil && Code(a.PaidCurrency) == currency {
		want = received(a) - c.refunds(a, done) - c.refunds(a, underway)
	}
	pending, settled := c.books.Owed(Pending(c.o.MerchantID), currency), c.settled(currency)
	if pending+settled != want {
		c.fault(RuleMerchant, "leaves %d %s pending and %d settled; received less refunded is %d", pending, currency, settled, want)
	}
}

// settled is what was divided between merchant and platform.
func (c *check) settled(currency string) int64 {
	return c.books.Owed(Available(c.o.MerchantID), currency) + c.books.Owed(PlatformFee, currency)
}

// status compares where the money is with where the order is.
func (c *check) status() {
	s, a := c.o.Status, applied(c.o)
	unpaid := s == order.PendingPay || s == order.Closing || s == order.Closed
	if unpaid != (a == nil) {
		c.fault(RuleStatus, "is %s, and has %s", s, appliedText(a))
	}
	if s == order.Completed && c.o.CompletedAt.IsZero() {
		c.fault(RuleStatus, "is %s, and never was completed", s)
	}
	if s == order.Refunded && a != nil && c.refunds(a, done) != received(a) {
		c.fault(RuleStatus, "is %s, and only %d of %d %s went back", s, c.refunds(a, done), received(a), a.PaidCurrency)
	}
	for _, currency := range c.currencies {
		pending, settled := c.books.Owed(Pending(c.o.MerchantID), currency), c.settled(currency)
		switch {
		case !c.o.CompletedAt.IsZero() && pending != 0:
			c.fault(RuleStatus, "was completed, and %s is still pending", order.Money(pending, currency))
		case c.o.CompletedAt.IsZero() && (settled != 0 || c.books.Owed(PlatformFee, currency) != 0):
			c.fault(RuleStatus, "was never completed, and %d %s is settled, %d of it the fee", settled, currency, c.books.Owed(PlatformFee, currency))
		}
	}
}

// price compares what moved the order with what it costs.
func (c *check) price(events []order.Event) {
	a := applied(c.o)
	if a == nil || (a.PaidAmount == c.o.Amount && a.PaidCurrency == c.o.Currency) {
		return
	}
	accepted := slices.ContainsFunc(events, func(e order.Event) bool { return e.Type == order.EventMismatch && e.Detail.Attempt == a.ID })
	if !accepted {
		c.fault(RulePrice, "costs %d %s and was paid with %d %s", c.o.Amount, c.o.Currency, a.PaidAmount, a.PaidCurrency)
	}
}

// allCurrencies are those of the order, of what came, and of what was booked.
func (c *check) allCurrencies() []string {
	seen := map[string]bool{Code(c.o.Currency): true}
	for _, a := range c.o.Attempts {
		if a.Status == order.AttemptSuccess {
			seen[Code(a.PaidCurrency)] = true
		}
	}
	for purse := range c.books {
		seen[purse.Currency] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// stage is how far a refund has come.
type stage int

const (
	underway stage = iota // asked for, not home: money is set aside for it
	done
	givenUp // its money went back to where it was taken from
)

func stageOf(r *order.Refund) stage {
	switch r.Status {
	case order.RefundSuccess:
		return done
	case order.RefundCreated, order.RefundProcessing, order.RefundAbnormal:
		return underway
	}
	return givenUp
}

// refunds is the sum of a's refunds that are at a stage.
func (c *check) refunds(a *order.Attempt, at stage) (sum int64) {
	for _, r := range c.o.Refunds {
		if r.Attempt == a.ID && stageOf(r) == at {
			sum += r.Amount
		}
	}
	return sum
}

func received(a *order.Attempt) int64 {
	if a.Status != order.AttemptSuccess {
		return 0
	}
	return a.PaidAmount
}

func applied(o *order.Order) *order.Attempt {
	for _, a := range o.Attempts {
		if a.Disposition == order.Applied {
			return a
		}
	}
	return nil
}

func appliedText(a *order.Attempt) string {
	if a == nil {
		return "no payment that moved it"
	}
	return "the payment " + a.ID.Compact() + " applied"
}
