package main

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/bench/baseline/trade"
)

type order struct {
	bun.BaseModel `bun:"table:orders"`

	ID          int64 `bun:",pk,autoincrement"`
	MerchantID  int64
	OutTradeNo  string
	Amount      int64
	Currency    string
	State       string
	NotifyURL   string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	ExpiresAt   time.Time
	PaidAt      *time.Time
	DeliveredAt *time.Time
}

type item struct {
	bun.BaseModel `bun:"table:order_items"`

	ID      int64 `bun:",pk,autoincrement"`
	OrderID int64
	SKU     string `bun:"sku"`
	Qty     int
	Price   int64
}

type payment struct {
	bun.BaseModel `bun:"table:payments"`

	ID        int64 `bun:",pk,autoincrement"`
	OrderID   int64
	TxnID     string
	Channel   string
	Amount    int64
	CreatedAt time.Time
}

type event struct {
	bun.BaseModel `bun:"table:order_events"`

	ID        int64 `bun:",pk,autoincrement"`
	OrderID   int64
	FromState string
	ToState   string
	CreatedAt time.Time
}

type attempt struct {
	bun.BaseModel `bun:"table:delivery_attempts"`

	ID         int64 `bun:",pk,autoincrement"`
	OrderID    int64
	Attempt    int
	Status     int
	DurationMs int
	CreatedAt  time.Time
}

func newOrder(in trade.NewOrder, now time.Time) *order {
	return &order{
		MerchantID: in.MerchantID, OutTradeNo: in.OutTradeNo, Amount: in.Amount, Currency: in.Currency, State: "pending",
		NotifyURL: in.NotifyURL, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(trade.CloseAfter),
	}
}

func itemsOf(id int64, in trade.NewOrder) []item {
	items := make([]item, len(in.Items))
	for i, it := range in.Items {
		items[i] = item{OrderID: id, SKU: it.SKU, Qty: it.Qty, Price: it.Price}
	}
	return items
}

func (o *order) notice() trade.Notice {
	n := trade.Notice{OrderID: o.ID, OutTradeNo: o.OutTradeNo, Amount: o.Amount, Currency: o.Currency, State: o.State}
	if o.PaidAt != nil {
		n.PaidAt = *o.PaidAt
	}
	return n
}
