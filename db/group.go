package db

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/orderflow/orderflow/order"
)

// group is a group commit: while one batch is being committed, what arrives
// meanwhile forms the next. One begins every so often at most, so that a machine
// that is half busy is not busy with many small ones. Alone at low load, an item
// waits for nothing.
//
// It owns one goroutine, from newGroup until close.
type group[T any] struct {
	commit func([]*pending[T])
	most   int           // items of a batch
	every  time.Duration // from one commit's beginning to the next, at least

	mu      sync.Mutex
	waiting []*pending[T]
	began   time.Time     // when the commit in flight began; zero: none is
	usual   time.Duration // how long the last commits took
	wake    chan struct{} // holds a token while something may wait
	closing chan struct{}
	done    chan struct{}
	once    sync.Once
}

// pending is an item on its way. err is read only after done is closed.
type pending[T any] struct {
	item T
	err  error
	done chan struct{}
}

// answer ends the wait of whoever submitted p.
func (p *pending[T]) answer(err error) {
	p.err = err
	close(p.done)
}

func newGroup[T any](most int, every time.Duration, commit func([]*pending[T])) *group[T] {
	g := &group[T]{
		commit: commit, most: most, every: every,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go g.loop()
	return g
}

// offer hands in items of the outside, as submit does, unless there are too many
// that wait: then they are refused.
func (g *group[T]) offer(ctx context.Context, items ...T) []error {
	return g.hand(ctx, items, queueMost)
}

// submit hands items in and returns when each is decided. An item that was not
// yet taken when ctx ends is taken back: its error is ctx's and it has changed
// nothing.
//
// It refuses none while the group is open: what workers have done is done, and
// must be written. They are only so many.
func (g *group[T]) submit(ctx context.Context, items ...T) []error {
	return g.hand(ctx, items, math.MaxInt)
}

func (g *group[T]) hand(ctx context.Context, items []T, room int) []error {
	list := make([]*pending[T], len(items))
	errs := make([]error, len(items))
	for i, item := range items {
		list[i] = &pending[T]{item: item, done: make(chan struct{})}
	}
	if !g.enqueue(list, room) {
		for i := range errs {
			errs[i] = order.ErrBusy
		}
		return errs
	}
	for i, p := range list {
		select {
		case <-p.done:
		case <-ctx.Done():
			if g.takeBack(p) {
				errs[i] = ctx.Err()
				continue
			}
			<-p.done
		}
		errs[i] = p.err
	}
	return errs
}

func (g *group[T]) enqueue(list []*pending[T], room int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.closing:
		return false
	default:
	}
	if len(g.waiting)+len(list) > room {
		return false
	}
	g.waiting = append(g.waiting, list...)
	select {
	case g.wake <- struct{}{}:
	default:
	}
	return true
}

func (g *group[T]) takeBack(p *pending[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == p {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (g *group[T]) take() []*pending[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.most)
	batch := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	if len(g.waiting) == 0 {
		g.waiting = nil
	}
	return batch
}

func (g *group[T]) loop() {
	defer close(g.done)
	for {
		for batch := g.take(); len(batch) > 0; batch = g.take() {
			g.gather(g.every - g.timed(batch))
		}
		select {
		case <-g.wake:
		case <-g.closing:
			for batch := g.take(); len(batch) > 0; batch = g.take() {
				g.timed(batch)
			}
			return
		}
	}
}

// gather lets items come for a while, unless there is a whole batch of them.
func (g *group[T]) gather(rest time.Duration) {
	g.mu.Lock()
	whole := len(g.waiting) >= g.most
	g.mu.Unlock()
	if whole || rest <= 0 {
		return
	}
	select {
	case <-time.After(rest):
	case <-g.closing:
	}
}

// timed commits a batch, and remembers and returns how long that took.
func (g *group[T]) timed(batch []*pending[T]) (took time.Duration) {
	began := time.Now()
	g.mu.Lock()
	g.began = began
	g.mu.Unlock()
	g.commit(batch)
	g.mu.Lock()
	defer g.mu.Unlock()
	took = time.Since(began)
	g.began = time.Time{}
	g.usual += (took - g.usual) / 4
	return took
}

// wait estimates how long an item that came now would take: until the commit
// in flight is through, those of the batches before it, and its own. A commit
// that hangs makes it longer and longer.
func (g *group[T]) wait() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.began.IsZero() {
		return 0
	}
	return max(g.usual, time.Since(g.began)) + g.usual*time.Duration(len(g.waiting)/g.most+1)
}

// close refuses new items, commits those that wait and returns when all are
// answered. Closing again is safe.
func (g *group[T]) close() {
	g.once.Do(func() {
		g.mu.Lock()
		close(g.closing)
		g.mu.Unlock()
	})
	<-g.done
}
