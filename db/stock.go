package db

import (
	"context"
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
// stock is kept here; who said so is kept as well, even when it is what was
// known. It is refused below what unpaid orders hold. It waits for its turn on
// the row, as orders do.
func (d *DB) SetStock(ctx context.Context, merchantID, sku string, onHand int64, by order.Actor) (s order.Stock, err error) {
	step := "set the stock of " + sku
	if onHand < 0 || onHand > maxOnHand {
		return order.Stock{}, &order.Refusal{Step: step, Why: fmt.Sprintf("on_hand is %d; want 0 to %d", onHand, maxOnHand)}
	}
	err = d.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if s, err = lockStock(ctx, tx, merchantID, sku); err != nil {
			return err
		}
		if s.Held > onHand {
			return &order.Refusal{Step: step, Why: fmt.Sprintf("unpaid orders hold %d of it, on_hand cannot be %d; wait for them or cancel them", s.Held, onHand)}
		}
		s.OnHand, err = onHand, setStock(ctx, tx, s, onHand, by)
		return err
	})
	if err != nil {
		return order.Stock{}, wrap(err, step)
	}
	return s, nil
}

// lockStock locks the row of a SKU, made empty when it is new, and reads it.
func lockStock(ctx context.Context, tx bun.IDB, merchantID, sku string) (order.Stock, error) {
	_, err := tx.NewRaw(`INSERT INTO stock (merchant_id, sku, on_hand) SELECT id, ?, 0 FROM merchants WHERE id = ? ON CONFLICT DO NOTHING`, sku, merchantID).Exec(ctx)
	if err != nil {
		return order.Stock{}, err
	}
	var row stockModel
	err = tx.NewSelect().Model(&row).Where("merchant_id = ?", merchantID).Where("sku = ?", sku).For("UPDATE").Scan(ctx)
	return row.stock(), found(err)
}

// setStock writes a count of what before was, whose row is locked, with who
// counted.
func setStock(ctx context.Context, tx bun.IDB, before order.Stock, onHand int64, by order.Actor) error {
	_, err := tx.NewRaw(`UPDATE stock SET on_hand = ?, updated_at = now() WHERE merchant_id = ? AND sku = ?`, onHand, before.MerchantID, before.SKU).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw(`INSERT INTO stock_sets (merchant_id, sku, delta, on_hand, actor, at) VALUES (?, ?, ?, ?, ?, clock_timestamp())`,
		before.MerchantID, before.SKU, onHand-before.OnHand, onHand, string(by)).Exec(ctx)
	return err
}

// Stock reads a merchant's stock of a SKU; order.ErrNotFound when none is kept.
func (d *DB) Stock(ctx context.Context, merchantID, sku string) (order.Stock, error) {
	var row stockModel
	err := d.NewSelect().Model(&row).Where("merchant_id = ?", merchantID).Where("sku = ?", sku).Scan(ctx)
	return row.stock(), wrap(found(err), "stock of "+sku)
}
