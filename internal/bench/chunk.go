package bench

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// chunk is the orders of one transaction.
type chunk struct {
	stamps  []stamp
	fresh   []bool // its Idempotency-Key is still kept
	endings map[string]int64
}

// chunk is the orders from first on. Asked again it is the same.
func (c *copying) chunk(first, count int64) *chunk {
	random := rand.New(rand.NewPCG(c.seed, uint64(first)))
	ch := &chunk{stamps: make([]stamp, count), fresh: make([]bool, count), endings: map[string]int64{}}
	for i := range count {
		s, n := &ch.stamps[i], first+i
		c.name(s, n, random)
		if n >= c.old.count {
			c.waits(s, n-c.old.count, random)
			ch.fresh[i] = true
			continue
		}
		made := c.old.from.Add(share(c.old.to.Sub(c.old.from), n, c.old.count))
		age := c.old.to.Add(c.kinds.quick).Sub(made)
		var ending string
		ending, s.pattern = c.kinds.old(random, age)
		s.at(made, random)
		ch.fresh[i] = age < keysKept
		ch.endings[ending]++
	}
	return ch
}

// name gives the n-th order its merchant, goods and buyer, as the load does.
func (c *copying) name(s *stamp, n int64, random *rand.Rand) {
	front := &c.merchants[pick(n, len(c.merchants))]
	s.merchant, s.endpoint = front.id, front.endpoint
	s.tea, s.cup = trackedSKU(pick(n/int64(len(c.merchants)), tracked)), otherSKU(n)
	s.buyer = buyerID(random.Int64N(1 << 40))
}

// waits makes the order one that is to be closed at its time.
func (c *copying) waits(s *stamp, n int64, random *rand.Rand) {
	s.pattern = c.kinds.waiting[random.IntN(len(c.kinds.waiting))]
	expire := c.wait.first.Add(share(c.wait.within, n, c.wait.count)).Truncate(time.Second)
	s.at(s.pattern.made.Add(expire.Sub(s.pattern.expire)), random)
}

// share is the n-th of so many even parts of a time.
func share(of time.Duration, n, parts int64) time.Duration {
	return time.Duration(float64(of) * float64(n) / float64(parts))
}

// append writes an order's rows of a table.
func (ch *chunk) append(b []byte, table, i int) (out []byte, rows int64) {
	if tables[table].name == tableKeys && !ch.fresh[i] {
		return b, 0
	}
	s := &ch.stamps[i]
	for _, r := range s.pattern.rows[table] {
		b = r.append(b, s)
	}
	return b, int64(len(s.pattern.rows[table]))
}

// table is all that a chunk writes into a table.
func (ch *chunk) table(t int) (text []byte, rows int64) {
	for i := range ch.stamps {
		var n int64
		text, n = ch.append(text, t, i)
		rows += n
	}
	return text, rows
}

// moveStock changes the stock as the chunk's movements say. The rows are locked
// in the order of their key first, as everybody locks them.
func (ch *chunk) moveStock(ctx context.Context, tx pgx.Tx) error {
	type key struct{ merchant, sku string }
	type change struct{ held, onHand int64 }
	sums := map[key]change{}
	for i := range ch.stamps {
		s := &ch.stamps[i]
		k := key{s.merchant, s.tea}
		sums[k] = change{sums[k].held + s.pattern.held, sums[k].onHand + s.pattern.onHand}
	}
	var merchants, skus []string
	var held, onHand []int64
	for k, v := range sums {
		merchants, skus, held, onHand = append(merchants, k.merchant), append(skus, k.sku), append(held, v.held), append(onHand, v.onHand)
	}
	_, err := tx.Exec(ctx, `SELECT 1 FROM stock JOIN unnest($1::text[], $2::text[]) AS v (merchant_id, sku) USING (merchant_id, sku)
		ORDER BY merchant_id, sku FOR UPDATE OF stock`, merchants, skus)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE stock SET held = stock.held + v.held, on_hand = stock.on_hand + v.on_hand, updated_at = now()
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS v (merchant_id, sku, held, on_hand)
		WHERE stock.merchant_id = v.merchant_id AND stock.sku = v.sku`, merchants, skus, held, onHand)
	return err
}
