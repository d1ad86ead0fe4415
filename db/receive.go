package db

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// receipt is a verified callback on its way into the inbox.
type receipt struct {
	channel string
	notice  payment.Notice
	body    []byte
	at      time.Time
	owes    tasks.Message
}

// Receive keeps a verified callback, once, and owes the task that looks at it.
// A callback that came before is nil as well. One about a payment that we do
// not have, or that another channel has, is kept and owes nothing: a channel
// speaks for its own payments only.
func (s *Store) Receive(ctx context.Context, channel string, n payment.Notice, body []byte, at time.Time) error {
	owes, err := owedBy(n, at)
	if err != nil {
		return err
	}
	return s.receipts.offer(ctx, &receipt{channel, n, body, at, owes})[0]
}

// owedBy is the task that a callback makes necessary. One that carries all
// there is to know goes along; of any other the channel is asked.
func owedBy(n payment.Notice, at time.Time) (tasks.Message, error) {
	if n.OutRefundNo != "" {
		id, err := ident.Parse[order.Refund](n.OutRefundNo)
		return tasks.Message{Key: tasks.About(tasks.RefundQuery, id), Due: at}, err
	}
	id, err := ident.Parse[order.Attempt](n.OutTradeNo)
	m := tasks.Message{Key: tasks.About(tasks.PaymentConfirm, id), Due: at}
	if n.Complete {
		m.Payload, err = json.Marshal(n.Payment)
	}
	return m, err
}

// receiveBatch is one statement.
func (s *Store) receiveBatch(ctx context.Context, conn *pgxpool.Conn, list []*receipt) ([]error, []tasks.Key, error) {
	rows, now := distinct(list), s.now()
	var promoted *time.Time // as in queueOutbox
	if s.opt.Dispatch != nil {
		promoted = &now
	}
	var due []tasks.Key
	b := &pgx.Batch{}
	b.Queue(`WITH came AS (
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[], $6::text[], $7::uuid[], $8::bytea[])
			AS v (channel, event_id, out_trade_no, body, received_at, kind, subject, payload)
		), fresh AS (
			INSERT INTO inbox (subject, channel, event_id, out_trade_no, body, received_at)
			SELECT subject, channel, event_id, out_trade_no, body, received_at FROM came ON CONFLICT DO NOTHING RETURNING channel, event_id
		), owed AS (
			SELECT DISTINCT ON (kind, subject) kind, subject, payload FROM came
			WHERE ((channel, event_id) IN (SELECT channel, event_id FROM fresh)) IS TRUE -- IS TRUE: a set is looked up, not joined row by row
			AND channel IN ((SELECT a.channel FROM attempts a WHERE a.id = subject),
				(SELECT a.channel FROM refunds r JOIN attempts a ON a.id = r.attempt_id WHERE r.id = subject AND (r.status <> 'success' OR r.voucher <> '')))
			ORDER BY kind, subject
		)
		INSERT INTO outbox AS o (kind, subject, payload, due_at, promoted_at, created_at)
		SELECT kind, subject, payload, $9::timestamptz, $10::timestamptz, $9 FROM owed
		ON CONFLICT (kind, subject) DO UPDATE SET payload = NULL, due_at = excluded.due_at, promoted_at = excluded.promoted_at,
			dead_at = NULL, attempts = 0, generation = o.generation + 1
		RETURNING kind, subject`,
		col(rows, func(r *receipt) string { return r.channel }), col(rows, func(r *receipt) string { return r.notice.EventID }),
		col(rows, func(r *receipt) string { return r.notice.OutTradeNo }), col(rows, func(r *receipt) []byte { return r.body }),
		col(rows, func(r *receipt) time.Time { return r.at }), col(rows, func(r *receipt) string { return string(r.owes.Kind) }),
		col(rows, func(r *receipt) [16]byte { return r.owes.Subject }), col(rows, func(r *receipt) []byte { return r.owes.Payload }), now, promoted,
	).Query(func(rows pgx.Rows) error {
		keys, err := scanKeys(rows)
		due = keys
		return err
	})
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, fmt.Errorf("keep callbacks: %w", err)
	}
	return make([]error, len(list)), due, nil
}

// distinct drops what came twice in one batch. Two callbacks of one payment
// that wait at the same time are neither taken at its word: the channel is asked
// instead. The rest is sorted: an INSERT waits for the same key of another
// process, and must not be waited for by it.
func distinct(list []*receipt) []*receipt {
	seen := map[[2]string]bool{}
	about := map[tasks.Key]*receipt{}
	var out []*receipt
	for _, r := range list {
		k := [2]string{r.channel, r.notice.EventID}
		if seen[k] {
			continue
		}
		seen[k] = true
		out = append(out, r)
		if other := about[r.owes.Key]; other != nil {
			r.owes.Payload, other.owes.Payload = nil, nil
		}
		about[r.owes.Key] = r
	}
	slices.SortFunc(out, func(x, y *receipt) int {
		return cmp.Or(cmp.Compare(x.channel, y.channel), cmp.Compare(x.notice.EventID, y.notice.EventID))
	})
	return out
}

func scanKeys(rows pgx.Rows) (keys []tasks.Key, err error) {
	var (
		kind    string
		subject [16]byte
	)
	_, err = pgx.ForEachRow(rows, []any{&kind, &subject}, func() error {
		keys = append(keys, tasks.Key{Kind: tasks.Kind(kind), Subject: subject})
		return nil
	})
	return keys, err
}
