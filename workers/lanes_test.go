package workers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
)

// One slot for notices and one for backlogs, and a merchant whose endpoint takes
// connections and says nothing: the other merchant hears of its orders meanwhile,
// and it hears of its own when it answers again, each once.
func TestAHangingMerchantHoldsUpNoOther(t *testing.T) {
	l := newLive(t)
	l.deps.SlotFor = 50 * time.Millisecond
	seller, hangs := l.seller, l.endpoint()
	l.seller = "m_" + ident.New[merchant.Merchant]().Compact()
	other, well := l.seller, l.endpoint()
	h := newHanging(l.sender, hangs)
	l.deps.Sender = h
	l.serve(Options{NoticesConcurrency: 1, BacklogConcurrency: 1})
	l.relay(relay.Options{})

	const orders = 20
	for range orders {
		l.seller = seller
		l.paid()
		l.seller = other
		l.paid()
	}
	for told := 0; told < orders; {
		if soon(t, h.began) == well.ID {
			told++
		}
	}
	require.Eventually(t, func() bool { return l.sender.told(well) == orders }, time.Minute, 5*time.Millisecond)
	require.Zero(t, l.sender.told(hangs), "all the while it has not answered")

	close(h.at[hangs.ID])
	l.drained(hangs, orders)
}

// Redis is emptied while a backlog drains: all of it arrives, each once.
func TestRedisIsEmptiedWhileABacklogDrains(t *testing.T) {
	l := newLive(t)
	e := l.endpoint()
	const orders = 60
	l.piledUp(e, orders)
	h := newHanging(l.sender, e)
	l.deps.Sender = h
	l.serve(Options{NoticesConcurrency: 1, BacklogConcurrency: 2})
	l.relay(relay.Options{})
	soon(t, h.began)
	require.NoError(t, l.redis.FlushDB(l.ctx).Err())
	close(h.at[e.ID])
	l.drained(e, orders)
}

// piledUp makes a backlog before there are workers.
func (l *live) piledUp(e merchant.Endpoint, n int) {
	l.t.Helper()
	for range n {
		o, _ := l.paid()
		d := merchant.Delivery{NoticeID: l.row(notifyOf(o)).Subject.String(), EndpointID: e.ID, Type: merchant.OrderPaid, DueAt: l.clock.now(), Reason: merchant.Queued}
		require.NoError(l.t, l.Store.Settle(l.ctx, tasks.Settlement{Row: l.row(notifyOf(o)), Verdict: tasks.Done(), Deliveries: []merchant.Delivery{d}})[0])
	}
}

// drained waits until nothing waits for an endpoint, and sees that it was told as
// much as it should, each once.
func (l *live) drained(e merchant.Endpoint, n int) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.sender.told(e) >= n && len(l.waitsOf(e)) == 0 }, 60*time.Second, 20*time.Millisecond)
	seen := map[string]bool{}
	l.sender.mu.Lock()
	defer l.sender.mu.Unlock()
	for _, s := range l.sender.sent {
		if s.to == e.ID {
			require.False(l.t, seen[s.id], "%s is told once", s.id)
			seen[s.id] = true
		}
	}
	require.Len(l.t, seen, n)
}
