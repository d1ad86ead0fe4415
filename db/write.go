package db

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// writes gathers the rows of a batch, whatever orders they come from, to be
// written by one statement a table.
type writes struct {
	now        time.Time
	terms      tasks.Terms
	dispatched bool // this process hands over what is due at once
	creating   bool // all is of new orders: their stock is locked, and nothing of theirs is there
	subscribed subscriptions

	made     []*order.Order // new
	changed  []*order.Order
	opened   []*order.Attempt // new
	attempts []*order.Attempt // changed
	refunds  []*order.Refund  // both
	events   []eventRow
	moves    []moveRow
	postings []postingRow
	notices  []merchant.Notice
	tries    []tryRow

	deliveries []merchant.Delivery               // new
	bells      map[merchant.EndpointID]time.Time // whose backlogs are looked at, and when
	untold     []tasks.Subject                   // notices that nobody is to be told any more
	buried     []tasks.Row                       // new, and dead

	outbox map[tasks.Key]*tasks.Row // nil: to be deleted
	due    []tasks.Key              // what is to be dispatched after the commit; whole when the batch was sent
	onces  []onceRow
}

type eventRow struct {
	order order.ID
	order.Event
}

type moveRow struct {
	order    order.ID
	merchant string
	at       time.Time
	order.StockMove
}

type postingRow struct {
	order order.ID
	seq   int
	line  int
	at    time.Time
	ledger.Posting
}

type onceRow struct {
	scope, key string
	hash       []byte
	status     int
	answer     []byte
}

func newWrites(now time.Time, terms tasks.Terms) *writes {
	return &writes{now: now, terms: terms, outbox: map[tasks.Key]*tasks.Row{}, bells: map[merchant.EndpointID]time.Time{}}
}

// consequences gathers all that follows from what happened to o: its timeline,
// stock, money, notices and tasks. There is no other way to any of them.
func (w *writes) consequences(o *order.Order) {
	for _, e := range o.Events() {
		w.events = append(w.events, eventRow{o.ID, e})
		for _, m := range order.StockMoves(o, e) {
			w.moves = append(w.moves, moveRow{o.ID, o.MerchantID, e.At, m})
		}
		for i, p := range ledger.Postings(o, e) {
			w.postings = append(w.postings, postingRow{o.ID, e.Seq, i, e.At, p})
		}
		told := w.tell(o, e)
		owed, moot := w.terms.Follow(o, e)
		for _, k := range moot {
			w.outbox[k] = nil
			if k.Kind == tasks.DeliveryNotify || k.Kind == tasks.MerchantNotify {
				w.untold = append(w.untold, k.Subject)
			}
		}
		for _, m := range owed {
			if told || m.Kind != tasks.MerchantNotify { // what nobody takes nobody need tell
				w.owe(m)
			}
		}
	}
	o.Forget()
}

// tell writes the notice that an event is to its merchant, if it is one that
// somebody takes.
func (w *writes) tell(o *order.Order, e order.Event) (told bool) {
	if t := merchant.TypeOf(o, e); t == "" || !w.subscribed.take(o.MerchantID, t) {
		return false
	}
	n, told := merchant.NoticeOf(o, e)
	w.notices = append(w.notices, n)
	return told
}

func (w *writes) owe(m tasks.Message) {
	w.outbox[m.Key] = &tasks.Row{Key: m.Key, Payload: m.Payload, DueAt: m.Due, CreatedAt: w.now}
}

// queue queues every statement the batch needs, in a fixed order of tables.
func (w *writes) queue(b *pgx.Batch) {
	w.queueOrders(b)
	w.queueParts(b)
	w.queueStock(b)
	w.queueMoney(b)
	w.queueNotices(b)
	w.queueDeliveries(b)
	if len(w.onces) > 0 {
		slices.SortFunc(w.onces, func(x, y onceRow) int { return cmp.Or(cmp.Compare(x.scope, y.scope), cmp.Compare(x.key, y.key)) })
		b.Queue(`INSERT INTO idempotency_keys (scope, key, request_hash, status, answer, created_at)
			SELECT *, $6::timestamptz FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::bytea[])`,
			col(w.onces, func(r onceRow) string { return r.scope }), col(w.onces, func(r onceRow) string { return r.key }),
			col(w.onces, func(r onceRow) []byte { return r.hash }), col(w.onces, func(r onceRow) int { return r.status }),
			col(w.onces, func(r onceRow) []byte { return r.answer }), w.now)
	}
	w.queueBuried(b)
	w.queueOutbox(b)
	w.queueBells(b)
}

func (w *writes) queueOrders(b *pgx.Batch) {
	if list := w.made; len(list) > 0 {
		b.Queue(`INSERT INTO orders (id, merchant_id, buyer_id, merchant_order_no, currency, amount, fee_bps, status, hold, version, items, metadata, deliver_within, revoke_within, created_at, expire_at)
			SELECT id, merchant_id, buyer_id, nullif(no, ''), currency, amount, fee_bps, status, '', version, items::jsonb, metadata::jsonb, deliver_within, revoke_within, created_at, expire_at
			FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::int[], $8::text[], $9::int[], $10::text[], $11::text[], $12::int[], $13::int[], $14::timestamptz[], $15::timestamptz[])
			AS o (id, merchant_id, buyer_id, no, currency, amount, fee_bps, status, version, items, metadata, deliver_within, revoke_within, created_at, expire_at)`,
			col(list, orderID), col(list, func(o *order.Order) string { return o.MerchantID }),
			col(list, func(o *order.Order) string { return o.BuyerID }), col(list, func(o *order.Order) string { return o.MerchantOrderNo }),
			col(list, func(o *order.Order) string { return o.Currency }), col(list, func(o *order.Order) int64 { return o.Amount }),
			col(list, func(o *order.Order) int { return o.FeeBps }), col(list, func(o *order.Order) string { return string(o.Status) }),
			col(list, func(o *order.Order) int { return o.Version }), col(list, func(o *order.Order) string { return text(o.Items) }),
			col(list, func(o *order.Order) *string { return metadata(o) }),
			col(list, func(o *order.Order) int { return int(o.DeliverWithin.Seconds()) }), col(list, func(o *order.Order) int { return int(o.RevokeWithin.Seconds()) }),
			col(list, func(o *order.Order) time.Time { return o.CreatedAt }), col(list, func(o *order.Order) time.Time { return o.ExpireAt }))
	}
	w.queueNumbers(b)
	if list := w.changed; len(list) > 0 {
		b.Queue(`UPDATE orders SET status = v.status, hold = v.hold, version = v.version, delivery = v.delivery::jsonb,
			paid_at = v.paid_at, cancel_at = v.cancel_at, closed_at = v.closed_at, delivered_at = v.delivered_at, completed_at = v.completed_at
			FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
			AS v (id, status, hold, version, delivery, paid_at, cancel_at, closed_at, delivered_at, completed_at) WHERE orders.id = v.id`,
			col(list, orderID), col(list, func(o *order.Order) string { return string(o.Status) }),
			col(list, func(o *order.Order) string { return o.Hold }), col(list, func(o *order.Order) int { return o.Version }), col(list, delivery),
			col(list, func(o *order.Order) *time.Time { return timeOrNull(o.PaidAt) }), col(list, func(o *order.Order) *time.Time { return timeOrNull(o.CancelAt) }),
			col(list, func(o *order.Order) *time.Time { return timeOrNull(o.ClosedAt) }),
			col(list, func(o *order.Order) *time.Time { return timeOrNull(o.DeliveredAt) }), col(list, func(o *order.Order) *time.Time { return timeOrNull(o.CompletedAt) }))
	}
}

// queueNumbers keeps the merchants' own numbers, which are unique over all
// months.
func (w *writes) queueNumbers(b *pgx.Batch) {
	var list []*order.Order
	for _, o := range w.made {
		if o.MerchantOrderNo != "" {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(x, y *order.Order) int { // an INSERT waits for the same number of another process
		return cmp.Or(cmp.Compare(x.MerchantID, y.MerchantID), cmp.Compare(x.MerchantOrderNo, y.MerchantOrderNo))
	})
	b.Queue(`INSERT INTO order_numbers (merchant_id, no, order_id) SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[])`,
		col(list, func(o *order.Order) string { return o.MerchantID }), col(list, func(o *order.Order) string { return o.MerchantOrderNo }), col(list, orderID))
}

func (w *writes) queueParts(b *pgx.Batch) {
	if list := w.opened; len(list) > 0 {
		b.Queue(`INSERT INTO attempts (id, channel, status, disposition, amount, currency, expire_at, created_at, trade_no, paid_amount, paid_currency, paid_at, reason)
			SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::bigint[], $11::text[], $12::timestamptz[], $13::text[])`,
			col(list, func(a *order.Attempt) [16]byte { return a.ID }), col(list, func(a *order.Attempt) string { return a.Channel }),
			col(list, func(a *order.Attempt) string { return string(a.Status) }), col(list, func(a *order.Attempt) string { return string(a.Disposition) }),
			col(list, func(a *order.Attempt) int64 { return a.Amount }), col(list, func(a *order.Attempt) string { return a.Currency }),
			col(list, func(a *order.Attempt) time.Time { return a.ExpireAt }), col(list, func(a *order.Attempt) time.Time { return a.CreatedAt }),
			col(list, func(a *order.Attempt) string { return a.TradeNo }), col(list, func(a *order.Attempt) int64 { return a.PaidAmount }),
			col(list, func(a *order.Attempt) string { return a.PaidCurrency }), col(list, func(a *order.Attempt) *time.Time { return timeOrNull(a.PaidAt) }),
			col(list, func(a *order.Attempt) string { return a.Reason }))
	}
	if list := w.attempts; len(list) > 0 {
		b.Queue(`UPDATE attempts SET status = v.status, disposition = v.disposition, trade_no = v.trade_no,
			paid_amount = v.paid_amount, paid_currency = v.paid_currency, paid_at = v.paid_at, reason = v.reason
			FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[], $8::text[])
			AS v (id, status, disposition, trade_no, paid_amount, paid_currency, paid_at, reason) WHERE attempts.id = v.id`,
			col(list, func(a *order.Attempt) [16]byte { return a.ID }),
			col(list, func(a *order.Attempt) string { return string(a.Status) }), col(list, func(a *order.Attempt) string { return string(a.Disposition) }),
			col(list, func(a *order.Attempt) string { return a.TradeNo }), col(list, func(a *order.Attempt) int64 { return a.PaidAmount }),
			col(list, func(a *order.Attempt) string { return a.PaidCurrency }), col(list, func(a *order.Attempt) *time.Time { return timeOrNull(a.PaidAt) }),
			col(list, func(a *order.Attempt) string { return a.Reason }))
	}
	if list := w.refunds; len(list) > 0 {
		b.Queue(`INSERT INTO refunds (id, attempt_id, status, amount, reason, problem, voucher, created_at, done_at)
			SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[])
			ON CONFLICT (id) DO UPDATE SET status = excluded.status, problem = excluded.problem, voucher = excluded.voucher, done_at = excluded.done_at`,
			col(list, func(r *order.Refund) [16]byte { return r.ID }), col(list, func(r *order.Refund) [16]byte { return r.Attempt }),
			col(list, func(r *order.Refund) string { return string(r.Status) }), col(list, func(r *order.Refund) int64 { return r.Amount }),
			col(list, func(r *order.Refund) string { return r.Reason }), col(list, func(r *order.Refund) string { return r.Problem }),
			col(list, func(r *order.Refund) string { return r.Voucher }), col(list, func(r *order.Refund) time.Time { return r.CreatedAt }),
			col(list, func(r *order.Refund) *time.Time { return timeOrNull(r.DoneAt) }))
	}
	if list := w.events; len(list) > 0 {
		b.Queue(`INSERT INTO order_events (order_id, seq, type, status, actor, at, detail)
			SELECT a, b, c, d, e, f, g::jsonb FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[]) AS v (a, b, c, d, e, f, g)`,
			col(list, func(e eventRow) [16]byte { return e.order }), col(list, func(e eventRow) int { return e.Seq }),
			col(list, func(e eventRow) string { return string(e.Type) }), col(list, func(e eventRow) string { return string(e.Status) }),
			col(list, func(e eventRow) string { return string(e.Actor) }), col(list, func(e eventRow) time.Time { return e.At }),
			col(list, func(e eventRow) string { return text(e.Detail) }))
	}
}

func (w *writes) queueMoney(b *pgx.Batch) {
	list := w.postings
	if len(list) == 0 {
		return
	}
	b.Queue(`INSERT INTO ledger_postings (order_id, seq, line, debit, credit, amount, currency, at)
		SELECT * FROM unnest($1::uuid[], $2::int[], $3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[])`,
		col(list, func(p postingRow) [16]byte { return p.order }), col(list, func(p postingRow) int { return p.seq }),
		col(list, func(p postingRow) int { return p.line }), col(list, func(p postingRow) string { return string(p.Debit) }),
		col(list, func(p postingRow) string { return string(p.Credit) }), col(list, func(p postingRow) int64 { return p.Amount }),
		col(list, func(p postingRow) string { return p.Currency }), col(list, func(p postingRow) time.Time { return p.at }))
}

func (w *writes) queueNotices(b *pgx.Batch) {
	if list := w.notices; len(list) > 0 { // that a refund failed is there already when it fails again
		b.Queue(`INSERT INTO notices (id, merchant_id, type, body, created_at) SELECT *, $5::timestamptz FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) ON CONFLICT (id) DO NOTHING`,
			col(list, func(n merchant.Notice) string { return n.ID }), col(list, func(n merchant.Notice) string { return n.MerchantID }),
			col(list, func(n merchant.Notice) string { return n.Type }), col(list, func(n merchant.Notice) []byte { return n.Body }), w.now)
	}
	if list := w.tries; len(list) > 0 {
		b.Queue(logTries+" ON CONFLICT DO NOTHING", tryColumns(list)...)
	}
}

func orderID(o *order.Order) [16]byte { return o.ID }

func metadata(o *order.Order) *string {
	if len(o.Metadata) == 0 {
		return nil
	}
	s := text(o.Metadata)
	return &s
}

func delivery(o *order.Order) *string {
	if o.Delivery == nil {
		return nil
	}
	s := text(deliveryJSON(*o.Delivery))
	return &s
}

// text is v as JSON. What is stored here always has a JSON form.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("db: no JSON form: " + err.Error())
	}
	return string(b)
}

// col is one column of rows.
func col[R, V any](rows []R, value func(R) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = value(r)
	}
	return out
}
