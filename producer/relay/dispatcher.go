// Package relay takes what is owed from PostgreSQL to asynq.
//
// Two parts do it. The Dispatcher hands over rows that are due at once, right
// after the commit that wrote them. The Relay hands over those that come due
// later, puts back what was handed over and not fulfilled, and rebuilds all of
// it when Redis has been emptied. Neither decides anything: a bundle handed
// over twice, late or not at all changes no outcome, only when it happens.
package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/tasks"
)

// Enqueuer is the part of *asynq.Client that is needed.
type Enqueuer interface {
	EnqueueContext(ctx context.Context, t *asynq.Task, opts ...asynq.Option) (*asynq.TaskInfo, error)
}

// mostWaiting is how many rows wait while Redis does not answer. More are
// dropped: the relay puts them back.
const mostWaiting = 100_000

// Dispatcher hands rows to asynq as they are committed. While one bundle is on
// its way the next fills, so bundles are of one row at low load and of up to
// tasks.Bundled under pressure.
type Dispatcher struct {
	asynq Enqueuer
	log   *zap.Logger

	mu      sync.Mutex
	waiting []tasks.Due
	wake    chan struct{}

	once     sync.Once
	stopping chan struct{}
	done     chan struct{}
}

// NewDispatcher starts a Dispatcher; Stop ends it.
func NewDispatcher(client Enqueuer, log *zap.Logger) *Dispatcher {
	d := &Dispatcher{asynq: client, log: log, wake: make(chan struct{}, 1), stopping: make(chan struct{}), done: make(chan struct{})}
	go d.loop()
	return d
}

// Dispatch hands over rows that are due now. It never blocks.
func (d *Dispatcher) Dispatch(keys []tasks.Key) {
	due := make([]tasks.Due, len(keys))
	for i, k := range keys {
		due[i].Key = k
	}
	d.Schedule(due)
}

// Schedule hands over rows for their times; a zero time is now. It never
// blocks: what there is no Room for is left for the relay to put back.
func (d *Dispatcher) Schedule(due []tasks.Due) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if room := mostWaiting - len(d.waiting); len(due) > room {
		d.log.Warn("no room: Redis does not take what is due; the relay will put it back", zap.Int("rows", len(due)-room))
		due = due[:room]
	}
	d.waiting = append(d.waiting, due...)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Room is how many more rows may wait for Redis.
func (d *Dispatcher) Room() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return mostWaiting - len(d.waiting)
}

// Stop hands over what waits, for a few seconds at most, and ends. What is left
// is put back by the relay. Stopping again is safe.
func (d *Dispatcher) Stop() {
	d.once.Do(func() { close(d.stopping) })
	<-d.done
}

func (d *Dispatcher) loop() {
	defer close(d.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() { // Redis may not answer: it gets a moment, no more
		select {
		case <-d.stopping:
		case <-ended:
			return
		}
		select {
		case <-time.After(3 * time.Second):
			cancel()
		case <-ended:
		}
	}()
	for {
		select {
		case <-d.wake:
			d.drain(ctx)
		case <-d.stopping:
			d.drain(ctx)
			return
		}
	}
}

func (d *Dispatcher) drain(ctx context.Context) {
	for {
		d.mu.Lock()
		due := d.waiting
		d.waiting = nil
		d.mu.Unlock()
		if len(due) == 0 || ctx.Err() != nil {
			return
		}
		list := bundles(due)
		for i, b := range list {
			if ctx.Err() != nil {
				d.log.Warn("stopped before all was handed to Redis; the relay will put it back", zap.Int("bundles", len(list)-i))
				return
			}
			if err := d.enqueue(ctx, b); err != nil {
				d.log.Warn("bundle not handed to Redis; the relay will put it back",
					zap.String("kind", string(b.kind)), zap.Int("rows", len(b.subjects)), zap.Error(err))
			}
		}
	}
}

func (d *Dispatcher) enqueue(ctx context.Context, b *bundle) error {
	spec, err := tasks.SpecOf(b.kind)
	if err != nil {
		return err
	}
	opts := []asynq.Option{
		asynq.Queue(string(spec.Queue)),
		asynq.MaxRetry(10),
		// asynq frees the slot at its timeout whether the handler has ended or not:
		// it must be longer than the handler's own limit.
		asynq.Timeout(spec.Limit + 10*time.Second),
	}
	if !b.at.IsZero() {
		opts = append(opts, asynq.ProcessAt(b.at))
	}
	_, err = d.asynq.EnqueueContext(ctx, asynq.NewTask(string(b.kind), tasks.Encode(b.subjects)), opts...)
	// An enqueue that go-redis sent twice meets itself: the task is there.
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("enqueue %s: %w", b.kind, err)
	}
	return nil
}

// bundle is one asynq task in the making.
type bundle struct {
	kind     tasks.Kind
	at       time.Time // zero: now
	subjects []tasks.Subject
}

// bundles puts together what goes together: one kind, one second, up to
// tasks.Bundled rows, in the order in which they came.
func bundles(due []tasks.Due) []*bundle {
	type class struct {
		kind tasks.Kind
		at   time.Time
	}
	open := map[class]*bundle{}
	var list []*bundle
	for _, r := range due {
		c := class{r.Kind, ceilSecond(r.At)}
		b := open[c]
		if b == nil || len(b.subjects) == tasks.Bundled {
			b = &bundle{kind: c.kind, at: c.at}
			open[c] = b
			list = append(list, b)
		}
		b.subjects = append(b.subjects, r.Subject)
	}
	return list
}

// ceilSecond rounds up: asynq cuts times to whole seconds, and would start a
// task up to a second early.
func ceilSecond(t time.Time) time.Time {
	if down := t.Truncate(time.Second); down.Before(t) {
		return down.Add(time.Second)
	}
	return t
}
