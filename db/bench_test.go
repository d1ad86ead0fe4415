package db

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// batch is as many orders as one commit takes at most, each with a payment.
func batch(b *testing.B, now time.Time) (list []*order.Order) {
	b.Helper()
	for range 256 {
		o, err := order.New(ident.New[order.Order](), order.Draft{
			MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", FeeBps: 60,
			Items: []order.Item{{SKU: "TEA", Name: "Green tea", Quantity: 1, UnitPrice: 9990, Tracked: true}, {SKU: "CUP", Name: "Cup", Quantity: 3, UnitPrice: 1000}},
		}, "app:bench", now)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := o.Pay("sandbox", "app:bench", now); err != nil {
			b.Fatal(err)
		}
		list = append(list, o)
	}
	return list
}

// BenchmarkRowsOfNewOrders is all that a commit of new orders does in this
// process before it speaks to PostgreSQL.
func BenchmarkRowsOfNewOrders(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	list := batch(b, now)
	b.ReportAllocs()
	for b.Loop() {
		w := newWrites(now, tasks.DefaultTerms())
		for _, o := range list {
			next := o.Clone()
			w.made = append(w.made, next)
			w.attempts = append(w.attempts, next.Attempts...)
			w.consequences(next)
		}
		w.queue(&pgx.Batch{})
	}
}

// BenchmarkRowsOfPaidOrders is the same for payments, their decision included.
func BenchmarkRowsOfPaidOrders(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	list := batch(b, now)
	for _, o := range list {
		o.Forget()
	}
	b.ReportAllocs()
	for b.Loop() {
		w := newWrites(now, tasks.DefaultTerms())
		for _, o := range list {
			next := o.Clone()
			a := next.Attempts[0]
			if err := next.Receive(order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T1", Amount: a.Amount, Currency: a.Currency, PaidAt: now}, now); err != nil {
				b.Fatal(err)
			}
			w.changed = append(w.changed, next)
			w.attempts = append(w.attempts, next.Attempts...)
			w.consequences(next)
		}
		w.queue(&pgx.Batch{})
	}
}
