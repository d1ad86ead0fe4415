package ledger

import (
	"fmt"
	"time"

	"github.com/orderflow/orderflow/order"
)

// Entry is a posting as the ledger has it: one line of the set of an event.
type Entry struct {
	Seq  int // of the event
	Line int
	At   time.Time
	Posting
}

// Fault is something that cannot be right, and the rule that it breaks.
type Fault struct{ Rule, What string }

// The rules of an order's books.
const (
	RuleExact     = "each event has exactly the postings that it stands for"
	RuleCause     = "every posting belongs to an event"
	RuleOverdrawn = "nothing is taken from an account that is not in it"
	RuleChannels  = "channels hold what they took, less what they gave back"
	RuleOwedBack  = "what is owed back to buyers is what refunds and stray payments say"
	RuleMerchant  = "the merchant and the fee have what was received, less what is refunded"
	RuleStatus    = "an order's books stand where its status says"
	RuleAccounts  = "accounts are of a kind that there is, and currencies are codes"
	RulePrice     = "an order is paid with its price, unless a mismatch was accepted"
)

// Check compares what the ledger has of an order with its timeline and its
// parts, and returns what does not hold. Events are in the order of Seq,
// entries in that of Seq and Line.
//
// It looks twice. Postings asked again must say, event for event, what is
// there. And, without asking Postings, the balances that the entries add up to
// must be what attempts, refunds and status say; so a fault in Postings is
// found as well. What it cannot find is a timeline and parts that agree with
// each other and with the books, and tell what never happened: only the
// channel's bill can.
func Check(o *order.Order, events []order.Event, entries []Entry) []Fault {
	c := &check{o: o, books: Balances{}}
	c.replay(events, entries)
	c.accounts()
	c.currencies = c.allCurrencies()
	for _, currency := range c.currencies {
		c.channels(currency)
		c.owedBack(currency)
		c.merchant(currency)
	}
	c.status()
	c.price(events)
	return c.faults
}

// check is one order under inspection.
type check struct {
	o          *order.Order
	books      Balances // what the entries add up to
	currencies []string
	faults     []Fault
}

func (c *check) fault(rule, format string, args ...any) {
	c.faults = append(c.faults, Fault{rule, "order " + c.o.ID.String() + " " + fmt.Sprintf(format, args...)})
}

// replay goes through the timeline, with the entries of each event in hand.
func (c *check) replay(events []order.Event, entries []Entry) {
	rest := entries
	for _, e := range events {
		rest = c.strays(rest, e.Seq)
		n := 0
		for n < len(rest) && rest[n].Seq == e.Seq {
			n++
		}
		c.compare(e, rest[:n])
		c.book(e, rest[:n])
		rest = rest[n:]
	}
	c.strays(rest, -1)
}

// strays books the entries before the event seq, all when it is -1: they are of
// no event.
func (c *check) strays(entries []Entry, seq int) (rest []Entry) {
	for len(entries) > 0 && (seq < 0 || entries[0].Seq < seq) {
		c.fault(RuleCause, "has %s of event %d, which is not on its timeline", entries[0].Posting, entries[0].Seq)
		c.books.Post(entries[0].Posting)
		entries = entries[1:]
	}
	return entries
}

func (c *check) accounts() {
	for _, purse := range sorted(c.books) {
		if purse.Account.Class() == "" || Code(purse.Currency) != purse.Currency {
			c.fault(RuleAccounts, "has postings of %s in %q", purse.Account, purse.Currency)
		}
	}
}

func (c *check) compare(e order.Event, have []Entry) {
	want := Postings(c.o, e)
	same := len(want) == len(have)
	for i := range have {
		same = same && have[i].Line == i && have[i].Posting == want[i] && have[i].At.Equal(e.At)
	}
	if !same {
		c.fault(RuleExact, "event %d, %s, should have %s at %s, the ledger has %s", e.Seq, e.Type, list(want), stamp(e.At), entryList(have))
	}
}

// book adds an event's entries; none may take what is not there.
func (c *check) book(e order.Event, entries []Entry) {
	touched := Balances{}
	for _, p := range entries {
		c.books.Post(p.Posting)
		touched.Post(p.Posting)
	}
	for _, purse := range sorted(touched) {
		if owed := c.books.Owed(purse.Account, purse.Currency); purse.Account.neverOverdrawn() && owed < 0 {
			c.fault(RuleOverdrawn, "has %s in %s after event %d, %s", order.Money(owed, purse.Currency), purse.Account, e.Seq, e.Type)
		}
	}
}
