package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orderflow/orderflow/order"
)

// assets is what we have of a currency, in words.
func (c *check) assets(currency string) string {
	var parts []string
	for _, purse := range sorted(c.books) {
		if purse.Currency == currency && purse.Account.Class() == Asset {
			parts = append(parts, fmt.Sprintf("%s in %s", order.Money(c.books[purse], currency), purse.Account))
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func sortedKeys(a, b map[Account]int64) []Account {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// sorted are the purses of b, always in the same order.
func sorted(b Balances) []Purse {
	return slices.SortedFunc(maps.Keys(b), func(x, y Purse) int {
		return strings.Compare(string(x.Account)+" "+x.Currency, string(y.Account)+" "+y.Currency)
	})
}

// String is the posting as accountants write it.
func (p Posting) String() string {
	return fmt.Sprintf("%s debit %s credit %s", order.Money(p.Amount, p.Currency), p.Debit, p.Credit)
}

// list is postings in words.
func list(postings []Posting) string {
	if len(postings) == 0 {
		return "none"
	}
	parts := make([]string, len(postings))
	for i, p := range postings {
		parts[i] = p.String()
	}
	return strings.Join(parts, ", ")
}

// entryList is entries in words, with their time.
func entryList(entries []Entry) string {
	if len(entries) == 0 {
		return "none"
	}
	parts := make([]string, len(entries))
	for i, e := range entries {
		parts[i] = fmt.Sprintf("%s at %s", e.Posting, stamp(e.At))
	}
	return strings.Join(parts, ", ")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
