package db

import (
	"context"
	"fmt"
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

	DeliverWithin int64 `bun:"deliver_within"` // seconds
	RevokeWithin  int64 `bun:"revoke_within"`
}

func (m merchantModel) merchant() merchant.Merchant {
	return merchant.Merchant{
		ID: m.ID, Name: m.Name, FeeBps: m.FeeBps, CreatedAt: m.CreatedAt.UTC(),
		DeliverWithin: time.Duration(m.DeliverWithin) * time.Second, RevokeWithin: time.Duration(m.RevokeWithin) * time.Second,
	}
}

// PutMerchant makes a merchant, or gives it other terms. Orders that are there
// already keep the terms they were made with. The answer is what is
// stored.
func (d *DB) PutMerchant(ctx context.Context, m merchant.Merchant) (merchant.Merchant, error) {
	var faults order.Invalid
	if m.ID == "" {
		faults = append(faults, order.FieldError{Field: "id", Message: "is required"})
	}
	if m.FeeBps < 0 || m.FeeBps > 10_000 {
		faults = append(faults, order.FieldError{Field: "fee_bps", Message: "want 0 to 10000"})
	}
	for field, within := range map[string]time.Duration{"deliver_within_seconds": m.DeliverWithin, "revoke_within_seconds": m.RevokeWithin} {
		if within < 0 || within > order.MaxDelivery {
			faults = append(faults, order.FieldError{Field: field, Message: fmt.Sprintf("want 0 to %d", int(order.MaxDelivery.Seconds()))})
		}
	}
	if len(faults) > 0 {
		return merchant.Merchant{}, faults
	}
	row := merchantModel{
		ID: m.ID, Name: m.Name, FeeBps: m.FeeBps, CreatedAt: m.CreatedAt,
		DeliverWithin: int64(m.DeliverWithin.Seconds()), RevokeWithin: int64(m.RevokeWithin.Seconds()),
	}
	_, err := d.NewInsert().Model(&row).
		On("CONFLICT (id) DO UPDATE").Set("name = EXCLUDED.name").Set("fee_bps = EXCLUDED.fee_bps").
		Set("deliver_within = EXCLUDED.deliver_within").Set("revoke_within = EXCLUDED.revoke_within").
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
