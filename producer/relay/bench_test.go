package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// bench is a store and a Redis of a test's own, and a clock that stands still
// until it is put forward.
type bench struct {
	*db.Store
	t         *testing.T
	ctx       context.Context //nolint:containedctx // one test, one context
	clock     *clock
	wire      *wire
	redis     *redis.Client
	inspector *asynq.Inspector
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{t: t, ctx: t.Context(), clock: &clock{at: time.Now().UTC().Truncate(time.Second)}, wire: &wire{tries: make(chan struct{}, 1)}}
	o, err := redis.ParseURL(dbtest.Redis(t))
	require.NoError(t, err)
	o.DisableIdentity, o.MaintNotificationsConfig = true, &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.MaxRetries, o.DialerRetries, o.Dialer = -1, 1, b.wire.dial // it says soon that Redis is away
	b.redis = redis.NewClient(o)
	t.Cleanup(func() { _ = b.redis.Close() })
	b.inspector = asynq.NewInspectorFromRedisClient(b.redis)
	d := dbtest.New(t)
	b.Store = db.NewStore(d, db.StoreOptions{Log: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)), Now: b.clock.now})
	t.Cleanup(func() {
		b.Store.Close()
		findings, err := d.Audit(context.Background())
		require.NoError(t, err)
		require.Empty(t, findings, "the books must add up after every test")
	})
	return b
}

// relay is one that is driven by hand: Once and PutBack.
func (b *bench) relay(to Enqueuer) *Relay {
	d := NewDispatcher(to, zap.NewNop())
	b.t.Cleanup(d.Stop)
	nobody := func(int) {}
	return &Relay{id: uuid.NewString(), o: Options{
		Outbox: b.DB, Redis: b.redis, Dispatcher: d, Log: zap.NewNop(), Now: b.clock.now,
		Horizon: 2 * time.Minute, Slack: 10 * time.Second, Promoted: nobody, Restored: nobody, Emptied: func() {},
	}}
}

func (b *bench) client() *asynq.Client { return asynq.NewClientFromRedisClient(b.redis) }

// created is an order with a payment under way: it owes payment:query in five
// seconds and order:close in fifteen minutes.
func (b *bench) created() (closing, query tasks.Key) {
	b.t.Helper()
	o, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", Items: []order.Item{{SKU: "tea", Quantity: 1, UnitPrice: 1299}},
	}, "app:test", b.clock.now())
	require.NoError(b.t, err)
	a, err := o.Pay("sandbox", "app:test", b.clock.now())
	require.NoError(b.t, err)
	require.NoError(b.t, b.Create(b.ctx, o, nil))
	return tasks.About(tasks.OrderClose, o.ID), tasks.About(tasks.PaymentQuery, a.ID)
}

// stamped says whether a row is marked as handed over.
func (b *bench) stamped(k tasks.Key) bool {
	b.t.Helper()
	rows, err := b.Owed(b.ctx, k.Kind, []tasks.Subject{k.Subject}, b.clock.now().Add(24*time.Hour))
	require.NoError(b.t, err)
	require.Len(b.t, rows, 1, "%s is owed", k)
	return !rows[0].PromotedAt.IsZero()
}

// drained waits until a relay's dispatcher has nothing left.
func (b *bench) drained(r *Relay) {
	b.t.Helper()
	r.o.Dispatcher.Stop()
	r.o.Dispatcher = NewDispatcher(r.o.Dispatcher.asynq, zap.NewNop())
	b.t.Cleanup(r.o.Dispatcher.Stop)
}

// inRedis counts how often each row is in a queue of Redis, pending or for
// later.
func (b *bench) inRedis() map[tasks.Key]int {
	b.t.Helper()
	queues, err := b.inspector.Queues()
	require.NoError(b.t, err)
	rows := map[tasks.Key]int{}
	for _, q := range queues {
		pending, err := b.inspector.ListPendingTasks(q)
		require.NoError(b.t, err)
		scheduled, err := b.inspector.ListScheduledTasks(q)
		require.NoError(b.t, err)
		for _, info := range append(pending, scheduled...) {
			subjects, err := tasks.Decode(info.Payload)
			require.NoError(b.t, err)
			for _, s := range subjects {
				rows[tasks.Key{Kind: tasks.Kind(info.Type), Subject: s}]++
			}
		}
	}
	return rows
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// wire is the network between us and Redis, with a switch.
type wire struct {
	tries chan struct{} // a token for who tried while it was cut

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		select {
		case w.tries <- struct{}{}:
		default:
		}
		return nil, errors.New("connection refused")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	w.conns = append(w.conns, c)
	return c, err
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for _, c := range w.conns {
		if c != nil {
			c.Close()
		}
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// soon is what a channel brings; a test does not wait for ever.
func soon[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(time.Minute):
		require.Fail(t, "nothing comes")
	}
	return v
}
