package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// EndpointToVerify is an endpoint with the secrets that sign at a time, whosever
// it is; order.ErrNotFound when it is gone.
func (d *DB) EndpointToVerify(ctx context.Context, id merchant.EndpointID, now time.Time) (merchant.Endpoint, error) {
	return d.signing(ctx, d.NewSelect(), id, now)
}

// Verified keeps what an endpoint made of a forged notice. What is known about
// another URL than it has now is not kept.
func (d *DB) Verified(ctx context.Context, e merchant.Endpoint, v merchant.Verification, now time.Time) error {
	_, err := d.NewUpdate().Model((*endpointModel)(nil)).Set("verifies = ?", v).Set("verified_at = ?", now).
		Where("id = ?", e.ID).Where("url = ?", e.URL).Exec(ctx)
	return wrap(err, "keep whether endpoint "+e.ID.String()+" verifies")
}

// verifyAfter leaves a merchant who has just registered an endpoint a moment to
// configure its secret.
const verifyAfter = 10 * time.Second

// verifySoon has it found out anew whether an endpoint verifies signatures.
func verifySoon(ctx context.Context, tx bun.IDB, id merchant.EndpointID, now time.Time) error {
	_, err := tx.NewRaw(`INSERT INTO outbox AS o (kind, subject, due_at, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, promoted_at = NULL, dead_at = NULL, attempts = 0, last_error = '', generation = o.generation + 1`,
		tasks.EndpointVerify, id, now.Add(verifyAfter), now).Exec(ctx)
	return err
}
