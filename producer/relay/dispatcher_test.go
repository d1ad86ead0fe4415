package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/tasks"
)

// counter is an Enqueuer that keeps what it is given. With before it first does
// that; an error of before is its own.
type counter struct {
	before func(ctx context.Context, call int) error

	mu      sync.Mutex
	calls   int
	bundles [][]tasks.Subject
	rows    map[tasks.Key]int
}

func (c *counter) EnqueueContext(ctx context.Context, t *asynq.Task, _ ...asynq.Option) (*asynq.TaskInfo, error) {
	c.mu.Lock()
	c.calls++
	call := c.calls
	c.mu.Unlock()
	if c.before != nil {
		if err := c.before(ctx, call); err != nil {
			return nil, err
		}
	}
	subjects, err := tasks.Decode(t.Payload())
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bundles = append(c.bundles, subjects)
	if c.rows == nil {
		c.rows = map[tasks.Key]int{}
	}
	for _, s := range subjects {
		c.rows[tasks.Key{Kind: tasks.Kind(t.Type()), Subject: s}]++
	}
	return &asynq.TaskInfo{}, nil
}

func (c *counter) sizes() (sizes []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.bundles {
		sizes = append(sizes, len(b))
	}
	return sizes
}

func (c *counter) times(k tasks.Key) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rows[k]
}

func keys(k tasks.Kind, n int) []tasks.Key {
	list := make([]tasks.Key, n)
	for i := range list {
		list[i] = tasks.Key{Kind: k, Subject: ident.New[struct{}]()}
	}
	return list
}

func logged(level zapcore.Level) (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(level)
	return zap.New(core), logs
}

func TestBundles(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	due := func(k tasks.Kind, at time.Time, n int) (list []tasks.Due) {
		for _, key := range keys(k, n) {
			list = append(list, tasks.Due{Key: key, At: at})
		}
		return list
	}
	mixed := func(lists ...[]tasks.Due) (all []tasks.Due) {
		for i := 0; len(all) < len(lists[0])*len(lists); i++ {
			for _, l := range lists {
				all = append(all, l[i])
			}
		}
		return all
	}
	type b struct {
		kind tasks.Kind
		at   time.Time
		rows int
	}
	now := time.Time{}
	for name, c := range map[string]struct {
		due  []tasks.Due
		want []b
	}{
		"nothing":           {nil, nil},
		"one":               {due(tasks.OrderClose, now, 1), []b{{tasks.OrderClose, now, 1}}},
		"as many as fit":    {due(tasks.OrderClose, now, 256), []b{{tasks.OrderClose, now, 256}}},
		"one more":          {due(tasks.OrderClose, now, 257), []b{{tasks.OrderClose, now, 256}, {tasks.OrderClose, now, 1}}},
		"three full":        {due(tasks.OrderClose, now, 768), []b{{tasks.OrderClose, now, 256}, {tasks.OrderClose, now, 256}, {tasks.OrderClose, now, 256}}},
		"kinds keep apart":  {mixed(due(tasks.OrderClose, now, 3), due(tasks.PaymentQuery, now, 3)), []b{{tasks.OrderClose, now, 3}, {tasks.PaymentQuery, now, 3}}},
		"seconds too":       {mixed(due(tasks.OrderClose, second, 2), due(tasks.OrderClose, second.Add(time.Second), 2)), []b{{tasks.OrderClose, second, 2}, {tasks.OrderClose, second.Add(time.Second), 2}}},
		"now is no second":  {mixed(due(tasks.OrderClose, now, 2), due(tasks.OrderClose, second, 2)), []b{{tasks.OrderClose, now, 2}, {tasks.OrderClose, second, 2}}},
		"within one second": {mixed(due(tasks.OrderClose, second.Add(time.Millisecond), 2), due(tasks.OrderClose, second.Add(time.Second), 2)), []b{{tasks.OrderClose, second.Add(time.Second), 4}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []b
			var order []tasks.Key
			for _, x := range bundles(c.due) {
				got = append(got, b{x.kind, x.at, len(x.subjects)})
				for _, s := range x.subjects {
					order = append(order, tasks.Key{Kind: x.kind, Subject: s})
				}
			}
			require.Equal(t, c.want, got)
			at := map[tasks.Key]int{}
			for i, d := range c.due {
				at[d.Key] = i
			}
			for i := 1; i < len(order); i++ {
				if order[i-1].Kind == order[i].Kind && c.due[at[order[i-1]]].At.Equal(c.due[at[order[i]]].At) {
					require.Less(t, at[order[i-1]], at[order[i]], "in the order in which they came")
				}
			}
			require.Len(t, at, len(order), "every row, once")
		})
	}
}

func TestTimesAreRoundedUpToTheSecond(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct{ in, want time.Time }{
		{second, second},
		{second.Add(time.Nanosecond), second.Add(time.Second)},
		{second.Add(999 * time.Millisecond), second.Add(time.Second)},
		{time.Time{}, time.Time{}},
	} {
		require.Equal(t, c.want, ceilSecond(c.in), "%v", c.in)
	}
}

func TestTheDispatcherBundlesUnderPressureOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		redis := &counter{before: func(_ context.Context, call int) error {
			if call == 3 {
				<-free
			}
			return nil
		}}
		d := NewDispatcher(redis, zap.NewNop())
		defer d.Stop()
		for range 2 {
			d.Dispatch(keys(tasks.PaymentConfirm, 1))
			synctest.Wait()
		}
		require.Equal(t, []int{1, 1}, redis.sizes(), "at low load a row travels alone")

		d.Dispatch(keys(tasks.PaymentConfirm, 1)) // Redis is slow with this one
		synctest.Wait()
		for range 600 {
			d.Dispatch(keys(tasks.PaymentConfirm, 1))
		}
		close(free)
		synctest.Wait()
		require.Equal(t, []int{1, 1, 1, 256, 256, 88}, redis.sizes(), "what comes meanwhile travels together")
	})
}

func TestARepeatedEnqueueIsSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logs := logged(zapcore.DebugLevel)
		d := NewDispatcher(&counter{before: func(context.Context, int) error { return asynq.ErrTaskIDConflict }}, log)
		d.Dispatch(keys(tasks.PaymentConfirm, 1))
		d.Stop()
		require.Empty(t, logs.All(), "a task that is there is there")
	})
}

func TestAFailedEnqueueIsSaidAndTheNextIsTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logs := logged(zapcore.WarnLevel)
		redis := &counter{before: func(_ context.Context, call int) error {
			if call == 1 {
				return errors.New("OOM command not allowed")
			}
			return nil
		}}
		d := NewDispatcher(redis, log)
		d.Dispatch(append(keys(tasks.PaymentConfirm, 2), append(keys("no:such:kind", 1), keys(tasks.OrderClose, 3)...)...))
		d.Stop()
		require.Equal(t, []int{3}, redis.sizes())
		require.Equal(t, 2, logs.Len())
		require.Equal(t, map[string]any{"kind": "payment:confirm", "rows": int64(2), "error": "enqueue payment:confirm: OOM command not allowed"}, logs.All()[0].ContextMap())
		require.Contains(t, logs.All()[1].ContextMap()["error"], "no:such:kind")
	})
}

func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		redis := &counter{before: func(_ context.Context, call int) error {
			if call == 1 {
				<-free
			}
			return nil
		}}
		d := NewDispatcher(redis, zap.NewNop())
		d.Dispatch(keys(tasks.PaymentConfirm, 1))
		synctest.Wait()
		for range 3 { // Redis does not answer
			d.Dispatch(keys(tasks.PaymentConfirm, mostWaiting/2+1))
		}
		close(free)
		d.Stop()
		rows := 0
		for _, n := range redis.sizes() {
			rows += n
		}
		require.Equal(t, 1+mostWaiting, rows, "what does not fit is left to the relay")
	})
}

func TestStopHandsOverWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		redis := &counter{before: func(context.Context, int) error { time.Sleep(10 * time.Millisecond); return nil }}
		d := NewDispatcher(redis, zap.NewNop())
		d.Dispatch(keys(tasks.PaymentConfirm, 10*tasks.Bundled))
		var wg sync.WaitGroup
		for range 3 { // and stopping again is safe
			wg.Go(d.Stop)
		}
		wg.Wait()
		d.Stop()
		require.Len(t, redis.sizes(), 10)
		d.Dispatch(keys(tasks.PaymentConfirm, 1)) // harmless: the relay finds it
	})
}

func TestStopEndsWhileRedisHangs(t *testing.T) {
	t.Parallel()
	t.Run("in a call", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			log, logs := logged(zapcore.WarnLevel)
			redis := &counter{before: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }}
			d := NewDispatcher(redis, log)
			d.Dispatch(keys(tasks.PaymentConfirm, 100*tasks.Bundled))
			began := time.Now()
			d.Stop()
			require.Equal(t, 3*time.Second, time.Since(began))
			require.Equal(t, 1, redis.calls, "no call is begun that cannot succeed")
			require.Equal(t, 2, logs.Len(), "the call that failed, and all the rest in one line")
			require.EqualValues(t, 99, logs.All()[1].ContextMap()["bundles"])
		})
	})
	t.Run("on the wire", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(&redis.Options{
			Addr: deaf(t), MaxRetries: 40, MinRetryBackoff: 50 * time.Millisecond, MaxRetryBackoff: time.Second, ReadTimeout: time.Second,
			DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		})
		defer client.Close()
		d := NewDispatcher(asynq.NewClientFromRedisClient(client), zap.NewNop())
		d.Dispatch(keys(tasks.PaymentConfirm, 10*tasks.Bundled))
		began := time.Now()
		d.Stop()
		require.Less(t, time.Since(began), 6*time.Second, "three seconds, and the read that was under way")
	})
}

// deaf is the address of a server that takes connections and never answers.
func deaf(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
		for _, c := range conns {
			c.Close()
		}
	})
	return ln.Addr().String()
}

// It runs before the parallel tests do, alone.
func TestADispatcherLeavesNothingBehind(t *testing.T) { //nolint:paralleltest // it counts goroutines
	before := goleak.IgnoreCurrent()
	d := NewDispatcher(&counter{}, zap.NewNop())
	d.Dispatch(keys(tasks.PaymentConfirm, 100))
	d.Stop()
	goleak.VerifyNone(t, before)
}
