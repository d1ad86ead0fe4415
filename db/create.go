package db

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// creation is a new order on its way into the database.
type creation struct {
	order *order.Order
	once  *once.Request
}

// Create writes a new order with all that follows from its making: one commit
// with whatever else is being made. It sets Tracked on the items whose stock
// the merchant keeps, and holds it.
//
// Errors: *order.OutOfStock, order.ErrNumberTaken, *once.Replay, once.ErrReused
// and order.ErrBusy change nothing. Any other error leaves open whether the
// order is there: the same Idempotency-Key again tells.
func (s *Store) Create(ctx context.Context, o *order.Order, req *once.Request) error {
	return s.creates.offer(ctx, &creation{o, req})[0]
}

func (s *Store) createBatch(ctx context.Context, conn *pgxpool.Conn, list []*creation) ([]error, []tasks.Key, error) {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	taken := queueNumbers(b, list)
	// After the numbers: whoever sees a twin's number then sees its answer too.
	seen := queueOnces(b, col(list, func(c *creation) *once.Request { return c.once }))
	stock := queueStockLock(b, list)
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, err
	}
	w := s.writes()
	w.creating = true
	answers := make([]error, len(list))
	for i, c := range list {
		answers[i] = w.create(c, seen, taken, stock)
	}
	b = &pgx.Batch{}
	w.queue(b)
	b.Queue("COMMIT")
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, err
	}
	return answers, w.due, nil
}

// create decides one creation in memory: it is refused alone, or becomes part
// of what is written.
func (w *writes) create(c *creation, seen onces, taken map[merchantNo]bool, stock map[stockKey]*order.Stock) error {
	if err := seen.check(c.once); err != nil {
		return err
	}
	o := c.order
	no := merchantNo{o.MerchantID, o.MerchantOrderNo}
	if o.MerchantOrderNo != "" && taken[no] {
		return order.ErrNumberTaken
	}
	if err := hold(o, stock); err != nil {
		return err
	}
	taken[no] = true
	made := o.Clone() // a batch that is undone is tried again, and finds o as it was
	w.made = append(w.made, made)
	w.opened = append(w.opened, made.Attempts...)
	w.consequences(made)
	w.answer(c.once, seen)
	return nil
}

// hold takes what o needs out of stock, all or nothing.
func hold(o *order.Order, stock map[stockKey]*order.Stock) error {
	need := map[*order.Stock]int64{}
	for i := range o.Items {
		it := &o.Items[i]
		s := stock[stockKey{o.MerchantID, it.SKU}]
		it.Tracked = s != nil
		if s == nil {
			continue
		}
		need[s] += it.Quantity
		if need[s] > s.Available() {
			return &order.OutOfStock{SKU: it.SKU, Wanted: need[s], Available: s.Available()}
		}
	}
	for s, quantity := range need {
		s.Held += quantity
	}
	return nil
}

type merchantNo struct{ merchant, no string }

// queueNumbers asks which of the orders' own numbers are taken.
func queueNumbers(b *pgx.Batch, list []*creation) map[merchantNo]bool {
	var merchants, numbers []string
	for _, c := range list {
		if c.order.MerchantOrderNo != "" {
			merchants, numbers = append(merchants, c.order.MerchantID), append(numbers, c.order.MerchantOrderNo)
		}
	}
	taken := map[merchantNo]bool{}
	if len(numbers) > 0 {
		b.Queue(`SELECT merchant_id, no FROM order_numbers JOIN unnest($1::text[], $2::text[]) AS v (merchant_id, no) USING (merchant_id, no)`, merchants, numbers).Query(func(rows pgx.Rows) error {
			var k merchantNo
			_, err := pgx.ForEachRow(rows, []any{&k.merchant, &k.no}, func() error { taken[k] = true; return nil })
			return err
		})
	}
	return taken
}

type stockKey struct{ merchant, sku string }

// queueStockLock locks and reads the stock that the orders could need, in the
// order of its key.
func queueStockLock(b *pgx.Batch, list []*creation) map[stockKey]*order.Stock {
	wanted := map[stockKey]bool{}
	var merchants, skus []string
	for _, c := range list {
		for _, it := range c.order.Items {
			k := stockKey{c.order.MerchantID, it.SKU}
			if !wanted[k] {
				wanted[k] = true
				merchants, skus = append(merchants, k.merchant), append(skus, k.sku)
			}
		}
	}
	stock := map[stockKey]*order.Stock{}
	b.Queue(`SELECT s.merchant_id, s.sku, s.on_hand, s.held FROM stock s JOIN unnest($1::text[], $2::text[]) AS v (merchant_id, sku)
		USING (merchant_id, sku) ORDER BY s.merchant_id, s.sku FOR UPDATE OF s`, merchants, skus).Query(func(rows pgx.Rows) error {
		var r order.Stock
		_, err := pgx.ForEachRow(rows, []any{&r.MerchantID, &r.SKU, &r.OnHand, &r.Held}, func() error {
			one := r
			stock[stockKey{r.MerchantID, r.SKU}] = &one
			return nil
		})
		return err
	})
	return stock
}

// onces are the Idempotency-Keys that a batch met, with the answers they had.
type onces map[onceKey]*onceRow

type onceKey struct{ scope, key string }

func queueOnces(b *pgx.Batch, reqs []*once.Request) onces {
	seen := onces{}
	var scopes, keys []string
	for _, r := range reqs {
		if r != nil {
			scopes, keys = append(scopes, r.Scope), append(keys, r.Key)
		}
	}
	if len(keys) > 0 {
		b.Queue(`SELECT scope, key, request_hash, status, answer FROM idempotency_keys JOIN unnest($1::text[], $2::text[]) AS v (scope, key)
			USING (scope, key)`, scopes, keys).Query(func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) (r onceRow, err error) {
				err = rows.Scan(&r.scope, &r.key, &r.hash, &r.status, &r.answer)
				return r, err
			}, func(r onceRow) { seen[onceKey{r.scope, r.key}] = &r })
		})
	}
	return seen
}

// check refuses a request that was answered before, or whose key was.
func (seen onces) check(r *once.Request) error {
	if r == nil {
		return nil
	}
	before := seen[onceKey{r.Scope, r.Key}]
	switch {
	case before == nil:
		return nil
	case string(before.hash) != string(r.Hash[:]):
		return once.ErrReused
	}
	return &once.Replay{Status: before.status, Body: before.answer}
}

// answer keeps what r's caller is told, with what r made.
func (w *writes) answer(r *once.Request, seen onces) {
	if r == nil {
		return
	}
	status, body := r.Answer()
	row := onceRow{r.Scope, r.Key, r.Hash[:], status, body}
	seen[onceKey{r.Scope, r.Key}] = &row
	w.onces = append(w.onces, row)
}
