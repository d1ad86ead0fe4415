// Package intake decides whether one more order may be let in.
//
// Two things are watched. How long a new order would wait to be written: that
// is what its caller waits for. And how far the confirmation of payments is
// behind: orders that are let in beyond what can be confirmed would only be paid
// and then not be told to anybody. While both are within their limits everybody
// is let in; beyond, each further time of the limit's length halves what is let
// in. So the flow settles where as much comes in as gets through, instead of
// swinging between all and nothing, and does so as gently at ten times of what
// can be done as at twice.
//
// Only new orders are ever refused. Callbacks, deliveries, operators and the
// rest of an order's life never come by here.
package intake

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Reason says what an order was refused for.
type Reason string

// The reasons.
const (
	Writing    Reason = "writing"    // it would wait too long to be written
	Confirming Reason = "confirming" // payments are confirmed too late
)

// Reasons lists every reason.
func Reasons() []Reason { return []Reason{Writing, Confirming} }

// Options are what a Limiter needs.
type Options struct {
	// Wait estimates how long a new order would wait to be written. It is asked for
	// each order and must be cheap.
	Wait func() time.Duration
	// Look finds how the confirmation of payments is doing. It is asked a few times a
	// second, by one goroutine. While it fails nobody is refused on its account.
	Look func(ctx context.Context) (Work, error)

	Within time.Duration // how long the wait may be before orders are refused
	Behind time.Duration // how far confirmation may be behind before they are

	Log     *zap.Logger
	Refused func(Reason) // told of each order that is refused; may be nil
	Seen    func(State)  // told after each look; may be nil
}

// State is how it stands.
type State struct {
	Wait  time.Duration // until a new order would be written
	Lag   time.Duration // until a payment that came now would be confirmed
	Share float64       // of new orders that is refused, 0 to 1
}

const (
	every    = 250 * time.Millisecond // between looks
	lookTime = time.Second            // for one
	quiet    = 5 * time.Second        // without a refusal, and it is over
)

// Limiter lets orders in or refuses them. Stop it at the end.
type Limiter struct {
	o Options

	mu      sync.Mutex
	line    line
	lag     time.Duration
	owing   float64  // parts of a refusal that are due: see Refuse
	episode *episode // nil: nobody is being refused

	cancel context.CancelFunc
	done   chan struct{}
}

// Start makes a Limiter that looks until Stop.
func Start(o Options) *Limiter {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Limiter{o: o, cancel: cancel, done: make(chan struct{})}
	go l.loop(ctx)
	return l
}

// Stop ends the looking. Stopping again is safe.
func (l *Limiter) Stop() {
	l.cancel()
	<-l.done
}

// Refuse says whether an order that comes now is refused, and how long its
// caller should then wait.
//
// Of a share of 0.4 it refuses two in five, evenly spread: chance would let in
// now many and now few, and the queues would feel it.
func (l *Limiter) Refuse() (after time.Duration, refused bool) {
	wait := l.o.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	share, reason := l.share(wait)
	l.owing += share
	if share == 0 {
		l.owing = 0
	}
	if l.owing < 1 {
		return 0, false
	}
	l.owing--
	l.note(reason, wait)
	return waitFor(share), true
}

// share is how much is to be refused, and for which of the two reasons.
func (l *Limiter) share(wait time.Duration) (float64, Reason) {
	writing, confirming := beyond(wait, l.o.Within), beyond(l.lag, l.o.Behind)
	if writing > confirming {
		return writing, Writing
	}
	return confirming, Confirming
}

// beyond is 0 within the limit, 1/2 at twice the limit, 3/4 at three times. By
// halving, a little more of delay takes away the same part of what is let in,
// however much is offered: a straight line would be too soft at twice of what
// can be done, or would swing at ten times.
func beyond(d, limit time.Duration) float64 {
	if d <= limit {
		return 0
	}
	return 1 - math.Exp2(1-float64(d)/float64(limit))
}

// waitFor is 1 to 5 seconds by chance, the longer the more are refused: those
// who are turned away together must not come back together.
func waitFor(share float64) time.Duration {
	return time.Second * time.Duration(1+rand.IntN(2+int(3*share)))
}

func (l *Limiter) loop(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.look(ctx)
		}
	}
}

func (l *Limiter) look(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, lookTime)
	work, err := l.o.Look(limited)
	cancel()
	now, wait := time.Now(), l.o.Wait()
	l.mu.Lock()
	if err != nil {
		l.line.forget()
		l.lag = 0
	} else {
		l.lag = l.line.see(work, now)
	}
	share, _ := l.share(wait)
	state := State{Wait: wait, Lag: l.lag, Share: share}
	l.settle(now)
	l.mu.Unlock()
	if l.o.Seen != nil {
		l.o.Seen(state)
	}
}
