package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/tasks"
)

// Outbox is what the relay needs of the store.
type Outbox interface {
	Promote(ctx context.Context, now time.Time, horizon time.Duration, limit int) ([]tasks.Due, error)
	PutBack(ctx context.Context, now time.Time, kinds []tasks.Kind, slack time.Duration, limit int) ([]tasks.Due, error)
	ForgetPromotions(ctx context.Context) (int64, error)
	Standing(ctx context.Context, now time.Time) error
}

// Options are what a Relay is made of; the times have defaults.
type Options struct {
	Outbox     Outbox
	Redis      redis.UniversalClient
	Dispatcher *Dispatcher
	Log        *zap.Logger
	Now        func() time.Time // time.Now when nil

	Horizon time.Duration // rows due within it are handed to Redis; 2 m
	Every   time.Duration // how often it looks; 250 ms
	Slack   time.Duration // added to a kind's limit and its queue's latency before a row is put back; 10 s

	Promoted func(rows int) // told of rows handed over; may be nil
	Restored func(rows int) // told of rows put back; may be nil
	Emptied  func()         // told when Redis was found emptied; may be nil
}

// Relay is one loop. Any number of processes may run one.
type Relay struct {
	o    Options
	id   string
	stop context.CancelFunc
	done chan struct{}
	once sync.Once
}

const (
	// epochKey is there as long as Redis has its memory.
	epochKey = "orderflow:epoch"
	// asynqQueues is the set in which asynq's Inspector and the monitor look for
	// queues; running clients do not write it anew.
	asynqQueues = "asynq:queues"

	page = 2000 // rows of one statement
)

// Start runs a relay until Stop.
func Start(o Options) *Relay {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Horizon == 0 {
		o.Horizon = 2 * time.Minute
	}
	if o.Every == 0 {
		o.Every = 250 * time.Millisecond
	}
	if o.Slack == 0 {
		o.Slack = 10 * time.Second
	}
	for _, told := range []*func(int){&o.Promoted, &o.Restored} {
		if *told == nil {
			*told = func(int) {}
		}
	}
	if o.Emptied == nil {
		o.Emptied = func() {}
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Relay{o: o, id: uuid.NewString(), stop: stop, done: make(chan struct{})}
	go r.loop(ctx)
	return r
}

// Stop ends the loop and waits for it. Stopping again is safe.
func (r *Relay) Stop() {
	r.once.Do(r.stop)
	<-r.done
}

func (r *Relay) loop(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(r.o.Every)
	defer tick.Stop()
	var lastPutBack time.Time
	var down, standing bool
	for {
		err := r.Once(ctx)
		if err == nil && !standing {
			err = r.o.Outbox.Standing(ctx, r.o.Now())
			standing = err == nil
		}
		if err == nil && r.o.Now().Sub(lastPutBack) >= 5*time.Second {
			lastPutBack = r.o.Now()
			err = r.PutBack(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != down { // say it when it begins and when it ends, not at each tick
			down = err != nil
			if down {
				r.o.Log.Error("relay stands still; it goes on by itself when its servers are back", zap.Error(err))
			} else {
				r.o.Log.Info("relay goes on")
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Once looks whether Redis still has its memory, and hands over all that is due
// within the horizon.
func (r *Relay) Once(ctx context.Context) error {
	if ready, err := r.checkEpoch(ctx); err != nil || !ready {
		return err
	}
	for r.o.Dispatcher.Room() >= page { // what is stamped must find its way
		due, err := r.o.Outbox.Promote(ctx, r.o.Now(), r.o.Horizon, page)
		if err != nil {
			return err
		}
		r.o.Dispatcher.Schedule(due)
		r.o.Promoted(len(due))
		if len(due) < page {
			break
		}
	}
	return nil
}

// checkEpoch says whether Redis has its memory, and makes good when it was
// emptied: it marks a new epoch as begun, takes the stamps off, and only then,
// if its mark is still there, marks it as whole. When Redis is emptied again in
// between, or we die, the mark is gone or goes, and a relay does it once more.
func (r *Relay) checkEpoch(ctx context.Context) (ready bool, err error) {
	epoch, err := r.o.Redis.Get(ctx, epochKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("read the epoch from Redis: %w", err)
	}
	switch mine := begun + r.id; epoch {
	case "":
		first, err := r.o.Redis.SetNX(ctx, epochKey, mine, begunFor).Result()
		if err != nil || !first {
			return false, wrapped("begin an epoch in Redis", err)
		}
	case mine: // our last look broke off
	default:
		return !strings.HasPrefix(epoch, begun), nil // or another relay is at it
	}
	rows, err := r.o.Outbox.ForgetPromotions(ctx)
	if err != nil {
		return false, err
	}
	for _, q := range tasks.Queues() {
		if err := r.o.Redis.SAdd(ctx, asynqQueues, string(q)).Err(); err != nil {
			return false, fmt.Errorf("register queues: %w", err)
		}
	}
	done, err := completeEpoch.Run(ctx, r.o.Redis, []string{epochKey}, begun+r.id, r.id).Int()
	if err != nil || done == 0 {
		return false, wrapped("complete an epoch in Redis", err)
	}
	r.o.Emptied()
	r.o.Log.Info("Redis is new or was emptied: everything that is near is handed over again", zap.Int64("rows", rows))
	return true, nil
}

const (
	// begun goes before the id of an epoch that is not yet whole.
	begun = "begun:"
	// begunFor is how long others wait for the relay that began an epoch.
	begunFor = 10 * time.Second
)

// completeEpoch replaces a mark that is still there.
var completeEpoch = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0`)

func wrapped(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

// PutBack hands over again what was handed over and not fulfilled in time: a
// worker died with it, or Redis lost it. A queue that is merely long is given
// its time.
func (r *Relay) PutBack(ctx context.Context) error {
	for _, q := range tasks.Queues() {
		latency, err := r.latency(ctx, q)
		if err != nil {
			return err
		}
		for limit, kinds := range kindsByLimit(q) {
			if err := r.putBack(ctx, q, kinds, limit+r.o.Slack+latency); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Relay) putBack(ctx context.Context, q tasks.Queue, kinds []tasks.Kind, slack time.Duration) error {
	rows := 0
	for r.o.Dispatcher.Room() >= page {
		due, err := r.o.Outbox.PutBack(ctx, r.o.Now(), kinds, slack, page)
		if err != nil {
			return err
		}
		for i := range due {
			due[i].At = time.Time{} // overdue: now
		}
		r.o.Dispatcher.Schedule(due)
		r.o.Restored(len(due))
		rows += len(due)
		if len(due) < page {
			break
		}
	}
	if rows > 0 {
		r.o.Log.Warn("rows put back: they were handed over and not fulfilled in time", zap.String("queue", string(q)), zap.Int("rows", rows))
	}
	return nil
}

func kindsByLimit(q tasks.Queue) map[time.Duration][]tasks.Kind {
	kinds := map[time.Duration][]tasks.Kind{}
	for _, s := range tasks.Specs() {
		if s.Queue == q {
			kinds[s.Limit] = append(kinds[s.Limit], s.Kind)
		}
	}
	return kinds
}

// latency is how long the oldest task of a queue has been waiting for a worker.
func (r *Relay) latency(ctx context.Context, q tasks.Queue) (time.Duration, error) {
	prefix := "asynq:{" + string(q) + "}:"
	id, err := r.o.Redis.LIndex(ctx, prefix+"pending", -1).Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("latency of queue %s: %w", q, err)
	}
	since, err := r.o.Redis.HGet(ctx, prefix+"t:"+id, "pending_since").Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil // taken in between
	}
	if err != nil {
		return 0, fmt.Errorf("latency of queue %s: %w", q, err)
	}
	nanos, err := strconv.ParseInt(since, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("latency of queue %s: pending_since %q", q, since)
	}
	return max(r.o.Now().Sub(time.Unix(0, nanos)), 0), nil
}
