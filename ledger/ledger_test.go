package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/order/ordertest"
)

func TestPostingsOfEachEvent(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	applied := &order.Attempt{ID: ident.WithPart[order.Attempt](id, 1), Disposition: order.Applied}
	o := &order.Order{ID: id, MerchantID: "m_1", Currency: "CNY", FeeBps: 100, Attempts: []*order.Attempt{applied}}
	free := *o
	free.FeeBps = 0
	all := *o
	all.FeeBps = 10_000

	const receivable, pending, available = "channel_receivable:sandbox", "merchant_pending:m_1", "merchant_available:m_1"
	came := order.Detail{Attempt: applied.ID, Channel: "sandbox", Amount: 1250, Currency: "CNY"}
	back := func(of order.Disposition) order.Detail {
		return order.Detail{Attempt: applied.ID, Channel: "sandbox", Disposition: of, Amount: 1250, Currency: "CNY"}
	}
	for _, tc := range []struct {
		name   string
		o      *order.Order
		event  order.EventType
		detail order.Detail
		want   []ledger.Posting
	}{
		{"created", o, order.EventCreated, came, nil},
		{"paid", o, order.EventPaid, came, []ledger.Posting{{receivable, pending, 1250, "CNY"}}},
		{"late", o, order.EventLatePayment, came, []ledger.Posting{{receivable, "refund_payable", 1250, "CNY"}}},
		{"twice", o, order.EventDuplicatePayment, came, []ledger.Posting{{receivable, "refund_payable", 1250, "CNY"}}},
		{"the wrong sum, as it came", o, order.EventMismatch, order.Detail{Channel: "sandbox", Amount: 7, Currency: "USD"}, []ledger.Posting{{receivable, "suspense_long", 7, "USD"}}},
		{"money of no currency", o, order.EventMismatch, order.Detail{Channel: "sandbox", Amount: 7, Currency: "CNY?"}, []ledger.Posting{{receivable, "suspense_long", 7, "XXX"}}},
		{"money of a currency in small letters", o, order.EventMismatch, order.Detail{Channel: "sandbox", Amount: 7, Currency: "cny"}, []ledger.Posting{{receivable, "suspense_long", 7, "XXX"}}},
		{"the wrong sum, nothing", o, order.EventMismatch, order.Detail{Channel: "sandbox", Currency: "CNY"}, nil},
		{"the wrong sum is accepted", o, order.EventMismatchAccepted, came, []ledger.Posting{{"suspense_long", receivable, 1250, "CNY"}}},
		{"a refund of the order's money", o, order.EventRefundCreated, back(order.Applied), []ledger.Posting{{pending, "refund_payable", 1250, "CNY"}}},
		{"a refund of late money", o, order.EventRefundCreated, back(order.Late), nil},
		{"a refund of what came twice", o, order.EventRefundCreated, back(order.Duplicate), nil},
		{"a refund of the wrong sum", o, order.EventRefundCreated, back(order.Mismatch), []ledger.Posting{{"suspense_long", "refund_payable", 1250, "CNY"}}},
		{"a refund is called back", o, order.EventRefundCanceled, back(order.Applied), []ledger.Posting{{"refund_payable", pending, 1250, "CNY"}}},
		{"a refund of the wrong sum is called back", o, order.EventRefundCanceled, back(order.Mismatch), []ledger.Posting{{"refund_payable", "suspense_long", 1250, "CNY"}}},
		{"a refund is closed by the channel", o, order.EventRefundClosed, back(order.Applied), []ledger.Posting{{"refund_payable", pending, 1250, "CNY"}}},
		{"a refund of late money is closed by the channel", o, order.EventRefundClosed, back(order.Late), nil},
		{"a refund is done", o, order.EventRefundSucceeded, back(order.Late), []ledger.Posting{{"refund_payable", receivable, 1250, "CNY"}}},
		{"a refund is paid out", o, order.EventRefundPaidOut, back(order.Applied), []ledger.Posting{{"refund_payable", "bank", 1250, "CNY"}}},
		{"a refund is submitted", o, order.EventRefundSubmitted, came, nil},
		{"a refund cannot be made", o, order.EventRefundAbnormal, came, nil},
		{"completed", o, order.EventCompleted, order.Detail{Amount: 1250}, []ledger.Posting{{pending, available, 1238, "CNY"}, {pending, "platform_fee", 12, "CNY"}}},
		{"completed without a fee", &free, order.EventCompleted, order.Detail{Amount: 1250}, []ledger.Posting{{pending, available, 1250, "CNY"}}},
		{"completed, all of it fee", &all, order.EventCompleted, order.Detail{Amount: 1250}, []ledger.Posting{{pending, "platform_fee", 1250, "CNY"}}},
		{"delivered", o, order.EventDelivered, order.Detail{}, nil},
		{"closed", o, order.EventClosed, order.Detail{}, nil},
		{"refunded", o, order.EventRefunded, order.Detail{Amount: 1250}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := ledger.Postings(tc.o, order.Event{Type: tc.event, At: time.Now(), Detail: tc.detail})
			require.Equal(t, tc.want, got)
		})
	}
}

// What was settled to the merchant is taken from what was settled.
func TestARefundOfACompletedOrder(t *testing.T) {
	t.Parallel()
	o := &order.Order{MerchantID: "m_1"}
	d := order.Detail{Channel: "sandbox", Disposition: order.Applied, Amount: 5, Currency: "CNY"}
	for event, want := range map[order.EventType]ledger.Posting{
		order.EventRefundCreated:  {Debit: "merchant_available:m_1", Credit: "refund_payable", Amount: 5, Currency: "CNY"},
		order.EventRefundCanceled: {Debit: "refund_payable", Credit: "merchant_available:m_1", Amount: 5, Currency: "CNY"},
	} {
		require.Equal(t, []ledger.Posting{want}, ledger.Postings(o, order.Event{Type: event, Status: order.Completed, Detail: d}))
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	for account, want := range map[ledger.Account]struct {
		kind  string
		class ledger.Class
	}{
		ledger.Receivable("a:b"): {"channel_receivable", ledger.Asset},
		ledger.Pending("m"):      {"merchant_pending", ledger.Liability},
		ledger.Available("m"):    {"merchant_available", ledger.Liability},
		ledger.RefundPayable:     {"refund_payable", ledger.Liability},
		ledger.SuspenseLong:      {"suspense_long", ledger.Liability},
		ledger.PlatformFee:       {"platform_fee", ledger.Income},
		"channel_fee":            {"channel_fee", ledger.Expense},
		"petty_cash":             {"petty_cash", ""},
	} {
		require.Equal(t, want.kind, account.Kind())
		require.Equal(t, want.class, account.Class(), account)
	}
}

// After any life, each account says what the order's parts say.
func TestTheBooksTellTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		books := ledger.Balances{}
		var completed int64
		ordertest.Live(t, func(s ordertest.Step) {
			if !s.Moved() {
				return
			}
			for _, e := range s.After.Events() {
				if e.Type == order.EventCompleted {
					completed = e.Detail.Amount
				}
				for _, p := range ledger.Postings(s.After, e) {
					if p.Amount <= 0 || p.Debit == p.Credit || p.Currency == "" {
						t.Fatalf("%s: %+v", e.Type, p)
					}
					books.Post(p)
				}
			}
			compare(t, s, books, told(s.After, completed))
		})
	})
}

// told is what the books should be, from the parts alone, and from what there
// was to settle when the order was completed.
func told(o *order.Order, completed int64) ledger.Balances {
	want := ledger.Balances{}
	var given int64 // of the order's own money
	for _, a := range o.Attempts {
		if a.Status != order.AttemptSuccess {
			continue
		}
		want[ledger.Purse{Account: ledger.Receivable(a.Channel), Currency: a.PaidCurrency}] += a.PaidAmount
		if a.Disposition == order.Mismatch {
			want[ledger.Purse{Account: ledger.SuspenseLong, Currency: a.PaidCurrency}] -= a.PaidAmount
		}
	}
	for _, r := range o.Refunds {
		a := o.Attempt(r.Attempt)
		switch r.Status {
		case order.RefundClosed, order.RefundCanceled:
			continue
		case order.RefundSuccess:
			from := ledger.Receivable(a.Channel)
			if r.Voucher != "" {
				from = ledger.Bank
			}
			want[ledger.Purse{Account: from, Currency: a.PaidCurrency}] -= r.Amount
		default:
			want[ledger.Purse{Account: ledger.RefundPayable, Currency: a.PaidCurrency}] -= r.Amount
		}
		switch a.Disposition {
		case order.Applied:
			given += r.Amount
		case order.Mismatch:
			want[ledger.Purse{Account: ledger.SuspenseLong, Currency: a.PaidCurrency}] += r.Amount
		}
	}
	mine := func(a ledger.Account) ledger.Purse { return ledger.Purse{Account: a, Currency: o.Currency} }
	if o.CompletedAt.IsZero() {
		want[mine(ledger.Pending(o.MerchantID))] -= o.Received() - given
		return want
	}
	fee := o.Fee(completed)
	want[mine(ledger.Available(o.MerchantID))] -= completed - fee - (given - (o.Received() - completed))
	want[mine(ledger.PlatformFee)] -= fee
	return want
}

func compare(t *rapid.T, s ordertest.Step, books, want ledger.Balances) {
	sum := map[string]int64{}
	for p, have := range books {
		sum[p.Currency] += have
		if have != want[p] {
			t.Fatalf("after %s, %s %s stands at %d, want %d", s.Name, p.Account, p.Currency, have, want[p])
		}
	}
	for p, w := range want {
		if books[p] != w {
			t.Fatalf("after %s, %s %s stands at %d, want %d", s.Name, p.Account, p.Currency, books[p], w)
		}
	}
	for currency, n := range sum {
		if n != 0 {
			t.Fatalf("after %s, %s sums to %d", s.Name, currency, n)
		}
	}
}
