package ledger_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/order/ordertest"
)

// story is an order with all that the store has of it.
type story struct {
	order   *order.Order
	events  []order.Event
	entries []ledger.Entry
}

// keep writes down what has happened to o since it was kept last, as the store
// does it.
func (s *story) keep(o *order.Order) {
	for _, e := range o.Events() {
		s.events = append(s.events, e)
		for i, p := range ledger.Postings(o, e) {
			s.entries = append(s.entries, ledger.Entry{Seq: e.Seq, Line: i, At: e.At, Posting: p})
		}
	}
	s.order = o.Clone()
	s.order.Forget()
}

func (s *story) rules() (broken []string) {
	for _, f := range ledger.Check(s.order, s.events, s.entries) {
		if !slices.Contains(broken, f.Rule) {
			broken = append(broken, f.Rule)
		}
	}
	return broken
}

// Whatever happens to an order, its books are sound, each posting can be told
// again from the order as it is later, and no posting can be lost, doubled or
// changed without the parts telling, even when Postings tells nothing.
func TestSoundBooksAreSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s story
		ordertest.Live(t, func(step ordertest.Step) {
			if !step.Moved() {
				return
			}
			s.keep(step.After)
			if faults := ledger.Check(s.order, s.events, s.entries); len(faults) > 0 {
				t.Fatalf("after %s: %v", step.Name, faults)
			}
		})
		if len(s.entries) == 0 {
			return
		}
		i := rapid.IntRange(0, len(s.entries)-1).Draw(t, "entry")
		worse := s
		worse.entries = slices.Clone(s.entries)
		switch rapid.SampledFrom([]string{"lost", "doubled", "more", "elsewhere", "other money"}).Draw(t, "harm") {
		case "lost":
			worse.entries = slices.Delete(worse.entries, i, i+1)
		case "doubled":
			worse.entries = slices.Insert(worse.entries, i, worse.entries[i])
		case "more":
			worse.entries[i].Amount++
		case "elsewhere":
			worse.entries[i].Credit = ledger.Pending("m_9")
		case "other money":
			worse.entries[i].Currency = "EUR"
		}
		broken := worse.rules()
		if !slices.Contains(broken, ledger.RuleExact) {
			t.Fatalf("the timeline does not tell: %v", broken)
		}
		if len(broken) == 1 {
			t.Fatal("only the timeline tells, the parts do not")
		}
	})
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func begin(t *testing.T) (*story, *order.Order, *order.Attempt) {
	t.Helper()
	o, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", FeeBps: 60,
		Items: []order.Item{{SKU: "TEA", Quantity: 1, UnitPrice: 1299}},
	}, "app:test", noon)
	require.NoError(t, err)
	a, err := o.Pay("sandbox", "app:test", noon)
	require.NoError(t, err)
	return &story{}, o, a
}

func paid(a *order.Attempt) order.Receipt {
	return order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T1", Amount: a.Amount, Currency: a.Currency, PaidAt: noon}
}

// The orders that the cases below do harm to.
func completed(t *testing.T) *story {
	t.Helper()
	s, o, a := begin(t)
	require.NoError(t, o.Receive(paid(a), noon))
	require.NoError(t, o.Deliver("SF1", "merchant:m_1", noon))
	require.NoError(t, o.Complete("app:test", noon))
	s.keep(o)
	return s
}

func refunding(t *testing.T) *story {
	t.Helper()
	s, o, a := begin(t)
	require.NoError(t, o.Receive(paid(a), noon))
	require.NoError(t, o.FailDelivery("sold out", "merchant:m_1", noon))
	require.NoError(t, o.SubmitRefund(o.Refunds[0].ID, noon))
	s.keep(o)
	return s
}

func refunded(t *testing.T) *story {
	t.Helper()
	s := refunding(t)
	o := s.order
	require.NoError(t, o.SucceedRefund(o.Refunds[0].ID, noon))
	s.keep(o)
	return s
}

func mismatched(t *testing.T) *story {
	t.Helper()
	s, o, a := begin(t)
	r := paid(a)
	r.Amount = 1000
	require.NoError(t, o.Receive(r, noon))
	s.keep(o)
	return s
}

// TestEachRuleBites breaks one thing in sound books and wants that rule named.
func TestEachRuleBites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		from func(*testing.T) *story
		harm func(*story)
		rule string
	}{
		{"a posting a second late", completed, func(s *story) { s.entries[0].At = noon.Add(time.Second) }, ledger.RuleExact},
		{"a line that is missing before it", completed, func(s *story) { s.entries[0].Line = 1 }, ledger.RuleExact},
		{"an attempt that is gone", refunding, func(s *story) { s.order.Attempts = nil }, ledger.RuleChannels},
		{"a posting of no event, before", completed, func(s *story) {
			s.entries = slices.Insert(s.entries, 0, ledger.Entry{Posting: ledger.Posting{Debit: "bank", Credit: "loss", Amount: 1, Currency: "CNY"}})
		}, ledger.RuleCause},
		{"a posting of no event, after", completed, func(s *story) {
			s.entries = append(s.entries, ledger.Entry{Seq: 99, Posting: ledger.Posting{Debit: "bank", Credit: "loss", Amount: 1, Currency: "CNY"}})
		}, ledger.RuleCause},
		{"more settled than came", completed, func(s *story) { s.entries[1].Amount += 10 }, ledger.RuleOverdrawn},
		{"money at another channel", completed, func(s *story) { s.entries[0].Debit = "channel_receivable:other" }, ledger.RuleChannels},
		{"money that the channel did not take", completed, func(s *story) { s.order.Attempts[0].PaidAmount-- }, ledger.RuleChannels},
		{"money in the bank that was not moved there", completed, func(s *story) { s.entries[0].Debit, s.entries[0].Amount = "bank", 1000 }, ledger.RuleChannels},
		{"a refund that nothing is set aside for", refunding, func(s *story) { s.entries = s.entries[:1] }, ledger.RuleOwedBack},
		{"a refund that is done, and still set aside for", refunding, func(s *story) { s.order.Refunds[0].Status = order.RefundSuccess }, ledger.RuleOwedBack},
		{"suspense for nothing", mismatched, func(s *story) { s.order.Attempts[0].Disposition = order.Applied }, ledger.RuleOwedBack},
		{"a refund from suspense", mismatched, func(s *story) {
			s.order.Refunds = []*order.Refund{{Attempt: s.order.Attempts[0].ID, Amount: 1, Status: order.RefundCreated}}
		}, ledger.RuleOwedBack},
		{"money that is a merchant's and came for nobody", refunded, func(s *story) { s.order.Refunds[0].Status = "closed" }, ledger.RuleMerchant},
		{"another merchant's", completed, func(s *story) { s.order.MerchantID = "m_2" }, ledger.RuleMerchant},
		{"completed and pending", completed, func(s *story) { s.entries = s.entries[:1] }, ledger.RuleStatus},
		{"completed at no time", completed, func(s *story) { s.order.CompletedAt = time.Time{} }, ledger.RuleStatus},
		{"settled before it is complete", completed, func(s *story) { s.order.Status, s.order.CompletedAt = order.Delivered, time.Time{} }, ledger.RuleStatus},
		{"closed with money", completed, func(s *story) { s.order.Status = order.Closed }, ledger.RuleStatus},
		{"paid without", mismatched, func(s *story) { s.order.Status = order.Paid }, ledger.RuleStatus},
		{"refunded in part", refunding, func(s *story) { s.order.Status = order.Refunded }, ledger.RuleStatus},
		{"another price", completed, func(s *story) { s.order.Amount++ }, ledger.RulePrice},
		{"another currency", completed, func(s *story) { s.order.Currency = "JPY" }, ledger.RulePrice},
		{"an account of no kind", completed, func(s *story) { s.entries[0].Debit = "petty_cash" }, ledger.RuleAccounts},
		{"a currency that is no code", completed, func(s *story) { s.entries[0].Currency = "cny" }, ledger.RuleAccounts},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.from(t)
			require.Empty(t, s.rules(), "sound before")
			c.harm(s)
			require.Contains(t, s.rules(), c.rule)
		})
	}
}

// What other parts of the trade will post is no fault: the rules are of
// accounts, not a list of postings.
func TestMoneyMayTakeOtherWays(t *testing.T) {
	t.Parallel()
	move := func(s *story, debit, credit ledger.Account, amount int64) {
		s.entries = append(s.entries, ledger.Entry{Seq: 99, Posting: ledger.Posting{Debit: debit, Credit: credit, Amount: amount, Currency: "CNY"}})
	}
	for _, c := range []struct {
		name string
		from func(*testing.T) *story
		then func(*story)
	}{
		{"a refund paid out of the bank", refunding, func(s *story) {
			s.order.Refunds[0].Status, s.order.Status = order.RefundSuccess, order.Refunded
			move(s, ledger.RefundPayable, "bank", 1299)
		}},
		{"a refund called off", refunding, func(s *story) {
			s.order.Refunds[0].Status = "canceled"
			move(s, ledger.RefundPayable, ledger.Pending("m_1"), 1299)
		}},
		{"a refund after completion, more than is left after the fee", completed, func(s *story) {
			s.order.Refunds = []*order.Refund{{Attempt: s.order.Attempts[0].ID, Amount: 1299, Status: order.RefundProcessing}}
			move(s, ledger.Available("m_1"), ledger.RefundPayable, 1299)
		}},
		{"a mismatch on its way back", mismatched, func(s *story) {
			s.order.Refunds = []*order.Refund{{Attempt: s.order.Attempts[0].ID, Amount: 1000, Status: order.RefundProcessing}}
			move(s, ledger.SuspenseLong, ledger.RefundPayable, 1000)
		}},
		{"a mismatch accepted", mismatched, func(s *story) {
			s.order.Attempts[0].Disposition, s.order.Status = order.Applied, order.Paid
			move(s, ledger.SuspenseLong, ledger.Pending("m_1"), 1000)
		}},
		{"the channel's fee, and what it settled", completed, func(s *story) {
			move(s, "channel_fee", ledger.Receivable("sandbox"), 8)
			move(s, "bank", ledger.Receivable("sandbox"), 1291)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.from(t)
			c.then(s)
			require.Equal(t, []string{ledger.RuleCause}, s.rules(), "no event stands for it yet; else it is sound: %v", ledger.Check(s.order, s.events, s.entries))
		})
	}
}

func TestAFaultSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := completed(t)
	s.entries = s.entries[:1]
	faults := ledger.Check(s.order, s.events, s.entries)
	require.Len(t, faults, 2)
	require.Equal(t, "order "+s.order.ID.String()+" event 5, order.completed, should have 12.92 CNY debit merchant_pending:m_1 credit merchant_available:m_1, "+
		"0.07 CNY debit merchant_pending:m_1 credit platform_fee at 2026-03-01T12:00:00Z, the ledger has none", faults[0].What)
	require.Equal(t, "order "+s.order.ID.String()+" was completed, and 12.99 CNY is still pending", faults[1].What)
}
