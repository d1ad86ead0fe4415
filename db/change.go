package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// change is one change of one order, and when it comes from a task, what
// becomes of the row that was owed.
type change struct {
	order  order.ID
	apply  func(*order.Order) error // nil leaves the order as it is
	once   *once.Request            // nil when it may repeat
	settle *tasks.Settlement        // nil when it comes from no task
}

// Update changes one order: fn runs on it in memory while its row is locked,
// together with whatever other changes are waiting.
//
// It returns what fn returns (order.ErrAlready, an *order.Refusal: nothing was
// changed), order.ErrNotFound, order.ErrBusy, or with req the errors of
// internal/once. Any other error leaves open whether the change was written.
func (s *Store) Update(ctx context.Context, id order.ID, req *once.Request, fn func(*order.Order) error) error {
	return s.changes.offer(ctx, change{order: id, once: req, apply: fn})[0]
}

func (s *Store) changeBatch(ctx context.Context, conn *pgxpool.Conn, list []change) ([]error, []tasks.Key, error) {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	found := queueLocked(b, orderIDs(list))
	seen := queueOnces(b, col(list, func(c change) *once.Request { return c.once }))
	live := queueOwed(b, list)
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, err
	}
	w := s.writes()
	answers := make([]error, len(list))
	before := map[order.ID]*order.Order{}
	for id, o := range found {
		before[id] = o
	}
	for i, c := range list {
		answers[i] = w.change(c, found, seen, live)
	}
	var err error
	if w.subscribed, err = readSubscriptions(ctx, conn, found); err != nil {
		return nil, nil, err
	}
	for id, o := range found {
		w.changes(before[id], o)
	}
	w.troubles()
	w.now = s.now() // what a change made due is due now
	b = &pgx.Batch{}
	w.queue(b)
	b.Queue("COMMIT")
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, err
	}
	return answers, w.due, nil
}

// change runs one change in memory. The order in found is replaced when the
// change holds, so that the next change of the same order builds on it.
func (w *writes) change(c change, found map[order.ID]*order.Order, seen onces, live map[tasks.Key]rowVersion) error {
	if c.settle != nil {
		row := c.settle.Row
		if live[row.Key] != version(row) {
			return tasks.ErrGone
		}
		delete(live, row.Key) // a second try of the same row comes too late
	}
	next, err := apply(c, found[c.order], seen)
	if c.settle != nil {
		w.settle(c.settle, err, live)
	}
	if err != nil {
		return err
	}
	if next != nil {
		found[c.order] = next
	}
	w.answer(c.once, seen)
	return nil
}

// apply is c's effect on a copy of the order; nil when it has none.
func apply(c change, o *order.Order, seen onces) (next *order.Order, err error) {
	if err := seen.check(c.once); err != nil {
		return nil, err
	}
	if c.apply == nil {
		return nil, nil
	}
	if o == nil {
		return nil, fmt.Errorf("order %s: %w", c.order, order.ErrNotFound)
	}
	defer func() {
		if p := recover(); p != nil {
			next, err = nil, fmt.Errorf("order %s: panic: %v", c.order, p)
		}
	}()
	next = o.Clone()
	if err := c.apply(next); err != nil {
		return nil, err
	}
	return next, nil
}

// settle writes what becomes of the row that was tried. What the order's
// events say of the same row comes after, and wins.
func (w *writes) settle(t *tasks.Settlement, err error, live map[tasks.Key]rowVersion) {
	verdict := t.Verdict
	switch {
	case err == nil:
		for _, m := range t.Owes {
			w.owe(m)
			delete(live, m.Key) // a try of its older self settles nothing
		}
		w.deliveries = append(w.deliveries, t.Deliveries...)
		for _, d := range t.Deliveries {
			w.ring(d.EndpointID, d.DueAt)
		}
	case errors.Is(err, order.ErrAlready):
		verdict = tasks.Done()
	case errors.Is(err, order.ErrNotFound):
		verdict = tasks.Never(err)
	default:
		verdict = tasks.Later(err)
	}
	if row, owed := verdict.Next(t.Row, w.now); owed {
		w.outbox[t.Row.Key] = &row
	} else {
		w.outbox[t.Row.Key] = nil
	}
	for _, try := range t.Tries {
		w.tries = append(w.tries, tryRow{t.Row.Subject, try})
	}
}

// troubles owes an alert for each row that the batch leaves dead, or that has
// failed too often. It comes last: a row that an event has made pointless
// meanwhile is deleted, and nobody need hear of it.
func (w *writes) troubles() {
	for _, row := range w.outbox {
		if row == nil {
			continue
		}
		if m, rings := tasks.Trouble(*row, w.now); rings {
			w.owe(m)
		}
	}
}

// changes gathers what differs between an order as it was loaded and as it is.
func (w *writes) changes(before, after *order.Order) {
	if before == after || before.Version == after.Version {
		return
	}
	w.changed = append(w.changed, after)
	for i, a := range after.Attempts {
		if i >= len(before.Attempts) {
			w.opened = append(w.opened, a)
		} else if *a != *before.Attempts[i] {
			w.attempts = append(w.attempts, a)
		}
	}
	for i, r := range after.Refunds {
		if i >= len(before.Refunds) || *r != *before.Refunds[i] {
			w.refunds = append(w.refunds, r)
		}
	}
	w.consequences(after)
}

// rowVersion tells one life of a row from another.
type rowVersion struct {
	generation int
	born       int64 // µs since 1970
}

func version(r tasks.Row) rowVersion { return rowVersion{r.Generation, r.CreatedAt.UnixMicro()} }

// queueOwed locks the rows that are being settled, so that only one try of
// each can be; live has the versions of those still alive.
func queueOwed(b *pgx.Batch, list []change) (live map[tasks.Key]rowVersion) {
	var keys []tasks.Key
	for _, c := range list {
		if c.settle != nil {
			keys = append(keys, c.settle.Row.Key)
		}
	}
	live = map[tasks.Key]rowVersion{}
	if len(keys) == 0 {
		return live
	}
	b.Queue(`SELECT o.kind, o.subject, o.generation, o.created_at FROM outbox o JOIN unnest($1::text[], $2::uuid[]) AS v (kind, subject) USING (kind, subject)
		WHERE o.dead_at IS NULL ORDER BY o.kind, o.subject FOR UPDATE OF o`, col(keys, kindOf), col(keys, subjectOf)).Query(func(rows pgx.Rows) error {
		var (
			kind       string
			subject    [16]byte
			generation int
			born       time.Time
		)
		_, err := pgx.ForEachRow(rows, []any{&kind, &subject, &generation, &born}, func() error {
			live[tasks.Key{Kind: tasks.Kind(kind), Subject: subject}] = rowVersion{generation, born.UnixMicro()}
			return nil
		})
		return err
	})
	return live
}

// orderIDs are the orders that the changes touch, each once. An alert touches
// none: each is a new row, so that only its own try and an operator's hand are
// ever on it.
func orderIDs(list []change) []order.ID {
	var ids []order.ID
	for _, c := range list {
		if !c.order.IsZero() {
			ids = append(ids, c.order)
		}
	}
	return distinctIDs(ids)
}
