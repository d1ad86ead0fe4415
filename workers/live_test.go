package workers

import (
	"cmp"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
)

// live is a bench with a Redis, a dispatcher and the clock of the day: on it
// servers run.
type live struct {
	*bench
	redis      *redis.Client
	client     *asynq.Client
	inspector  *asynq.Inspector
	dispatcher *relay.Dispatcher
	results    chan result
}

type result struct {
	kind    tasks.Kind
	outcome string
	late    time.Duration
}

func newLive(t *testing.T) *live {
	t.Helper()
	l := &live{bench: newBenchAt(t, &clock{}), results: make(chan result, 10_000)}
	l.redis = redisOf(t)
	l.client, l.inspector = asynq.NewClientFromRedisClient(l.redis), asynq.NewInspectorFromRedisClient(l.redis)
	l.dispatcher = relay.NewDispatcher(l.client, zap.NewNop())
	t.Cleanup(l.dispatcher.Stop)
	l.dispatch = l.dispatcher.Dispatch
	return l
}

func redisOf(t *testing.T) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(dbtest.Redis(t))
	require.NoError(t, err)
	o.DisableIdentity, o.MaintNotificationsConfig = true, &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// serve starts workers; what o leaves open is quick.
func (l *live) serve(o Options) *Server {
	l.t.Helper()
	o.Redis, o.CheckInterval, o.DelayedInterval = l.redis, cmp.Or(o.CheckInterval, 5*time.Millisecond), 50*time.Millisecond
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Tried = func(k tasks.Kind, outcome string, _, late time.Duration) { l.results <- result{k, outcome, late} }
	s, err := Start(o, l.deps.Store, All(l.deps))
	require.NoError(l.t, err)
	l.t.Cleanup(s.Stop)
	return s
}

// relay starts one; what o leaves open is quick.
func (l *live) relay(o relay.Options) *relay.Relay {
	l.t.Helper()
	o.Outbox, o.Redis, o.Dispatcher, o.Log, o.Every = l.DB, l.redis, l.dispatcher, zap.NewNop(), 20*time.Millisecond
	r := relay.Start(o)
	l.t.Cleanup(r.Stop)
	return r
}

// known makes Redis one that the relay has seen: what is missing from it
// now was lost.
func (l *live) known() {
	l.t.Helper()
	known := make(chan struct{})
	r := l.relay(relay.Options{Emptied: func() { close(known) }})
	soon(l.t, known)
	r.Stop()
}

// next waits for the next try of a kind.
func (l *live) next(k tasks.Kind) result {
	l.t.Helper()
	patience := time.After(time.Minute)
	for {
		select {
		case r := <-l.results:
			if r.kind == k {
				return r
			}
		case <-patience:
			require.Fail(l.t, "nothing happens", "waiting for a try of %s", k)
		}
	}
}

func (l *live) archived(q tasks.Queue, n int) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		info, err := l.inspector.GetQueueInfo(string(q))
		return err == nil && info.Archived == n && info.Active+info.Pending+info.Retry == 0
	}, 10*time.Second, 5*time.Millisecond, "%d tasks archived in %s", n, q)
}
