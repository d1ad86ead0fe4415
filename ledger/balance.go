package ledger

// Class says what an account is of.
type Class string

// The classes. What we have and what we spent grows by debits, what we owe and
// what we earned by credits.
const (
	Asset     Class = "asset"
	Expense   Class = "expense"
	Liability Class = "liability"
	Income    Class = "income"
)

// Class is what an account of its kind is; "" when there is no such kind.
func (a Account) Class() Class {
	switch a.Kind() {
	case "channel_receivable", "bank", "suspense_short":
		return Asset
	case "channel_fee", "loss":
		return Expense
	case "merchant_pending", "merchant_available", "refund_payable", "suspense_long", "payout_transit":
		return Liability
	case "platform_fee":
		return Income
	}
	return ""
}

// neverOverdrawn says that nothing can be taken from the account that is not in
// it. A merchant's available money can: a refund after completion is taken
// from it, though it was paid out, or is more than was left after the fee.
func (a Account) neverOverdrawn() bool {
	switch a.Kind() {
	case "merchant_pending", "refund_payable", "suspense_long":
		return true
	}
	return false
}

// Purse is an account in one currency.
type Purse struct {
	Account  Account
	Currency string
}

// Balances are debits less credits: what we have is positive, what we owe is
// negative, and all purses of a currency sum to zero.
type Balances map[Purse]int64

// Post adds a posting.
func (b Balances) Post(p Posting) {
	b[Purse{p.Debit, p.Currency}] += p.Amount
	b[Purse{p.Credit, p.Currency}] -= p.Amount
}

// Owed is what stands on the credit side of an account: of a liability, what we
// owe.
func (b Balances) Owed(a Account, currency string) int64 { return -b[Purse{a, currency}] }
