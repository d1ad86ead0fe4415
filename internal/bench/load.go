package bench

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orderflow/orderflow/internal/pace"
	"github.com/orderflow/orderflow/producer/api"
)

const (
	// noticeTime is how long a buyer waits for the merchant to hear of a payment.
	noticeTime = time.Minute
	// afterError is how long a buyer waits when something went wrong: a service
	// that is down is not asked as fast as the loop can.
	afterError = 50 * time.Millisecond
	// mostInHand bounds the lives under way in the open loop. What is due beyond
	// is counted as missed.
	mostInHand = 20_000
)

// buyers make the load.
type buyers struct {
	system system
	site   site
	load   Load
	book   *book
	n      atomic.Int64       // orders asked for
	wires  *wires             // of the open loop
	hangs  func(n int64) bool // the endpoint of the n-th order's merchant hangs; nil: none does
	leave  bool               // who has paid leaves: nobody waits for the merchant
}

// run makes load until ctx ends, and returns when every life that was begun is
// through or given up.
func (b *buyers) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	if b.load.Rate > 0 {
		if b.wires == nil {
			b.wires = newWires(b.site.addr)
			defer b.wires.close()
		}
		b.open(ctx, &running)
		running.Wait()
		return
	}
	for range b.load.Clients {
		running.Go(func() { b.client(ctx) })
	}
}

// client is one buyer of the closed loop.
func (b *buyers) client(ctx context.Context) {
	w := newWire(b.site.addr)
	defer w.close()
	for ctx.Err() == nil {
		if l := b.begin(ctx, w, time.Now()); l == nil || !b.through(l) {
			pause(ctx, afterError)
		}
	}
}

// open begins lives at the rate. A life's time counts from when it was due: a
// slow service must not slow down who measures it.
func (b *buyers) open(ctx context.Context, running *sync.WaitGroup) {
	places := make(chan struct{}, mostInHand)
	begin := func() {
		due := time.Now()
		select {
		case places <- struct{}{}:
		default:
			b.book.miss(1)
			return
		}
		running.Go(func() {
			defer func() { <-places }()
			w := b.wires.take()
			l := b.begin(ctx, w, due)
			b.wires.giveBack(w) // who waits for the merchant needs none
			if l != nil && !b.leave {
				b.through(l)
			}
		})
	}
	pace.At(ctx, b.load.Rate, begin, b.book.miss)
}

// begin asks for an order and has it paid; nil when anything went wrong. A life
// that was begun is brought to its end when ctx ends.
func (b *buyers) begin(ctx context.Context, w *wire, due time.Time) *life {
	ctx = context.WithoutCancel(ctx)
	n := b.n.Add(1)
	l := &life{unpaid: among(n, b.load.Unpaid), hangs: b.hangs != nil && b.hangs(n), due: due}
	ask := b.system.order(n, l.unpaid, b.site)
	l.sent = time.Now()
	status, answer, err := w.post(ctx, ask)
	if err == nil && turnedAway(status, answer) {
		b.book.turnAway(l)
		return nil
	}
	if err == nil && status == http.StatusCreated {
		l.receipt, err = b.system.made(answer)
	}
	if err != nil || status != http.StatusCreated {
		b.book.fail(askedFor, status)
		return nil
	}
	l.made = time.Now()
	b.book.keep(l)
	if !l.unpaid && !b.pay(ctx, w, l) {
		return nil
	}
	return l
}

// turnedAway says that the service had no room for the order, and made none.
func turnedAway(status int, answer []byte) bool {
	return status == http.StatusServiceUnavailable && bytes.Contains(answer, []byte(api.Overloaded))
}

// pay is the channel's callback.
func (b *buyers) pay(ctx context.Context, w *wire, l *life) bool {
	c := b.system.callback(l.receipt)
	b.book.call(l, time.Now())
	status, _, err := w.post(ctx, c)
	if err != nil || status != http.StatusOK {
		b.book.fail(calledIn, status)
		return false
	}
	b.book.acknowledge(l, time.Now())
	return true
}

// through waits until the merchant knows, where there is anything to know.
func (b *buyers) through(l *life) bool {
	if l.unpaid {
		return true
	}
	limit := time.NewTimer(noticeTime)
	defer limit.Stop()
	select {
	case <-l.arrived:
		return true
	case <-limit.C:
		b.book.fail(toldOf, 0)
		return false
	}
}

// among spreads a share evenly, counted from 1: of 0.25, every fourth.
func among(n int64, share float64) bool {
	return int64(float64(n)*share) != int64(float64(n-1)*share)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
