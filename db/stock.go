package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/order"
)

// maxOnHand leaves room for every return that could still come.
const maxOnHand = int64(1_000_000_000_000)

type stockModel struct {
	bun.BaseModel `bun:"table:stock"`

	MerchantID string `bun:"merchant_id,pk"`
	SKU        string `bun:"sku,pk"`
	OnHand     int64  `bun:"on_hand"`
	Held       int64  `bun:"held"`
}

func (s stockModel) stock() order.Stock {
	return order.Stock{MerchantID: s.MerchantID, SKU: s.SKU, OnHand: s.OnHand, Held: s.Held}
}

// SetStock says how much a merchant has of a SKU, and makes the SKU one whose
// stock is kept here. It is refused below what unpaid orders hold. It waits
// for its turn on the row, as orders do.
func (d *DB) SetStock(ctx context.Context, merchantID, sku string, onHand int64) (s order.Stock, err error) {
	step := "set the stock of " + sku
	if onHand < 0 || onHand > maxOnHand {
		return order.Stock{}, &order.Refusal{Step: step, Why: fmt.Sprintf("on_hand is %d; want 0 to %d", onHand, maxOnHand)}
	}
	err = d.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		set, err := setStock(ctx, tx, merchantID, sku, onHand)
		if s = set; set.OnHand != onHand && err == nil {
			return &order.Refusal{Step: step, Why: fmt.Sprintf("unpaid orders hold %d of it, on_hand cannot be %d; wait for them or cancel them", set.Held, onHand)}
		}
		return err
	})
	if err != nil {
		return order.Stock{}, wrap(err, step)
	}
	return s, nil
}

// setStock returns the row as it then stands, changed or not.
func setStock(ctx context.Context, tx bun.IDB, merchantID, sku string, onHand int64) (order.Stock, error) {
	var row stockModel
	err := tx.NewRaw(`INSERT INTO stock (merchant_id, sku, on_hand) SELECT id, ?, ? FROM merchants WHERE id = ?
		ON CONFLICT (merchant_id, sku) DO UPDATE SET on_hand = excluded.on_hand, updated_at = now() WHERE stock.held <= excluded.on_hand
		RETURNING merchant_id, sku, on_hand, held`, sku, onHand, merchantID).Scan(ctx, &row)
	if err = found(err); !errors.Is(err, order.ErrNotFound) {
		return row.stock(), err
	}
	// No merchant, or too little: the row is locked by the conflict, so what is
	// read now is what stood in the way.
	return readStock(ctx, tx, merchantID, sku)
}

// Stock reads a merchant's stock of a SKU; order.ErrNotFound when none is kept.
func (d *DB) Stock(ctx context.Context, merchantID, sku string) (order.Stock, error) {
	s, err := readStock(ctx, d, merchantID, sku)
	return s, wrap(err, "stock of "+sku)
}

func readStock(ctx context.Context, q bun.IDB, merchantID, sku string) (order.Stock, error) {
	var row stockModel
	err := q.NewSelect().Model(&row).Where("merchant_id = ?", merchantID).Where("sku = ?", sku).Scan(ctx)
	return row.stock(), found(err)
}
