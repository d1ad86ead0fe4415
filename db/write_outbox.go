package db

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/tasks"
)

// queueOutbox writes what is owed from now on and deletes what is not. A row
// that is due at once is stamped promoted when this process dispatches it after
// the commit: should it die before, the relay finds it overdue. Where nobody
// dispatches it stays unstamped, for the relay to promote.
func (w *writes) queueOutbox(b *pgx.Batch) {
	var owed []*tasks.Row
	var moot []tasks.Key
	for k, row := range w.outbox {
		if row == nil {
			moot = append(moot, k)
			continue
		}
		if w.dispatched && row.DeadAt.IsZero() && !row.DueAt.After(w.now) {
			row.PromotedAt = w.now
			w.due = append(w.due, k)
		}
		owed = append(owed, row)
	}
	if len(w.untold) > 0 { // a statement of its own, and first: whoever hands a delivery on makes a row of the outbox of it, which the next one must see
		b.Queue(`DELETE FROM deliveries d USING unnest($1::uuid[]) AS v (notice_id) WHERE d.notice_id = v.notice_id`, bytesOf(w.untold))
	}
	if len(moot) > 0 {
		slices.SortFunc(moot, compareKeys)
		b.Queue(`DELETE FROM outbox USING unnest($1::text[], $2::uuid[]) AS v (kind, subject) WHERE outbox.kind = v.kind AND outbox.subject = v.subject`,
			col(moot, kindOf), col(moot, subjectOf))
	}
	if len(owed) > 0 {
		slices.SortFunc(owed, func(x, y *tasks.Row) int { return compareKeys(x.Key, y.Key) })
		sql := `INSERT INTO outbox AS o (kind, subject, payload, due_at, promoted_at, attempts, last_error, dead_at, created_at)
			SELECT * FROM unnest($1::text[], $2::uuid[], $3::bytea[], $4::timestamptz[], $5::timestamptz[], $6::int[], $7::text[], $8::timestamptz[], $9::timestamptz[])`
		if !w.creating {
			sql += ` ON CONFLICT (kind, subject) DO UPDATE SET payload = excluded.payload, due_at = excluded.due_at, promoted_at = excluded.promoted_at,
			attempts = excluded.attempts, last_error = excluded.last_error, dead_at = excluded.dead_at, generation = o.generation + 1`
		}
		b.Queue(sql,
			col(owed, func(r *tasks.Row) string { return string(r.Kind) }), col(owed, func(r *tasks.Row) [16]byte { return r.Subject }),
			col(owed, func(r *tasks.Row) []byte { return r.Payload }), col(owed, func(r *tasks.Row) time.Time { return r.DueAt }),
			col(owed, func(r *tasks.Row) *time.Time { return timeOrNull(r.PromotedAt) }), col(owed, func(r *tasks.Row) int { return r.Attempts }),
			col(owed, func(r *tasks.Row) string { return r.LastError }), col(owed, func(r *tasks.Row) *time.Time { return timeOrNull(r.DeadAt) }),
			col(owed, func(r *tasks.Row) time.Time { return r.CreatedAt }))
	}
}

// queueBuried writes rows that are dead already. One that lives is not touched:
// its own try comes to the same.
func (w *writes) queueBuried(b *pgx.Batch) {
	if list := w.buried; len(list) > 0 {
		b.Queue(`INSERT INTO outbox (kind, subject, due_at, attempts, last_error, dead_at, created_at)
			SELECT *, $3::timestamptz FROM unnest($1::text[], $2::uuid[], $4::timestamptz[], $5::int[], $6::text[], $4::timestamptz[]) ON CONFLICT DO NOTHING`,
			col(list, func(r tasks.Row) string { return string(r.Kind) }), col(list, func(r tasks.Row) [16]byte { return r.Subject }), w.now,
			col(list, func(r tasks.Row) time.Time { return r.DeadAt }), col(list, func(r tasks.Row) int { return r.Attempts }),
			col(list, func(r tasks.Row) string { return r.LastError }))
	}
}

func compareKeys(x, y tasks.Key) int {
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), bytes.Compare(x.Subject[:], y.Subject[:]))
}

func kindOf(k tasks.Key) string      { return string(k.Kind) }
func subjectOf(k tasks.Key) [16]byte { return k.Subject }
