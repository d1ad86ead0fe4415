package relay

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/tasks"
)

func TestOnlyWhatIsNearIsPromoted(t *testing.T) {
	b := newBench(t)
	closing, query := b.created()
	r := b.relay(b.client())
	require.NoError(t, r.Once(b.ctx))
	b.drained(r)
	require.Equal(t, map[tasks.Key]int{query: 1}, b.inRedis(), "the close is far away: it stays in PostgreSQL")
	require.False(t, b.stamped(closing))

	b.clock.forward(13*time.Minute - time.Second) // a second before the horizon reaches it
	require.NoError(t, r.Once(b.ctx))
	require.False(t, b.stamped(closing))
	b.clock.forward(time.Second)
	require.NoError(t, r.Once(b.ctx))
	require.NoError(t, r.Once(b.ctx))
	b.drained(r)
	require.Equal(t, map[tasks.Key]int{query: 1, closing: 1}, b.inRedis(), "each once")
}

func TestATaskCarriesItsQueueItsTimeAndItsLimits(t *testing.T) {
	b := newBench(t)
	d := NewDispatcher(b.client(), zap.NewNop())
	at := time.Now().Add(time.Hour)
	for _, s := range tasks.Specs() {
		d.Schedule([]tasks.Due{{Key: tasks.Key{Kind: s.Kind, Subject: ident.New[struct{}]()}, At: at}})
	}
	d.Stop()
	for _, q := range tasks.Queues() {
		list, err := b.inspector.ListScheduledTasks(string(q))
		require.NoError(t, err)
		require.NotEmpty(t, list)
		for _, info := range list {
			spec, err := tasks.SpecOf(tasks.Kind(info.Type))
			require.NoError(t, err)
			require.Equal(t, q, spec.Queue)
			require.Greater(t, info.Timeout, spec.Limit, "asynq must not free the slot before the worker ends")
			require.Positive(t, info.MaxRetry)
			require.False(t, info.NextProcessAt.Before(at), "never early")
			require.WithinDuration(t, at, info.NextProcessAt, time.Second)
		}
	}
}

func TestTwoRelaysNeverPromoteARowTwice(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.redis.Set(b.ctx, epochKey, "known", 0).Err())
	var owed []tasks.Key
	for range 50 {
		closing, query := b.created()
		owed = append(owed, closing, query)
	}
	b.clock.forward(14 * time.Minute)
	to := &counter{}
	relays := []*Relay{b.relay(to), b.relay(to), b.relay(to), b.relay(to)}
	var wg sync.WaitGroup
	for _, r := range relays {
		wg.Go(func() {
			for range 3 {
				if err := r.Once(b.ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, relays[0].Once(b.ctx)) // what was locked by another is passed over once, not for ever
	for _, r := range relays {
		b.drained(r)
	}
	for _, k := range owed {
		require.Equal(t, 1, to.times(k), "%s", k)
	}
}

func TestAnEmptiedRedisIsFilledAgain(t *testing.T) {
	b := newBench(t)
	r := b.relay(b.client())
	emptied := 0
	r.o.Emptied = func() { emptied++ }
	_, near := b.created()
	far, _ := b.created()
	require.NoError(t, r.Once(b.ctx))
	require.NoError(t, r.Once(b.ctx))
	require.Equal(t, 1, emptied, "a new Redis is one that was emptied")
	b.drained(r)
	require.Equal(t, 1, b.inRedis()[near])

	require.NoError(t, b.redis.FlushDB(b.ctx).Err())
	require.Empty(t, b.inRedis())
	require.NoError(t, r.Once(b.ctx))
	b.drained(r)
	require.Equal(t, 2, emptied)
	require.Equal(t, 1, b.inRedis()[near], "what is near is there again")
	require.False(t, b.stamped(far))
	queues, err := b.inspector.Queues()
	require.NoError(t, err)
	for _, q := range tasks.Queues() {
		require.Contains(t, queues, string(q), "the monitor sees every queue, though the client believes that it has registered them")
	}
}

func TestDyingWhileRedisIsFilledAgainIsHarmless(t *testing.T) {
	b := newBench(t)
	r := b.relay(b.client())
	_, query := b.created()
	require.NoError(t, r.Once(b.ctx))
	b.drained(r)
	require.NoError(t, b.redis.FlushDB(b.ctx).Err())

	dies := errors.New("killed")
	hook := &refuse{command: "evalsha", key: epochKey, with: dies}
	b.redis.AddHook(hook)
	require.ErrorIs(t, r.Once(b.ctx), dies, "between taking the stamps off and saying so")
	require.False(t, b.stamped(query))
	require.Empty(t, b.inRedis())

	hook.stop()
	other := b.relay(b.client()) // another process, or this one started again
	require.NoError(t, other.Once(b.ctx))
	b.drained(other)
	require.Empty(t, b.inRedis(), "it waits for the one that began")
	require.Positive(t, b.redis.TTL(b.ctx, epochKey).Val(), "but not for ever: the mark goes by itself")
	require.NoError(t, b.redis.Del(b.ctx, epochKey).Err())
	require.NoError(t, other.Once(b.ctx))
	b.drained(other)
	require.Equal(t, map[tasks.Key]int{query: 1}, b.inRedis())
}

// Redis is emptied once more while what it lost is being made good.
func TestEmptiedAgainMeanwhile(t *testing.T) {
	b := newBench(t)
	r := b.relay(b.client())
	_, query := b.created()
	again := true
	r.o.Outbox = &meanwhile{Outbox: b.DB, do: func() {
		if again {
			again = false
			_, err := b.Promote(b.ctx, b.clock.now(), time.Hour, 100) // handed over by another process …
			require.NoError(t, err)
			require.NoError(t, b.redis.FlushDB(b.ctx).Err()) // … and lost again
		}
	}}
	require.NoError(t, r.Once(b.ctx))
	require.NoError(t, r.Once(b.ctx))
	b.drained(r)
	require.Equal(t, 1, b.inRedis()[query])
}

// meanwhile is an outbox during whose forgetting something else happens.
type meanwhile struct {
	Outbox
	do func()
}

func (m *meanwhile) ForgetPromotions(ctx context.Context) (int64, error) {
	n, err := m.Outbox.ForgetPromotions(ctx)
	m.do()
	return n, err
}

// refuse is a Redis that fails one command on one key.
type refuse struct {
	command, key string
	with         error

	mu   sync.Mutex
	over bool
}

func (h *refuse) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}

func (h *refuse) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *refuse) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *refuse) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.mu.Lock()
		over := h.over
		h.mu.Unlock()
		if !over && cmd.Name() == h.command && slices.Contains(cmd.Args(), any(h.key)) {
			cmd.SetErr(h.with)
			return h.with
		}
		return next(ctx, cmd)
	}
}

func TestWhatRedisDidNotTakeIsPutBack(t *testing.T) {
	b := newBench(t)
	_, query := b.created()
	lost := b.relay(&counter{before: func(context.Context, int) error { return errors.New("connection reset by peer") }})
	require.NoError(t, lost.Once(b.ctx))
	b.drained(lost)
	require.True(t, b.stamped(query))
	require.Empty(t, b.inRedis())

	r := b.relay(b.client())
	restored := 0
	r.o.Restored = func(rows int) { restored += rows }
	for _, after := range []time.Duration{0, 5 * time.Second, 30 * time.Second} { // due in 5 s, its limit is 20 s, slack 10 s
		b.clock.forward(after)
		require.NoError(t, r.PutBack(b.ctx))
		require.Zero(t, restored, "a worker may still have it")
	}
	b.clock.forward(time.Second)
	require.NoError(t, r.PutBack(b.ctx))
	require.NoError(t, r.PutBack(b.ctx))
	require.Equal(t, 1, restored, "once")
	b.drained(r)
	require.Equal(t, map[tasks.Key]int{query: 1}, b.inRedis())
	pending, err := b.inspector.ListPendingTasks(string(tasks.Default))
	require.NoError(t, err)
	require.Len(t, pending, 1, "now, not at the time it once had")
}

func TestALongQueueIsGivenItsTime(t *testing.T) {
	b := newBench(t)
	_, query := b.created()
	r := b.relay(b.client())
	require.NoError(t, r.Once(b.ctx))
	restored := 0
	r.o.Restored = func(rows int) { restored += rows }
	b.clock.forward(10 * time.Minute)

	// The queue's oldest task has been waiting for all of that time.
	since := b.clock.now().Add(-10 * time.Minute).UnixNano()
	const oldest, pending = "0197-oldest", "asynq:{default}:pending"
	require.NoError(t, b.redis.RPush(b.ctx, pending, oldest).Err())
	require.NoError(t, b.redis.HSet(b.ctx, "asynq:{default}:t:"+oldest, "pending_since", since).Err())
	got, err := r.latency(b.ctx, tasks.Default)
	require.NoError(t, err)
	require.Equal(t, 10*time.Minute, got)
	require.NoError(t, r.PutBack(b.ctx))
	require.Zero(t, restored, "a queue that is merely long loses nothing, and doubling it would make it longer")

	// A worker takes it: the queue has no delay that would explain the row's.
	require.NoError(t, b.redis.RPop(b.ctx, pending).Err())
	require.NoError(t, r.PutBack(b.ctx))
	require.Equal(t, 1, restored)
	require.True(t, b.stamped(query))
}

func TestTheLatencyOfAQueue(t *testing.T) {
	b := newBench(t)
	r := b.relay(b.client())
	for name, c := range map[string]struct {
		task  string // the oldest pending
		since string
		want  time.Duration
		fails bool
	}{
		"empty":             {"", "", 0, false},
		"taken in between":  {"gone", "", 0, false},
		"waiting":           {"old", strconv.FormatInt(b.clock.now().Add(-3*time.Second).UnixNano(), 10), 3 * time.Second, false},
		"another's clock":   {"young", strconv.FormatInt(b.clock.now().Add(3*time.Second).UnixNano(), 10), 0, false},
		"not ours":          {"strange", "yesterday", 0, true},
		"newer ones behind": {"old2", strconv.FormatInt(b.clock.now().Add(-time.Minute).UnixNano(), 10), time.Minute, false},
	} {
		require.NoError(t, b.redis.FlushDB(b.ctx).Err())
		if c.task != "" {
			require.NoError(t, b.redis.LPush(b.ctx, "asynq:{low}:pending", c.task, uuid.NewString(), uuid.NewString()).Err())
		}
		if c.since != "" {
			require.NoError(t, b.redis.HSet(b.ctx, "asynq:{low}:t:"+c.task, "pending_since", c.since).Err())
		}
		got, err := r.latency(b.ctx, tasks.Low)
		require.Equal(t, c.want, got, name)
		require.Equal(t, c.fails, err != nil, "%s: %v", name, err)
	}
}

func TestTheRelayStandsStillWhileRedisIsAway(t *testing.T) {
	b := newBench(t)
	core, logs := observer.New(zapcore.InfoLevel)
	ticks, said := make(chan struct{}, 1), make(chan string, 8)
	log := zap.New(core, zap.Hooks(func(e zapcore.Entry) error { said <- e.Message; return nil }))
	d := NewDispatcher(b.client(), zap.NewNop())
	defer d.Stop()
	r := Start(Options{
		Outbox: b.DB, Redis: b.redis, Dispatcher: d, Log: log, Every: 10 * time.Millisecond,
		Promoted: func(int) {
			select {
			case ticks <- struct{}{}:
			default:
			}
		},
	})
	defer r.Stop()
	require.Contains(t, soon(t, said), "Redis is new")
	soon(t, ticks)

	b.wire.cut()
	require.Contains(t, soon(t, said), "relay stands still")
	for range 5 { // several ticks more
		soon(t, b.wire.tries)
	}
	closing, query := b.created()
	for range 5 {
		soon(t, b.wire.tries)
	}
	require.False(t, b.stamped(query), "nothing is stamped that could not be handed over")

	b.wire.mend()
	require.Contains(t, soon(t, said), "relay goes on")
	require.Eventually(t, func() bool { return b.inRedis()[query] == 1 }, time.Minute, 5*time.Millisecond)
	require.False(t, b.stamped(closing))
	require.Len(t, logs.FilterLevelExact(zapcore.ErrorLevel).All(), 1, "said once, not at each tick")
}

func TestTheRelayGoesOnAfterTheDatabaseWasAway(t *testing.T) {
	b := newBench(t)
	outbox := &outbox{Outbox: b.DB}
	outbox.fail(errors.New("terminating connection due to administrator command"))
	r := b.relay(b.client())
	r.o.Outbox = outbox
	_, query := b.created()
	require.Error(t, r.Once(b.ctx))
	require.Contains(t, b.redis.Get(b.ctx, epochKey).Val(), begun, "it is not whole before the stamps are off")
	outbox.fail(nil)
	require.NoError(t, r.Once(b.ctx))
	b.drained(r)
	require.Equal(t, 1, b.inRedis()[query])
}

// outbox is one that can be made to fail.
type outbox struct {
	Outbox
	mu  sync.Mutex
	err error
}

func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

func (o *outbox) failing() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *outbox) ForgetPromotions(ctx context.Context) (int64, error) {
	if err := o.failing(); err != nil {
		return 0, err
	}
	return o.Outbox.ForgetPromotions(ctx)
}

func TestALongListIsPromotedPageByPage(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.redis.Set(b.ctx, epochKey, "known", 0).Err())
	_, err := b.ExecContext(b.ctx, `INSERT INTO outbox (kind, subject, due_at, created_at) SELECT 'payment:query', gen_random_uuid(), ?, ? FROM generate_series(1, 4500)`,
		b.clock.now(), b.clock.now())
	require.NoError(t, err)
	to := &counter{}
	r := b.relay(to)
	var pages []int
	r.o.Promoted = func(rows int) { pages = append(pages, rows) }
	require.NoError(t, r.Once(b.ctx))
	require.Equal(t, []int{page, page, 500}, pages)
	b.drained(r)
	require.Len(t, to.rows, 4500)
}

// It runs before the parallel tests do, alone.
func TestARelayStopsAndLeavesNothingBehind(t *testing.T) { //nolint:paralleltest // it counts goroutines
	before := goleak.IgnoreCurrent()
	blocked := &blocked{entered: make(chan struct{})}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DisableIdentity: true})
	client.AddHook(blocked)
	d := NewDispatcher(&counter{}, zap.NewNop())
	r := Start(Options{Redis: client, Dispatcher: d, Log: zap.NewNop()})
	soon(t, blocked.entered)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(r.Stop)
	}
	wg.Wait()
	r.Stop()
	d.Stop()
	require.NoError(t, client.Close())
	goleak.VerifyNone(t, before)
}

// blocked is a Redis that answers nothing until the caller gives up.
type blocked struct {
	once    sync.Once
	entered chan struct{}
}

func (h *blocked) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *blocked) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *blocked) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, _ redis.Cmder) error {
		h.once.Do(func() { close(h.entered) })
		<-ctx.Done()
		return ctx.Err()
	}
}
