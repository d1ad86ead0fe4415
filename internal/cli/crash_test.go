package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/demo"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/api"
)

// What was acknowledged is not lost, whatever is killed.
func TestKilledUnderTraffic(t *testing.T) {
	t.Parallel()
	p, w := ourselves(t), newWitness(t)
	for _, orders := range []int{40, 80} {
		s := p.dev(t, "--traffic", "50")
		if orders == 40 {
			w.register(s)
		}
		stop := w.buys(s)
		w.sees(orders)
		s.kill()
		stop()
	}
	w.finds(p.dev(t))
}

// Redis forgets everything, again and again, and nothing has to be started
// anew. The load is the witness's buyers', who wait for their answers: traffic
// goes on while it is looked whether anything is overdue, and more of it than the
// machine can do would never let that be nothing.
func TestRedisFlushedUnderTraffic(t *testing.T) {
	t.Parallel()
	p, w := ourselves(t), newWitness(t)
	s := p.dev(t, "--traffic", "5")
	w.register(s)
	at, err := redis.ParseURL(s.note().Redis)
	require.NoError(t, err)
	cache := redis.NewClient(at)
	t.Cleanup(func() { _ = cache.Close() })

	stop := w.buys(s)
	for _, orders := range []int{15, 30, 45} {
		w.sees(orders)
		require.NoError(t, cache.FlushAll(t.Context()).Err())
	}
	w.sees(60)
	stop()
	w.finds(s)
	require.Zero(t, s.interrupt())
}

// witness buys, remembers what it was promised, and has the merchant's notices
// sent to itself as well.
type witness struct {
	*testing.T
	url string

	mu      sync.Mutex
	shop    *demo.Merchant       // nil until registered
	orders  []promise            // what the API acknowledged
	notices map[string]notice    // by webhook-id, as each came first
	told    map[string][]notice  // the same by order
	altered map[string][2]notice // notices that came again with other words
	changed chan struct{}        // closed, and made anew, with each order and notice
}

// notice is what the witness keeps of one.
type notice struct{ id, noticeType, order, body string }

// promise is an order that the API acknowledged with 201.
type promise struct {
	id        string
	paid      bool // the pay page said so
	unknown   bool // the pay page's answer was lost
	calledOff bool // after it was paid; or the answer to that was lost
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{T: t, notices: map[string]notice{}, told: map[string][]notice{}, altered: map[string][2]notice{}, changed: make(chan struct{})}
	listening := httptest.NewServer(w)
	t.Cleanup(listening.Close)
	w.url = listening.URL + "/notices"
	return w
}

// change changes what is remembered, and wakes who waits for it.
func (w *witness) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// ServeHTTP takes a notice as the demo merchant does.
func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	shop := w.shop
	w.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || shop == nil {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	said := httptest.NewRecorder()
	shop.ServeHTTP(said, r)
	var n struct {
		Type string
		Data struct{ Order struct{ ID string } }
	}
	if said.Code == http.StatusOK && json.Unmarshal(body, &n) == nil {
		w.keep(notice{r.Header.Get("webhook-id"), n.Type, n.Data.Order.ID, string(body)})
	}
	rw.WriteHeader(said.Code)
}

// keep remembers a notice. It may come again, with the same words.
func (w *witness) keep(n notice) {
	w.change(func() {
		before, again := w.notices[n.id]
		switch {
		case again && before != n:
			w.altered[n.id] = [2]notice{before, n}
		case !again:
			w.notices[n.id] = n
			w.told[n.order] = append(w.told[n.order], n)
		}
	})
}

// hears says whether the merchant was told that an order is paid.
func (w *witness) hears(orderID string) bool {
	return slices.ContainsFunc(w.told[orderID], func(n notice) bool { return n.noticeType == merchant.OrderPaid })
}

// register makes an endpoint of the demo merchant's for the witness, and
// returns when its notices come: the workers remember endpoints for a moment.
func (w *witness) register(s *server) {
	w.Helper()
	e, err := s.ops.CreateEndpoint(w.Context(), "m_demo", api.NewEndpoint{URL: w.url})
	require.NoError(w, err)
	shop, err := demo.New(demo.Options{Secret: e.Secret})
	require.NoError(w, err)
	w.change(func() { w.shop = shop })
	w.until("a notice comes", func() bool { return len(w.notices) > 0 })
}

// buys lets four buyers order and pay until stop.
func (w *witness) buys(s *server) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var buyers sync.WaitGroup
	for buyer := range 4 {
		buyers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				w.buy(ctx, s, n*4+buyer)
				select {
				case <-time.After(20 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	return func() { cancel(); buyers.Wait() }
}

// buy makes one order of some kind. What fails was not promised.
func (w *witness) buy(ctx context.Context, s *server, n int) {
	wish := []struct {
		demo     string
		seconds  int64
		pays     bool
		how      string
		callsOff bool
	}{
		{"deliver", 0, true, "", false},
		{"accept", 0, true, "", false},
		{"fail", 0, true, "", false},
		{"deliver", 0, true, "fault=duplicate", false},
		{"ignore", 0, true, "fault=drop", false},
		{"", 2, false, "", false},
		{"", 0, false, "", true},
		{"deliver", 0, true, "", false},
		{"accept", 0, true, "", true},
		{"deny", 0, true, "", true},
		{"contradict", 0, true, "", true},
	}[n%11]
	o, err := s.app.CreateOrder(ctx, tea(wish.demo, wish.seconds))
	if err != nil {
		return
	}
	p := promise{id: o.ID}
	if wish.pays {
		status, _ := pay(ctx, o.Payment, wish.how)
		p.paid, p.unknown = status == http.StatusOK, status == 0
	}
	if wish.callsOff {
		p.calledOff = wish.pays
		_, _ = s.app.Cancel(ctx, o.ID, "changed my mind")
	}
	w.change(func() { w.orders = append(w.orders, p) })
}

// sees waits until so many orders were acknowledged.
func (w *witness) sees(orders int) {
	w.Helper()
	w.until("orders are acknowledged", func() bool { return len(w.orders) >= orders })
}

func (w *witness) until(what string, reached func() bool) {
	w.Helper()
	limit := time.After(patience)
	for {
		w.mu.Lock()
		done, changed := reached(), w.changed
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			w.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// finds looks whether every promise is kept and the books add up.
func (w *witness) finds(s *server) {
	w.Helper()
	d, paid := s.database(), 0
	for _, p := range w.orders {
		if p.paid {
			paid++
		}
		if p.paid && !p.calledOff { // called off while it is paid, its merchant may never be told
			w.until("the merchant hears of "+p.id, func() bool { return w.hears(p.id) })
		}
	}
	w.atRest(d)
	for _, p := range w.orders {
		want := p.allows()
		until(w.T, "order "+p.id+" is one of "+strings.Join(want, ", "), func() bool { return slices.Contains(want, status(w.T, s, p.id)) })
	}
	findings, err := d.Audit(w.Context())
	require.NoError(w, err)
	require.Empty(w, findings)
	known := w.findsNotices()
	w.Logf("%d orders were acknowledged, %d paid; the merchant knows of %d, the traffic's too", len(w.orders), paid, known)
}

// allows is where an order of which that is known may stand.
func (p promise) allows() []string {
	unpaid := []string{"closed", "pending_pay"}
	sold := []string{"paid", "delivering", "delivered", "completed", "refunding", "refunded"}
	switch {
	case p.paid && p.calledOff: // closed: the money came later and goes back
		return append(sold, "returning", "closed")
	case p.paid:
		return sold
	case p.unknown:
		return slices.Concat(unpaid, sold, []string{"returning"})
	}
	return unpaid
}

// findsNotices looks whether the merchant was told each thing once: a refund may
// be one of several of its order, whatever else there is to tell is told under
// one webhook-id. It says of how many orders the merchant knows.
func (w *witness) findsNotices() int {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Empty(w, w.altered, "a webhook-id means one notice, word by word")
	for id, notices := range w.told {
		times := map[string]int{}
		for _, n := range notices {
			times[n.noticeType]++
		}
		for _, once := range []string{merchant.OrderPaid, merchant.RevokeRequested, merchant.DeliveryOverdue} {
			require.LessOrEqual(w, times[once], 1, "%s of order %s came under several ids", once, id)
		}
	}
	return len(w.told)
}

// atRest waits until nothing that is due is undone, and nothing is dead.
func (w *witness) atRest(d *db.DB) {
	w.Helper()
	ask := func(sql string) (n int) {
		require.NoError(w, d.QueryRowContext(w.Context(), sql).Scan(&n))
		return n
	}
	until(w.T, "nothing is overdue", func() bool {
		return ask("SELECT count(*) FROM outbox WHERE dead_at IS NULL AND due_at < now() - interval '2 seconds'") == 0 &&
			ask("SELECT count(*) FROM orders WHERE status = 'pending_pay' AND expire_at < now() - interval '2 seconds'") == 0 &&
			ask("SELECT count(*) FROM orders WHERE status = 'closing' AND created_at < now() - interval '10 seconds'") == 0
	})
	require.Zero(w, ask("SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL"), "nothing is given up")
}
