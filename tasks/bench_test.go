package tasks_test

import (
	"testing"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// BenchmarkPaid is what a payment costs in memory: the order's decision, and
// the tasks, postings and stock that follow from it.
func BenchmarkPaid(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	unpaid, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", FeeBps: 60,
		Items: []order.Item{{SKU: "TEA", Quantity: 1, UnitPrice: 9990, Tracked: true}, {SKU: "CUP", Quantity: 3, UnitPrice: 1000}},
	}, "app:bench", now)
	if err != nil {
		b.Fatal(err)
	}
	a, err := unpaid.Pay("sandbox", "app:bench", now)
	if err != nil {
		b.Fatal(err)
	}
	unpaid.Forget()
	paid := order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T1", Amount: a.Amount, Currency: a.Currency, PaidAt: now}
	terms := tasks.DefaultTerms()
	b.ReportAllocs()
	for b.Loop() {
		o := unpaid.Clone()
		if err := o.Receive(paid, now); err != nil {
			b.Fatal(err)
		}
		for _, e := range o.Events() {
			terms.Follow(o, e)
			ledger.Postings(o, e)
			order.StockMoves(o, e)
		}
	}
}

func fullBundle() (list []tasks.Subject) {
	for range tasks.Bundled {
		list = append(list, ident.New[struct{}]())
	}
	return list
}

func BenchmarkEncode(b *testing.B) {
	list := fullBundle()
	b.ReportAllocs()
	for b.Loop() {
		tasks.Encode(list)
	}
}

func BenchmarkDecode(b *testing.B) {
	payload := tasks.Encode(fullBundle())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tasks.Decode(payload); err != nil {
			b.Fatal(err)
		}
	}
}
