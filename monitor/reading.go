package monitor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// reading is something that is asked of a dependency: by one goroutine at a
// time, and not again while the last answer is fresh. Any number of callers
// share the answer, so asking often costs the dependency nothing.
type reading[T any] struct {
	// ask should end with its context. One that does not is waited for no
	// longer, and is not asked again until it has ended.
	ask   func(context.Context) (T, error)
	fresh time.Duration // an answer's age at most
	limit time.Duration // a question's time at most

	mu      sync.Mutex
	value   T
	err     error
	at      time.Time     // when the answer came; zero: never
	asked   time.Time     // when the question in flight was put
	pending chan struct{} // closed when it is answered; nil: none is in flight
	stopped bool
}

var (
	errSlow    = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	errStopped = errors.New("the process is stopping")
)

// get is the answer, or errSlow when there is none within the limit.
func (r *reading[T]) get() (T, error) {
	pending, left := r.put()
	if pending == nil {
		return r.answer()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-pending:
		return r.answer()
	case <-timer.C:
		var none T
		return none, errSlow
	}
}

func (r *reading[T]) answer() (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value, r.err
}

// put sees to it that a question is in flight, unless the last answer is
// fresh, and says how long to wait for it.
func (r *reading[T]) put() (pending <-chan struct{}, left time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		if r.stopped || !r.at.IsZero() && time.Since(r.at) < r.fresh {
			return nil, 0
		}
		r.pending, r.asked = make(chan struct{}), time.Now()
		go r.run(r.pending)
	}
	return r.pending, r.limit - time.Since(r.asked)
}

func (r *reading[T]) run(answered chan<- struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limit)
	defer cancel()
	value, err := r.safely(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.value, r.err, r.at, r.pending = value, err, time.Now(), nil
	close(answered)
}

// safely keeps a fault in a probe from ending the process that it watches.
func (r *reading[T]) safely(ctx context.Context) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return r.ask(ctx)
}

// stop asks no more, and waits for the question in flight, within its limit.
func (r *reading[T]) stop() {
	r.mu.Lock()
	r.stopped = true
	if r.at.IsZero() {
		r.err = errStopped
	}
	pending, left := r.pending, r.limit-time.Since(r.asked)
	r.mu.Unlock()
	if pending == nil {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-pending:
	case <-timer.C:
	}
}
