package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/tasks"
)

// Settle writes what became of tries of owed rows. Each has its own error: nil,
// tasks.ErrGone and order.ErrAlready mean that nothing is left to do.
//
// A row that is fulfilled and asks nothing of its order waits for no order: it
// goes by a statement of its own. What that does not get hold of is settled
// like all others, as a change. Payments are confirmed in one group with what is
// asked for from outside, as somebody waits for both; all else is in another, so
// that ten thousand orders which close stand before neither. A look at a backlog
// that came to its end is settled by what is left of that.
func (s *Store) Settle(ctx context.Context, tries ...tasks.Settlement) []error {
	errs := make([]error, len(tries))
	var alone, drained, awaited, rest []int
	for i, t := range tries {
		if t.Verdict.IsDone() && t.Apply == nil && len(t.Owes)+len(t.Deliveries) == 0 {
			if t.Row.Kind == tasks.EndpointDeliver {
				drained = append(drained, i)
			} else {
				alone = append(alone, i)
			}
		} else if t.Row.Kind == tasks.PaymentConfirm {
			awaited = append(awaited, i)
		} else {
			rest = append(rest, i)
		}
	}
	for n, err := range s.fulfilments.submit(ctx, col(alone, func(i int) *tasks.Settlement { return &tries[i] })...) {
		if errors.Is(err, errTaken) {
			rest = append(rest, alone[n])
		} else {
			errs[alone[n]] = err
		}
	}
	for n, err := range s.drains.submit(ctx, col(drained, func(i int) *tasks.Settlement { return &tries[i] })...) {
		errs[drained[n]] = err
	}
	for n, err := range s.changes.submit(ctx, col(awaited, func(i int) change { return settling(&tries[i]) })...) {
		errs[awaited[n]] = err
	}
	for n, err := range s.chores.submit(ctx, col(rest, func(i int) change { return settling(&tries[i]) })...) {
		errs[rest[n]] = err
	}
	return errs
}

func settling(t *tasks.Settlement) change {
	return change{order: t.Row.Order(), apply: t.Apply, settle: t}
}

// errTaken says that a row is gone, or that somebody else has it just now.
var errTaken = errors.New("the row is taken")

// fulfilBatch deletes rows as they were tried, and logs the tries, in one
// statement. It passes over rows that others have locked, so it may lock in any
// order.
func (s *Store) fulfilBatch(ctx context.Context, conn *pgxpool.Conn, list []*tasks.Settlement) ([]error, []tasks.Key, error) {
	rows := col(list, func(t *tasks.Settlement) tasks.Row { return t.Row })
	var tries []tryRow
	for _, t := range list {
		for _, try := range t.Tries {
			tries = append(tries, tryRow{t.Row.Subject, try})
		}
	}
	gone := map[tasks.Key]bool{}
	b := &pgx.Batch{}
	b.Queue(`WITH mine AS (
			SELECT o.ctid FROM unnest($16::text[], $17::uuid[], $18::int[], $19::timestamptz[]) AS v (kind, subject, generation, born)
			JOIN outbox o ON o.kind = v.kind AND o.subject = v.subject AND o.generation = v.generation AND o.created_at = v.born
			WHERE o.dead_at IS NULL FOR UPDATE OF o SKIP LOCKED
		), gone AS (
			DELETE FROM outbox o USING mine WHERE o.ctid = mine.ctid RETURNING o.kind, o.subject
		), logged AS (
			`+logTries+`
			WHERE (t.id IN (SELECT subject FROM gone)) IS TRUE ON CONFLICT DO NOTHING -- IS TRUE: a set is looked up, not joined row by row
		) SELECT kind, subject FROM gone`,
		append(tryColumns(tries),
			col(rows, func(r tasks.Row) string { return string(r.Kind) }), col(rows, func(r tasks.Row) [16]byte { return r.Subject }),
			col(rows, func(r tasks.Row) int { return r.Generation }), col(rows, func(r tasks.Row) time.Time { return r.CreatedAt }))...,
	).Query(func(rows pgx.Rows) error {
		keys, err := scanKeys(rows)
		for _, k := range keys {
			gone[k] = true
		}
		return err
	})
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, fmt.Errorf("fulfil tasks: %w", err)
	}
	answers := make([]error, len(rows))
	for i, r := range rows {
		if !gone[r.Key] {
			answers[i] = errTaken
		}
		delete(gone, r.Key) // a second try of the same row comes too late
	}
	return answers, nil, nil
}
