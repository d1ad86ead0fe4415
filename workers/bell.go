package workers

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Bell tells workers at once what is handed to asynq. asynq only looks into its
// queues now and then: a payment would wait for two such looks on its way to the
// merchant, and most looks find nothing. A process rings in memory for its own
// workers; for a queue that it does not serve itself, it rings through Redis for
// those of others. Nothing depends on it: who does not hear it looks later.
//
// The zero value is of no use; NewBell makes one.
type Bell struct {
	mu    sync.Mutex
	lanes map[string]*watcher // who looks into a queue
}

// NewBell makes a Bell that nobody listens to yet.
func NewBell() *Bell { return &Bell{lanes: map[string]*watcher{}} }

// ring says that there is something in a queue, and returns whether this process
// serves it. It never blocks.
func (b *Bell) ring(queue string) (heard bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.lanes[queue]
	if w == nil {
		return false
	}
	w.rung[queue] = true
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return true
}

// rings is the channel in Redis that carries the names of queues.
const rings = "orderflow:rings"

// listen rings for what others say in Redis, until it is stopped.
func (b *Bell) listen(client redis.UniversalClient) (stop func()) {
	heard := client.Subscribe(context.Background()) // to nothing yet: it would wait for Redis
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = heard.Subscribe(context.Background(), rings) // it finds Redis again by itself
		for m := range heard.Channel() {
			b.ring(m.Payload)
		}
	}()
	return func() {
		_ = heard.Close()
		<-done
	}
}

// Client enqueues on a Redis, and rings.
func (b *Bell) Client(c redis.UniversalClient) *RingingClient {
	return &RingingClient{asynq.NewClientFromRedisClient(c), c, b}
}

// RingingClient enqueues, and rings.
type RingingClient struct {
	asynq *asynq.Client
	redis redis.UniversalClient
	bell  *Bell
}

// EnqueueContext is asynq's.
func (c *RingingClient) EnqueueContext(ctx context.Context, t *asynq.Task, opts ...asynq.Option) (*asynq.TaskInfo, error) {
	info, err := c.asynq.EnqueueContext(ctx, t, opts...)
	if err == nil && info.State == asynq.TaskStatePending && !c.bell.ring(info.Queue) {
		c.redis.Publish(ctx, rings, info.Queue) // an error is a ring that nobody hears
	}
	return info, err
}

// blink is how long asynq itself rests after it has found all queues of a lane
// empty, half of it at least and one and a half at most: the rest of its time it
// waits here, where it can be woken.
const blink = time.Millisecond

// watcher is the client of one lane's asynq server. While all queues of the lane are
// known to be empty it waits for the bell, or until it is time to look again, before
// it lets asynq look into one.
type watcher struct {
	redis.UniversalClient
	bell   *Bell
	every  time.Duration
	queues int                  // of the lane
	rung   map[string]bool      // queues that nobody has looked into since; the bell's mu guards it
	wake   chan struct{}        // holds a token when the bell may have rung
	leave  chan struct{}        // closed when asynq is to end: no more waiting
	again  map[string]time.Time // when to look into a queue in which nothing was found; asynq looks from one goroutine
}

// watch makes the client for a lane that looks into its queues this often.
func (b *Bell) watch(client redis.UniversalClient, queues map[string]int, every time.Duration) *watcher {
	w := &watcher{
		UniversalClient: client, bell: b, every: every, queues: len(queues), rung: map[string]bool{},
		wake: make(chan struct{}, 1), leave: make(chan struct{}), again: map[string]time.Time{},
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for q := range queues {
		b.lanes[q] = w
	}
	return w
}

// dismiss lets w wait no more, and rings for it no more.
func (b *Bell) dismiss(w *watcher) {
	close(w.leave)
	b.mu.Lock()
	defer b.mu.Unlock()
	for q, of := range b.lanes {
		if of == w {
			delete(b.lanes, q)
		}
	}
}

// EvalSha is how asynq looks into a queue, among other things.
func (w *watcher) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	queue, looks := lookedInto(keys)
	if !looks {
		return w.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	if len(w.again) == w.queues {
		w.wait(w.again[queue])
	}
	w.answer(queue)
	found := w.UniversalClient.EvalSha(ctx, sha, keys, args...)
	delete(w.again, queue)
	if found.Err() != nil { // it is empty, or Redis is away
		w.again[queue] = time.Now().Add(w.every)
	}
	return found
}

// lookedInto is the queue that a script of asynq v0.26.0 takes a task from, by its
// keys. If they were others one day, asynq would look each blink.
func lookedInto(keys []string) (queue string, looks bool) {
	if len(keys) != 4 || !strings.HasSuffix(keys[0], "}:pending") || !strings.HasSuffix(keys[1], "}:paused") {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimPrefix(keys[0], "asynq:{"), "}:pending"), true
}

// wait returns when the bell rings for any queue of the lane, at once when it has,
// at a time, or to leave.
func (w *watcher) wait(until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for !w.rang() {
		select {
		case <-w.wake:
		case <-w.leave:
			return
		case <-timer.C:
			return
		}
	}
}

func (w *watcher) rang() bool {
	w.bell.mu.Lock()
	defer w.bell.mu.Unlock()
	return len(w.rung) > 0
}

// answer says that somebody is about to look into a queue: what is rung from here
// on is for the next look.
func (w *watcher) answer(queue string) {
	w.bell.mu.Lock()
	defer w.bell.mu.Unlock()
	delete(w.rung, queue)
}
