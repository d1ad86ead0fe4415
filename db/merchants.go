package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

type merchantModel struct {
	bun.BaseModel `bun:"table:merchants,alias:m"`

	ID        string    `bun:"id,pk"`
	Name      string    `bun:"name"`
	FeeBps    int       `bun:"fee_bps"`
	CreatedAt time.Time `bun:"created_at,nullzero,default:now()"`
}

func (m merchantModel) merchant() merchant.Merchant {
	return merchant.Merchant{ID: m.ID, Name: m.Name, FeeBps: m.FeeBps, CreatedAt: m.CreatedAt.UTC()}
}

// PutMerchant makes a merchant, or gives it another name and fee. Orders that
// are there already keep the fee they were made with. The answer is what is
// stored.
func (d *DB) PutMerchant(ctx context.Context, m merchant.Merchant) (merchant.Merchant, error) {
	var faults order.Invalid
	if m.ID == "" {
		faults = append(faults, order.FieldError{Field: "id", Message: "is required"})
	}
	if m.FeeBps < 0 || m.FeeBps > 10_000 {
		faults = append(faults, order.FieldError{Field: "fee_bps", Message: "want 0 to 10000"})
	}
	if len(faults) > 0 {
		return merchant.Merchant{}, faults
	}
	row := merchantModel{ID: m.ID, Name: m.Name, FeeBps: m.FeeBps, CreatedAt: m.CreatedAt}
	_, err := d.NewInsert().Model(&row).
		On("CONFLICT (id) DO UPDATE").Set("name = EXCLUDED.name").Set("fee_bps = EXCLUDED.fee_bps").
		Returning("*").Exec(ctx)
	return row.merchant(), wrap(err, "put merchant "+m.ID)
}

// Merchant reads a merchant; order.ErrNotFound when there is none.
func (d *DB) Merchant(ctx context.Context, id string) (merchant.Merchant, error) {
	var row merchantModel
	if err := d.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return merchant.Merchant{}, wrap(found(err), "merchant "+id)
	}
	return row.merchant(), nil
}

// Merchants lists merchants by id, the first 1000.
func (d *DB) Merchants(ctx context.Context) ([]merchant.Merchant, error) {
	var rows []merchantModel
	if err := d.NewSelect().Model(&rows).Order("id").Limit(listMost).Scan(ctx); err != nil {
		return nil, wrap(err, "list merchants")
	}
	return col(rows, merchantModel.merchant), nil
}
