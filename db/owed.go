package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// Owed reads the live rows of a bundle that are due by now. What is missing
// from the answer was fulfilled, is dead, or is for later.
func (d *DB) Owed(ctx context.Context, kind tasks.Kind, subjects []tasks.Subject, now time.Time) ([]tasks.Row, error) {
	rows, err := d.hot.Query(ctx, `SELECT o.subject, payload, due_at, generation, attempts, last_error, created_at, promoted_at
		FROM unnest($1::text[], $2::uuid[]) AS v (kind, subject) JOIN outbox o ON o.kind = v.kind AND o.subject = v.subject
		WHERE dead_at IS NULL AND due_at <= $3`, slices.Repeat([]string{string(kind)}, len(subjects)), bytesOf(subjects), now)
	if err != nil {
		return nil, fmt.Errorf("read owed %s: %w", kind, err)
	}
	var list []tasks.Row
	err = each(rows, func(rows pgx.Rows) (r tasks.Row, err error) {
		var (
			subject  [16]byte
			promoted *time.Time
		)
		err = rows.Scan(&subject, &r.Payload, &r.DueAt, &r.Generation, &r.Attempts, &r.LastError, &r.CreatedAt, &promoted)
		r.Key, r.DueAt, r.PromotedAt = tasks.Key{Kind: kind, Subject: subject}, r.DueAt.UTC(), timeOf(promoted)
		return r, err
	}, func(r tasks.Row) { list = append(list, r) })
	if err != nil {
		return nil, fmt.Errorf("read owed %s: %w", kind, err)
	}
	return list, nil
}

// Notices reads the notices of a bundle in one query; what is not there is left
// out.
func (d *DB) Notices(ctx context.Context, ids []tasks.Subject) (map[tasks.Subject]merchant.Notice, error) {
	rows, err := d.hot.Query(ctx, `SELECT id, merchant_id, type, body, created_at FROM unnest($1::uuid[]) AS v (id) JOIN notices USING (id)`, bytesOf(ids))
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	found := make(map[tasks.Subject]merchant.Notice, len(ids))
	var (
		id uuid.UUID
		n  merchant.Notice
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &n.MerchantID, &n.Type, &n.Body, &n.CreatedAt}, func() error {
		n.ID = id.String()
		found[tasks.Subject(id)] = n
		n.Body = nil // the next row gets bytes of its own
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return found, nil
}
