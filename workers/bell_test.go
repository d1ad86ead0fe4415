package workers

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
)

// Nobody looks for work within the hour, so the bell it is that finds it.
func TestWhatIsEnqueuedIsFoundAtOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		rung func(mine *Bell) *Bell
	}{
		{"by this process", func(mine *Bell) *Bell { return mine }},
		{"by another", func(*Bell) *Bell { return NewBell() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLive(t)
			bell := NewBell()
			ringing := relay.NewDispatcher(c.rung(bell).Client(l.redis), zap.NewNop())
			t.Cleanup(ringing.Stop)
			l.dispatch = ringing.Dispatch
			s := l.serve(Options{Bell: bell, CheckInterval: time.Hour})
			lanes := maps.Clone(bell.lanes)
			listens(t, l, bell)
			for _, event := range []string{"e1", "e2"} { // the first may meet the first look
				_, a := l.created()
				l.receive(callback(a, event, l.clock.now()))
				require.Equal(t, "done", l.next(tasks.PaymentConfirm).outcome)
				l.next(tasks.DeliveryNotify)
			}
			s.Stop() // without waiting for the hour
			for queue, lane := range lanes {
				require.Contains(t, lane.again, queue, "asynq looks into its queues as we think it does")
				require.NotContains(t, bell.lanes, queue, "who is gone is not rung for")
			}
		})
	}
}

// listens returns when b hears what is said in Redis.
func listens(t *testing.T, l *live, b *Bell) {
	t.Helper()
	const nobodys = "nobody's"
	w := b.watch(l.redis, map[string]int{nobodys: 1}, time.Hour)
	require.Eventually(t, func() bool {
		require.NoError(t, l.redis.Publish(l.ctx, rings, nobodys).Err())
		return w.rang()
	}, 10*time.Second, time.Millisecond)
}

// empty is a Redis whose queues are empty but one, and which knows who looked.
type empty struct {
	redis.UniversalClient
	full   string // key of a queue
	looks  []string
	during func() // a look
}

func (e *empty) EvalSha(ctx context.Context, _ string, keys []string, _ ...any) *redis.Cmd {
	e.looks = append(e.looks, keys[0])
	if e.during != nil {
		e.during()
	}
	cmd := redis.NewCmd(ctx)
	if keys[0] != e.full {
		cmd.SetErr(redis.Nil)
	}
	return cmd
}

func TestWhenAQueueIsLookedInto(t *testing.T) {
	t.Parallel()
	const every = time.Minute
	for _, c := range []struct {
		name  string
		rings func(b *Bell) // 10 s after the queues were found empty
		waits time.Duration
	}{
		{"nobody rings", func(*Bell) {}, every},
		{"for it", func(b *Bell) { b.ring("notices") }, 10 * time.Second},
		{"for another queue of the lane", func(b *Bell) { b.ring("news") }, 10 * time.Second},
		{"for another lane", func(b *Bell) { b.ring("critical") }, every},
		{"for a queue that nobody serves", func(b *Bell) { b.ring("elsewhere") }, every},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := NewBell()
				b.watch(&empty{}, map[string]int{"critical": 1}, every)
				w := b.watch(&empty{}, map[string]int{"notices": 6, "news": 1}, every)
				look(t, w, "notices")
				look(t, w, "news")
				time.AfterFunc(10*time.Second, func() { c.rings(b) })
				began := time.Now()
				look(t, w, "notices")
				require.Equal(t, c.waits, time.Since(began))
			})
		})
	}
}

func TestARingDuringALookIsForTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, redis := NewBell(), &empty{}
		w := b.watch(redis, map[string]int{"notices": 1}, time.Minute)
		redis.during = func() { b.ring("notices") }
		look(t, w, "notices")
		redis.during = nil
		began := time.Now()
		look(t, w, "notices")
		require.Zero(t, time.Since(began))
		look(t, w, "notices")
		require.Equal(t, time.Minute, time.Since(began), "it was answered")
	})
}

func TestAnEmptyQueueHoldsUpNoFullOneOfItsLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		redis := &empty{}
		w := NewBell().watch(redis, map[string]int{"notices": 6, "news": 1}, time.Minute)
		look(t, w, "news")
		look(t, w, "notices")
		redis.full = "asynq:{notices}:pending"
		look(t, w, "notices")
		began := time.Now()
		look(t, w, "news")
		look(t, w, "notices")
		require.Zero(t, time.Since(began), "there may be more")
		redis.full = ""
		look(t, w, "notices")
		require.Zero(t, time.Since(began))
		look(t, w, "news")
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestOtherScriptsWaitForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		redis := &empty{}
		w := NewBell().watch(redis, map[string]int{"notices": 1}, time.Minute)
		look(t, w, "notices")
		began := time.Now()
		w.EvalSha(t.Context(), "", []string{"asynq:{notices}:scheduled", "asynq:{notices}:pending"})
		w.EvalSha(t.Context(), "", []string{"asynq:{notices}:t:1", "asynq:{notices}:pending"})
		require.Zero(t, time.Since(began))
		require.Len(t, redis.looks, 3)
	})
}

// look is asynq's.
func look(t *testing.T, w *watcher, queue string) {
	t.Helper()
	of := "asynq:{" + queue + "}:"
	w.EvalSha(t.Context(), "", []string{of + "pending", of + "paused", of + "active", of + "lease"})
}

// town is a Redis that counts the rings for other processes.
type town struct {
	redis.UniversalClient
	heard []any
}

func (o *town) Publish(ctx context.Context, _ string, queue any) *redis.IntCmd {
	o.heard = append(o.heard, queue)
	return redis.NewIntCmd(ctx)
}

func TestWhoIsRungFor(t *testing.T) {
	l := newLive(t)
	bell, others := NewBell(), &town{UniversalClient: l.redis}
	own := bell.watch(l.redis, map[string]int{string(tasks.Default): 1}, time.Minute)
	client := bell.Client(others)
	enqueue := func(q tasks.Queue, opts ...asynq.Option) {
		_, err := client.EnqueueContext(l.ctx, asynq.NewTask(string(tasks.OrderClose), tasks.Encode(nil)), append(opts, asynq.Queue(string(q)))...)
		require.NoError(t, err)
	}
	enqueue(tasks.Default, asynq.ProcessIn(time.Hour))
	enqueue(tasks.Critical, asynq.ProcessIn(time.Hour))
	require.Empty(t, own.rung, "what is for later rings for nobody")
	require.Empty(t, others.heard)

	enqueue(tasks.Default)
	require.Contains(t, own.rung, string(tasks.Default))
	require.Empty(t, others.heard, "its own workers take it")

	enqueue(tasks.Critical)
	require.Len(t, own.rung, 1)
	require.Equal(t, []any{string(tasks.Critical)}, others.heard)

	bell.dismiss(own)
	enqueue(tasks.Default)
	require.Equal(t, []any{string(tasks.Critical), string(tasks.Default)}, others.heard, "its own workers are gone")
}
