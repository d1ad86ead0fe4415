package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/tasks"
)

// Promote stamps up to limit waiting rows that are due before the horizon and
// returns them to be handed to asynq. Rows that another relay holds are passed
// over.
func (d *DB) Promote(ctx context.Context, now time.Time, horizon time.Duration, limit int) ([]tasks.Due, error) {
	return d.stamp(ctx, "promote", `WITH due AS (
			SELECT kind, subject FROM outbox WHERE promoted_at IS NULL AND dead_at IS NULL AND due_at <= $2
			ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
		) UPDATE outbox o SET promoted_at = $1 FROM due WHERE o.kind = due.kind AND o.subject = due.subject
		RETURNING o.kind, o.subject, o.due_at`, now, now.Add(horizon), limit)
}

// PutBack stamps anew the rows of some kinds that were promoted but not
// fulfilled in time: whoever had them is gone, or Redis forgot.
func (d *DB) PutBack(ctx context.Context, now time.Time, kinds []tasks.Kind, slack time.Duration, limit int) ([]tasks.Due, error) {
	return d.stamp(ctx, "put back", `WITH late AS (
			SELECT kind, subject FROM outbox WHERE promoted_at < $2 AND dead_at IS NULL AND due_at < $2 AND kind = ANY($4)
			ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
		) UPDATE outbox o SET promoted_at = $1 FROM late WHERE o.kind = late.kind AND o.subject = late.subject
		RETURNING o.kind, o.subject, o.due_at`, now, now.Add(-slack), limit, col(kinds, func(k tasks.Kind) string { return string(k) }))
}

// forgetPage is how many rows ForgetPromotions holds at once.
const forgetPage = 5000

// ForgetPromotions takes every stamp away: Redis was emptied, and all that is
// near is to be promoted again. It says how many rows that is. It goes page by
// page and passes over rows that are being settled: those are done, or come
// back unstamped.
func (d *DB) ForgetPromotions(ctx context.Context) (forgotten int64, err error) {
	for {
		tag, err := d.hot.Exec(ctx, `WITH page AS (
				SELECT kind, subject FROM outbox WHERE promoted_at IS NOT NULL AND dead_at IS NULL LIMIT $1 FOR UPDATE SKIP LOCKED
			) UPDATE outbox o SET promoted_at = NULL FROM page WHERE o.kind = page.kind AND o.subject = page.subject`, forgetPage)
		if err != nil {
			return forgotten, fmt.Errorf("forget promotions: %w", err)
		}
		forgotten += tag.RowsAffected()
		if tag.RowsAffected() < forgetPage { // what was stamped meanwhile is in Redis: waiting for none would never end
			return forgotten, nil
		}
	}
}

func (d *DB) stamp(ctx context.Context, op, sql string, args ...any) ([]tasks.Due, error) {
	rows, err := d.hot.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var (
		list    []tasks.Due
		kind    string
		subject [16]byte
		at      time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&kind, &subject, &at}, func() error {
		list = append(list, tasks.Due{Key: tasks.Key{Kind: tasks.Kind(kind), Subject: subject}, At: at.UTC()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return list, nil
}
