package app

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

func only(roles ...config.Role) func(*config.Config) {
	return func(c *config.Config) { c.Roles = roles }
}

func (m *market) redis() redis.UniversalClient {
	m.Helper()
	client, err := hasty(m.cfg.Redis)
	require.NoError(m, err)
	m.Cleanup(func() { _ = client.Close() })
	return client
}

// Redis is emptied between the commit and the run: what it was told is gone,
// what is owed is not.
func TestRedisEmptiedBeforeTheWorkBegins(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.start(m.cfg).Stop() // Redis has been in use
	door := m.cfg
	only(config.API)(&door)
	m.start(door)

	var orders []*api.Order
	for range 10 {
		o := m.create()
		m.paid(o.Payment, "")
		orders = append(orders, o)
	}
	m.until("all callbacks are kept and handed to Redis", func() bool {
		return m.number("SELECT count(*) FROM outbox WHERE kind = 'payment:confirm' AND promoted_at IS NOT NULL") == len(orders)
	})
	m.until("Redis has them", func() bool { return m.redis().LLen(t.Context(), "asynq:{critical}:pending").Val() > 0 })
	require.NoError(t, m.redis().FlushDB(t.Context()).Err())

	rest := m.cfg
	only(config.Relayer, config.Worker)(&rest)
	rest.HTTP.Addr, rest.PublicURL = freeAddr(t), m.cfg.BaseURL()
	began := time.Now()
	m.start(rest)
	m.allNotifiedOnce(orders)
	require.Less(t, time.Since(began), 5*time.Second, "it is put back at once, not when it is missed")
	m.until("nothing is owed", m.quiet)
}

// Redis is emptied again and again under a running Orderflow.
func TestRedisEmptiedInMidFlight(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	var orders []*api.Order
	for i := range 40 {
		o := m.create()
		m.paid(o.Payment, "")
		orders = append(orders, o)
		if i%8 == 4 {
			require.NoError(t, m.redis().FlushDB(t.Context()).Err())
		}
	}
	unpaid := m.create(within(2))
	require.NoError(t, m.redis().FlushDB(t.Context()).Err())
	m.allNotifiedOnce(orders)
	closed := m.awaits(unpaid.ID, order.Closed)
	require.Less(t, closed.ClosedAt.Sub(closed.ExpireAt), 2*time.Second)
}

// allNotifiedOnce waits until the merchant knows of every order, and sees that
// it was told of each only once.
func (m *market) allNotifiedOnce(orders []*api.Order) {
	m.Helper()
	for _, o := range orders {
		m.notified(o.ID)
	}
	for _, o := range orders {
		require.Len(m, m.shop.notices(o.ID), 1, "notices of order %s", o.ID)
		require.Equal(m, []string{"order.created", "payment.opened", "order.paid"}, m.timeline(o.ID))
	}
}

// ways is how a server is away.
func ways() map[string]bool {
	return map[string]bool{"connections break off": false, "nobody listens": true}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	for way, refuses := range ways() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			var line *cable
			m := openMarket(t, func(c *config.Config) { line = cableTo(t, &c.Database); line.refuses = refuses })
			before := m.create()
			line.cut()
			m.takesNothing(before)
			m.paid(before.Payment, "") // the channel comes again with its callback
			line.mend(t)
			m.until("orders are taken again", func() bool {
				_, err := m.app.CreateOrder(t.Context(), tea(), api.IdempotencyKey("after"))
				return err == nil
			})
			m.notified(before.ID)
			m.until("it is ready again", func() bool { return m.visit("/readyz").status == http.StatusOK })
			m.awaits(before.ID, order.Paid)
		})
	}
}

// takesNothing says that Orderflow says so, and when to come again.
func (m *market) takesNothing(before *api.Order) {
	m.Helper()
	for range 5 {
		_, err := m.app.CreateOrder(m.Context(), tea())
		p := m.refused(err, http.StatusServiceUnavailable, api.Unavailable)
		require.NotContains(m, p.Error(), "127.0.0.1", "strangers are not told where our servers are")
	}
	a := m.visit("/v1/orders/"+before.ID, "Authorization", "Bearer "+devAppKey)
	require.Equal(m, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(m, "1", a.header.Get("Retry-After"))
	a = m.visit("/v1/orders", "Authorization", "Bearer a-key-not-seen-before")
	require.Equal(m, http.StatusServiceUnavailable, a.status, "nobody can say whether the key is right")
	m.until("it says so", func() bool { return m.visit("/readyz").status == http.StatusServiceUnavailable })
	require.Equal(m, http.StatusOK, m.visit("/healthz").status, "to start it again would not help")
}

func (m *market) visit(path string, headers ...string) answer {
	m.Helper()
	return m.send(http.MethodGet, m.cfg.BaseURL()+path, "", headers...)
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	for way, refuses := range ways() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			var line *cable
			m := openMarket(t, func(c *config.Config) { line = cableToRedis(t, &c.Redis); line.refuses = refuses })
			line.cut()
			var orders []*api.Order
			for range 5 {
				began := time.Now()
				o := m.create()
				m.paid(o.Payment, "")
				require.Less(t, time.Since(began), 2*time.Second, "intake does not wait for Redis")
				orders = append(orders, o)
			}
			m.until("all callbacks are kept", func() bool { return m.number("SELECT count(*) FROM inbox") == len(orders) })
			m.until("it says so", func() bool { return strings.Contains(m.visit("/readyz").body, "degraded") })
			line.mend(t)
			began := time.Now()
			m.allNotifiedOnce(orders)
			t.Logf("all through %s after Redis was back", time.Since(began))
		})
	}
}

func TestStopWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	for way, refuses := range ways() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			var line *cable
			m := newMarket(t, func(c *config.Config) { line = cableToRedis(t, &c.Redis); line.refuses = refuses })
			a := m.start(m.cfg)
			line.cut()
			o := m.create()
			m.paid(o.Payment, "")
			m.until("the callback is kept", func() bool { return m.number("SELECT count(*) FROM inbox") == 1 })
			began := time.Now()
			a.Stop()
			require.Less(t, time.Since(began), 15*time.Second)
			t.Logf("stopped within %s", time.Since(began))
			line.mend(t)
			m.start(m.cfg)
			m.allNotifiedOnce([]*api.Order{o})
		})
	}
}

// Workers that are stopped while Redis is away lose their client under their
// hands; asynq would take the whole process down with its subscription.
func TestSubscriptionOutlivesTheWorksClient(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	work, probe := m.redis(), m.redis()
	subscription := workClient{work, probe}.Subscribe(t.Context(), "news")
	defer subscription.Close()
	_, err := subscription.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, work.Close())
	require.NoError(t, probe.Publish(t.Context(), "news", "still here").Err())
	select {
	case news, open := <-subscription.Channel():
		require.True(t, open)
		require.Equal(t, "still here", news.Payload)
	case <-time.After(patience):
		t.Fatal("no news")
	}
}

// Orderflow is stopped in the middle of thirty trades, and another takes over.
func TestStopInMidFlight(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	begun, first := make(chan struct{}), sync.Once{}
	m.shop.slow = func() {
		first.Do(func() { close(begun) })
		<-time.After(20 * time.Millisecond) // so that some are in hand when we stop
	}
	a := m.start(m.cfg)
	orders := make([]*api.Order, 30)
	for i := range orders {
		orders[i] = m.create()
	}
	var wg sync.WaitGroup
	paid := make([]bool, len(orders))
	for i, o := range orders {
		how := ""
		if i%3 == 0 {
			how = "fault=delay&delay=2s" // of these the callback is still to come
		}
		wg.Go(func() { paid[i] = m.pay(o.Payment, how).status == http.StatusOK })
	}
	select {
	case <-begun:
	case <-time.After(patience):
		t.Fatal("no notice came")
	}
	began := time.Now()
	a.Stop()
	took, through := time.Since(began), m.shop.Stats().Notices
	a.Stop() // again is safe
	wg.Wait()
	t.Logf("stopped within %v, %d of %d were through", took, through, len(orders))
	require.Less(t, took, 10*time.Second)
	require.Less(t, through, int64(len(orders)), "there was something left to do")

	m.start(m.cfg)
	for i, o := range orders {
		if !paid[i] {
			m.paid(o.Payment, "")
		}
	}
	m.allNotifiedOnce(orders)
}
