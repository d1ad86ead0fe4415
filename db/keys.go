package db

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/order"
)

type keyModel struct {
	bun.BaseModel `bun:"table:api_keys,alias:k"`

	Hash       []byte      `bun:"hash,pk"`
	Name       string      `bun:"name"`
	Role       access.Role `bun:"role"`
	MerchantID string      `bun:"merchant_id,nullzero"`
	CreatedAt  time.Time   `bun:"created_at,nullzero,default:now()"`
	RevokedAt  time.Time   `bun:"revoked_at,nullzero"`
}

func (k keyModel) principal() access.Principal {
	return access.Principal{Name: k.Name, Role: k.Role, MerchantID: k.MerchantID}
}

func (k keyModel) key() access.Key {
	return access.Key{Principal: k.principal(), CreatedAt: k.CreatedAt.UTC(), RevokedAt: k.RevokedAt.UTC()}
}

// PutKey makes a key known by its hash, or changes whose it is. A name is of
// one live key at a time, so that it can be revoked by name and recognised in
// a timeline; a revoked key stays revoked.
func (d *DB) PutKey(ctx context.Context, hash [32]byte, name string, role access.Role, merchantID string) error {
	if faults := checkKey(name, role, merchantID); len(faults) > 0 {
		return faults
	}
	row := keyModel{Hash: hash[:], Name: name, Role: role, MerchantID: merchantID}
	err := d.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return putKey(ctx, tx, &row) })
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23503" {
		return wrap(order.ErrNotFound, "merchant "+merchantID)
	}
	return wrap(err, "put key "+name)
}

func checkKey(name string, role access.Role, merchantID string) (faults order.Invalid) {
	if name == "" {
		faults = append(faults, order.FieldError{Field: "name", Message: "is required"})
	}
	if !slices.Contains(access.Roles(), role) {
		faults = append(faults, order.FieldError{Field: "role", Message: "want app, merchant or operator"})
	}
	switch {
	case role == access.Merchant && merchantID == "":
		faults = append(faults, order.FieldError{Field: "merchant_id", Message: "is missing: a merchant's key says whose it is (--merchant)"})
	case role != access.Merchant && merchantID != "":
		faults = append(faults, order.FieldError{Field: "merchant_id", Message: "is only for a merchant's key"})
	}
	return faults
}

func putKey(ctx context.Context, tx bun.IDB, row *keyModel) error {
	// Writers take turns, or two could find the same name free. Readers do not wait.
	if _, err := tx.ExecContext(ctx, "LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE"); err != nil {
		return err
	}
	taken, err := tx.NewSelect().Model((*keyModel)(nil)).
		Where("name = ?", row.Name).Where("hash <> ?", row.Hash).Where("revoked_at IS NULL").Exists(ctx)
	if err != nil {
		return err
	}
	if taken {
		return &order.Refusal{Step: "make a key named " + row.Name, Why: "another live key has this name; revoke it or choose another name"}
	}
	err = touched(tx.NewInsert().Model(row).
		On("CONFLICT (hash) DO UPDATE").Set("name = EXCLUDED.name").Set("role = EXCLUDED.role").Set("merchant_id = EXCLUDED.merchant_id").
		Where("k.revoked_at IS NULL").Returning("NULL").Exec(ctx))
	if errors.Is(err, order.ErrNotFound) {
		return &order.Refusal{Step: "bring back the key " + row.Name, Why: "it was revoked, and stays so; make a new one"}
	}
	return err
}

// Principal is whose key has this hash; access.ErrUnknownKey when it is no live
// key's.
func (d *DB) Principal(ctx context.Context, hash [32]byte) (access.Principal, error) {
	var row keyModel
	err := d.NewSelect().Model(&row).Where("hash = ?", hash[:]).Where("revoked_at IS NULL").Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return access.Principal{}, access.ErrUnknownKey
	}
	if err != nil {
		return access.Principal{}, wrap(err, "find a key")
	}
	return row.principal(), nil
}

// Keys lists keys, the live ones first, then by name; the first 1000.
func (d *DB) Keys(ctx context.Context) ([]access.Key, error) {
	var rows []keyModel
	err := d.NewSelect().Model(&rows).OrderExpr("revoked_at IS NOT NULL, name, created_at").Limit(listMost).Scan(ctx)
	if err != nil {
		return nil, wrap(err, "list keys")
	}
	return col(rows, keyModel.key), nil
}

// RevokeKey makes the live key of this name unknown. A process that has just
// seen the key may still let it in for the ten seconds that its Guard
// remembers.
func (d *DB) RevokeKey(ctx context.Context, name string) error {
	return wrap(touched(d.NewUpdate().Model((*keyModel)(nil)).Set("revoked_at = now()").
		Where("name = ?", name).Where("revoked_at IS NULL").Exec(ctx)), "revoke key "+name)
}
