package workers

import (
	"context"
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
func TestWhatThisProcessEnqueuesIsFoundAtOnce(t *testing.T) {
	l := newLive(t)
	bell := NewBell()
	ringing := relay.NewDispatcher(bell.Client(l.client), zap.NewNop())
	t.Cleanup(ringing.Stop)
	l.dispatch = ringing.Dispatch
	s := l.serve(Options{Bell: bell, CheckInterval: time.Hour})
	for _, event := range []string{"e1", "e2"} { // the first may meet the first look
		_, a := l.created()
		l.receive(callback(a, event, l.clock.now()))
		require.Equal(t, "done", l.next(tasks.PaymentConfirm).outcome)
		l.next(tasks.DeliveryNotify)
	}
	s.Stop() // without waiting for the hour
	for queue, lane := range bell.lanes {
		require.Contains(t, lane.again, queue, "asynq looks into its queues as we think it does")
	}
}

// empty is a Redis whose queues are empty, and which knows who looked.
type empty struct {
	redis.UniversalClient
	looks  []string
	during func() // a look
}

func (e *empty) EvalSha(ctx context.Context, _ string, keys []string, _ ...any) *redis.Cmd {
	e.looks = append(e.looks, keys[0])
	if e.during != nil {
		e.during()
	}
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(redis.Nil)
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
		{"for it", func(b *Bell) { b.Ring("notices") }, 10 * time.Second},
		{"for another queue of the lane", func(b *Bell) { b.Ring("news") }, 10 * time.Second},
		{"for another lane", func(b *Bell) { b.Ring("critical") }, every},
		{"for a queue that nobody serves", func(b *Bell) { b.Ring("elsewhere") }, every},
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
		redis.during = func() { b.Ring("notices") }
		look(t, w, "notices")
		redis.during = nil
		began := time.Now()
		look(t, w, "notices")
		require.Zero(t, time.Since(began))
		look(t, w, "notices")
		require.Equal(t, time.Minute, time.Since(began), "it was answered")
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
	require.ErrorIs(t, w.EvalSha(t.Context(), "", []string{of + "pending", of + "paused", of + "active", of + "lease"}).Err(), redis.Nil)
}

func TestWhatIsForLaterDoesNotRing(t *testing.T) {
	l := newLive(t)
	bell := NewBell()
	bell.watch(l.redis, map[string]int{string(tasks.Default): 1}, time.Minute)
	client := bell.Client(l.client)
	task := asynq.NewTask(string(tasks.OrderClose), tasks.Encode(nil))
	_, err := client.EnqueueContext(l.ctx, task, asynq.Queue(string(tasks.Default)), asynq.ProcessIn(time.Hour))
	require.NoError(t, err)
	require.Empty(t, bell.rung)
	_, err = client.EnqueueContext(l.ctx, task, asynq.Queue(string(tasks.Default)))
	require.NoError(t, err)
	require.Contains(t, bell.rung, string(tasks.Default))
}
