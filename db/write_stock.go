package db

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/order"
)

// queueStock writes the movements and their sums. The stock rows are locked in
// the order of their key first: an UPDATE of several rows promises no order.
func (w *writes) queueStock(b *pgx.Batch) {
	if len(w.moves) == 0 {
		return
	}
	list := w.moves
	b.Queue(`INSERT INTO stock_moves (order_id, sku, kind, quantity, at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])`,
		col(list, func(m moveRow) [16]byte { return m.order }), col(list, func(m moveRow) string { return m.SKU }),
		col(list, func(m moveRow) string { return string(m.Kind) }), col(list, func(m moveRow) int64 { return m.Quantity }),
		col(list, func(m moveRow) time.Time { return m.at }))
	sums := sumStock(list)
	merchants := col(sums, func(s stockSum) string { return s.merchant })
	skus := col(sums, func(s stockSum) string { return s.sku })
	if !w.creating {
		b.Queue(`SELECT 1 FROM stock s JOIN unnest($1::text[], $2::text[]) AS v (merchant_id, sku) USING (merchant_id, sku)
			ORDER BY s.merchant_id, s.sku FOR UPDATE OF s`, merchants, skus)
	}
	b.Queue(`UPDATE stock SET held = stock.held + v.held, on_hand = stock.on_hand + v.on_hand, updated_at = $5
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS v (merchant_id, sku, held, on_hand)
		WHERE stock.merchant_id = v.merchant_id AND stock.sku = v.sku`,
		merchants, skus, col(sums, func(s stockSum) int64 { return s.held }), col(sums, func(s stockSum) int64 { return s.onHand }), w.now)
}

type stockSum struct {
	merchant, sku string
	held, onHand  int64
}

func sumStock(moves []moveRow) []stockSum {
	byKey := map[[2]string]*stockSum{}
	for _, m := range moves {
		k := [2]string{m.merchant, m.SKU}
		s := byKey[k]
		if s == nil {
			s = &stockSum{merchant: m.merchant, sku: m.SKU}
			byKey[k] = s
		}
		switch m.Kind {
		case order.StockHold:
			s.held += m.Quantity
		case order.StockRelease:
			s.held -= m.Quantity
		case order.StockConsume:
			s.held -= m.Quantity
			s.onHand -= m.Quantity
		case order.StockRestock:
			s.onHand += m.Quantity
		}
	}
	sums := make([]stockSum, 0, len(byKey))
	for _, s := range byKey {
		sums = append(sums, *s)
	}
	return sums
}
