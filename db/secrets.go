package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
)

// endpointSecrets are the columns of an endpoint that hold what signs its
// notices. A release that knew no sealing writes the first alone, and what it
// writes there is newer than the second: all of it, in this order, is newest
// first.
type endpointSecrets struct {
	Plain  []string       `bun:"secrets,array"`
	Sealed []sealedSecret `bun:"sealed_secrets,type:jsonb"`
}

// sealedSecret is merchant.KeptSecret as it is in the row.
type sealedSecret struct {
	Sealed    string    `json:"sealed"`
	PublicKey string    `json:"public_key,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func (s endpointSecrets) kept() []merchant.KeptSecret {
	return col(s.Sealed, func(s sealedSecret) merchant.KeptSecret { return merchant.KeptSecret(s) })
}

func sealedOf(list []merchant.KeptSecret) []sealedSecret {
	return col(list, func(s merchant.KeptSecret) sealedSecret { return sealedSecret(s) })
}

// publicKey is that of the newest secret, if it has one.
func (s endpointSecrets) publicKey() string {
	if len(s.Plain) > 0 || len(s.Sealed) == 0 {
		return "" // no plain one is a key pair
	}
	return s.Sealed[0].PublicKey
}

// place is what a secret is sealed for: copied to another endpoint, or to
// another merchant's, it does not open.
func (e *endpointModel) place() string {
	return "endpoint " + e.ID.String() + " of merchant " + e.MerchantID
}

func (d *DB) sealed(e *endpointModel, secret string) (merchant.KeptSecret, error) {
	text, err := d.keys.Seal(secret, e.place())
	if err != nil {
		return merchant.KeptSecret{}, fmt.Errorf("seal a secret: %w", err)
	}
	return merchant.KeptSecret{Sealed: text, PublicKey: merchant.PublicKey(secret)}, nil
}

// sealPlain seals what is plain still.
func (d *DB) sealPlain(e *endpointModel) error {
	var fresh []merchant.KeptSecret
	for _, secret := range e.Plain {
		kept, err := d.sealed(e, secret)
		if err != nil {
			return err
		}
		fresh = append(fresh, kept)
	}
	e.Plain, e.Sealed = []string{}, sealedOf(append(fresh, e.kept()...))
	return nil
}

// open is the secrets of an endpoint that sign at a time, newest first.
func (d *DB) open(e *endpointModel, now time.Time) ([]string, error) {
	secrets := slices.Clone(e.Plain)
	for _, kept := range merchant.Signing(e.kept(), now) {
		secret, err := d.keys.Open(kept.Sealed, e.place())
		if err != nil {
			return nil, fmt.Errorf("open a secret of endpoint %s of merchant %s: %w", e.ID, e.MerchantID, err)
		}
		secrets = append(secrets, secret)
	}
	return secrets[:min(len(secrets), merchant.MaxSecrets)], nil
}

// changeSecrets changes an endpoint's secrets while nobody else does.
func (d *DB) changeSecrets(ctx context.Context, merchantID string, id merchant.EndpointID, change func(context.Context, bun.Tx, *endpointModel) error) error {
	return d.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var e endpointModel
		if err := tx.NewSelect().Model(&e).Where("id = ?", id).Where("merchant_id = ?", merchantID).For("NO KEY UPDATE").Scan(ctx); err != nil {
			return found(err)
		}
		if err := change(ctx, tx, &e); err != nil {
			return err
		}
		_, err := tx.NewUpdate().Model(&e).Column("secrets", "sealed_secrets").WherePK().Exec(ctx)
		return err
	})
}
