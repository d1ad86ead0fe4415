package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// chunkOf is how many orders one transaction writes: enough for the statements
// to cost nothing, few enough that nothing waits long for the stock's rows.
const chunkOf = 20_000

// keysKept is how long the answers to Idempotency-Keys are.
const keysKept = 7 * 24 * time.Hour

// copying writes orders by COPY, in streams side by side.
type copying struct {
	*seeding
	kinds *kinds
	old   oldOrders
	wait  waitingOrders
	seed  uint64 // makes its ids its own
	began time.Time
	took  time.Duration

	next  atomic.Int64 // the first order of the next chunk, old ones first
	ready atomic.Int64 // orders that are written
	rows  []atomic.Int64

	mu      sync.Mutex
	endings map[string]int64
}

func newCopying(s *seeding, k *kinds, old oldOrders, wait waitingOrders) *copying {
	old.to = old.to.Add(-k.quick - time.Minute) // even the youngest is at rest by now
	return &copying{seeding: s, kinds: k, old: old, wait: wait, seed: rand.Uint64(), rows: make([]atomic.Int64, len(tables)), endings: map[string]int64{}}
}

// all is how many orders there will be.
func (c *copying) all() int64 { return c.old.count + c.wait.count }

// plan is what is to be written, as a sample of it says.
func (c *copying) plan() SeedPlan {
	p := SeedPlan{Database: where(c.url)}
	const sample = 1000
	for _, part := range []struct{ first, count int64 }{{0, c.old.count}, {c.old.count, c.wait.count}} {
		n := min(part.count, sample)
		if n == 0 {
			continue
		}
		every := part.count / n
		var rows, bytes int64
		for i := range n {
			chunk := c.chunk(part.first+i*every, 1)
			for t := range tables {
				text, lines := chunk.table(t)
				rows, bytes = rows+lines, bytes+int64(len(text))
			}
		}
		p.Rows, p.Bytes = p.Rows+rows*part.count/n, p.Bytes+bytes*part.count/n
	}
	p.From, p.To = c.span()
	if c.wait.count > 0 {
		p.First, p.Last = c.wait.first, c.wait.first.Add(c.wait.within)
	}
	return p
}

// span is from when to when the orders are made: all their ids are of times in
// between.
func (c *copying) span() (from, to time.Time) {
	from, to = c.old.from.Truncate(time.Second), ceil(c.old.to)
	if c.wait.count == 0 {
		return from, to
	}
	first := c.wait.first.Add(-c.wait.window - time.Second)
	last := first.Add(c.wait.within + time.Second)
	if c.old.count == 0 {
		return first, last
	}
	if first.Before(from) {
		from = first
	}
	if last.After(to) {
		to = last
	}
	return from, to
}

// where is a database without its password.
func where(url string) string {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return "the database"
	}
	return fmt.Sprintf("%s at %s:%d", cfg.Database, cfg.Host, cfg.Port)
}

// run writes everything, or returns the first thing that went wrong.
func (c *copying) run(ctx context.Context) error {
	c.began = time.Now()
	streaming, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	streams := c.streams
	if streams == 0 {
		streams = runtime.NumCPU() + 1 // one is always waiting for the disk
	}
	var running sync.WaitGroup
	for range streams {
		running.Go(func() {
			if err := c.stream(streaming); err != nil {
				stop(err) // the first counts: it is what ended the others
			}
		})
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	c.watch(done)
	c.took = time.Since(c.began)
	return context.Cause(streaming)
}

// watch says how it goes, until it is done.
func (c *copying) watch(done <-chan struct{}) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			c.say("%s", c.progress(time.Since(c.began)))
		}
	}
}

func (c *copying) progress(took time.Duration) string {
	ready, rows := c.ready.Load(), c.written()
	line := fmt.Sprintf("%d of %d orders, %d %%, %.0f rows/s", ready, c.all(), ready*100/c.all(), float64(rows)/took.Seconds())
	if ready == 0 {
		return line
	}
	left := time.Duration(float64(took) * float64(c.all()-ready) / float64(ready))
	return line + ", " + left.Round(time.Second).String() + " to go"
}

func (c *copying) written() (n int64) {
	for i := range c.rows {
		n += c.rows[i].Load()
	}
	return n
}

// stream is one connection, which writes chunk after chunk. What it writes need
// not be on disk when it is committed: the checkpoint at the end sees to that.
func (c *copying) stream(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return err
	}
	for {
		first := c.next.Add(chunkOf) - chunkOf
		if first >= c.all() {
			return nil
		}
		ch := c.chunk(first, min(chunkOf, c.all()-first))
		if err := c.write(ctx, conn, ch); err != nil {
			return fmt.Errorf("write orders %d and following: %w", first, err)
		}
		c.ready.Add(int64(len(ch.stamps)))
		c.mu.Lock()
		for name, n := range ch.endings {
			c.endings[name] += n
		}
		c.mu.Unlock()
	}
}

// write writes a chunk and what it means for the stock, whole or not at all.
func (c *copying) write(ctx context.Context, conn *pgx.Conn, ch *chunk) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for t, of := range tables {
			r := &copyReader{chunk: ch, table: t, buf: []byte(copyHead)}
			if _, err := conn.PgConn().CopyFrom(ctx, r, "COPY "+of.name+" ("+names(c.columns[t])+") FROM STDIN (FORMAT binary)"); err != nil {
				return fmt.Errorf("%s: %w", of.name, err)
			}
			c.rows[t].Add(r.rows)
		}
		return ch.moveStock(ctx, tx)
	})
}

func (c *copying) result() *Seeded {
	v := &Seeded{Orders: c.old.count, Closes: c.wait.count, Endings: c.endings, Rows: c.written(), Seconds: c.took.Seconds()}
	v.RowsPer = float64(v.Rows) / v.Seconds
	for t, of := range tables {
		v.Tables = append(v.Tables, SeededTable{Name: of.name, Rows: c.rows[t].Load()})
	}
	if c.wait.count > 0 {
		v.WaitFirst, v.WaitLast = c.wait.first, c.wait.first.Add(c.wait.within)
	}
	return v
}

// copyReader is what COPY reads of one table of a chunk: rows are made as they
// are wanted, so that no chunk is ever in memory.
type copyReader struct {
	chunk *chunk
	table int
	order int // the next
	rows  int64
	buf   []byte
	at    int
	ended bool
}

func (r *copyReader) Read(p []byte) (int, error) {
	const fill = 64 << 10
	if r.at == len(r.buf) {
		if r.ended {
			return 0, io.EOF
		}
		r.buf, r.at = r.buf[:0], 0
	}
	for r.at == 0 && len(r.buf) < fill && !r.ended {
		if r.order == len(r.chunk.stamps) {
			r.buf, r.ended = append(r.buf, copyEnd...), true
			break
		}
		var n int64
		r.buf, n = r.chunk.append(r.buf, r.table, r.order)
		r.rows, r.order = r.rows+n, r.order+1
	}
	n := copy(p, r.buf[r.at:])
	r.at += n
	return n, nil
}
