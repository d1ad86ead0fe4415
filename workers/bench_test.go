package workers

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// bench is a store on a database of the test's own, neighbours that answer as
// they are told, and a clock that stands still until it is put forward. At the
// test's end the books are checked.
type bench struct {
	*db.Store
	t       *testing.T
	ctx     context.Context //nolint:containedctx // one test, one context
	clock   *clock
	channel *script
	sender  *postman
	pager   *pager
	deps    Deps
	here    *busy // of this process
	seller  string

	mu       sync.Mutex
	dispatch func([]tasks.Key)
	outcomes []string // "payment:query done"
	commits  []int    // changes of each commit
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchAt(t, &clock{at: time.Now().UTC().Truncate(time.Second)})
}

func newBenchAt(t *testing.T, c *clock) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{t: t, ctx: t.Context(), clock: c, dispatch: func([]tasks.Key) {}}
	d := dbtest.New(t)
	b.Store = db.NewStore(d, db.StoreOptions{
		Log: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)), Now: b.clock.now,
		Dispatch: func(keys []tasks.Key) { b.dispatch(keys) },
		Committed: func(group string, items int, _ time.Duration) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if group == "change" || group == "settle" {
				b.commits = append(b.commits, items)
			}
		},
	})
	b.furnish()
	t.Cleanup(func() {
		b.Store.Close()
		findings, err := d.Audit(context.Background())
		require.NoError(t, err)
		require.Empty(t, findings, "the books must add up after every test")
	})
	return b
}

// furnish gives a bench neighbours, a process and a merchant of its own.
func (b *bench) furnish() {
	b.channel, b.sender, b.pager, b.here = &script{t: b.t}, &postman{clock: b.clock}, &pager{}, newBusy()
	b.seller = "m_" + ident.New[merchant.Merchant]().Compact()
	b.deps = Deps{
		Store: b.Store, Channels: payment.Registry{"sandbox": b.channel}, Sender: b.sender, Alerts: b.pager, Terms: tasks.DefaultTerms(), Keep: tasks.DefaultKeep(), Log: zap.NewNop(),
		NotifyURL: func(name string) string { return "https://orderflow.test/callbacks/" + name }, Now: b.clock.now,
	}
}

// fresh is for a row of a table: the same database and clock, all else new. A database costs
// most of a second, so the rows of one table share it.
func (b *bench) fresh(t *testing.T) *bench {
	t.Helper()
	f := &bench{Store: b.Store, t: t, ctx: t.Context(), clock: b.clock}
	f.furnish()
	return f
}

func (b *bench) tried(k tasks.Kind, outcome string, _, late time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outcomes = append(b.outcomes, string(k)+" "+outcome)
	if late < 0 {
		b.t.Errorf("%s settled before its time by %v", k, late)
	}
}

// runner is what takes bundles of a kind in this process, or with a busy of its
// own in another.
func (b *bench) runner(k tasks.Kind, where *busy) *runner {
	b.t.Helper()
	list, err := byKind(All(b.deps))
	require.NoError(b.t, err)
	spec, err := tasks.SpecOf(k)
	require.NoError(b.t, err)
	return &runner{worker: list[k], spec: spec, store: b.deps.Store, now: b.clock.now, log: zap.NewNop(), tried: b.tried, busy: where}
}

// run hands over one bundle, as asynq does.
func (b *bench) run(keys ...tasks.Key) error {
	b.t.Helper()
	return b.runner(keys[0].Kind, b.here).ProcessTask(b.ctx, bundleOf(keys...))
}

// ran runs one row and returns the outcomes.
func (b *bench) ran(k tasks.Key) []string {
	b.t.Helper()
	b.mu.Lock()
	from := len(b.outcomes)
	b.mu.Unlock()
	require.NoError(b.t, b.run(k))
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outcomes[from:]
}

func bundleOf(keys ...tasks.Key) *asynq.Task {
	subjects := make([]tasks.Subject, len(keys))
	for i, k := range keys {
		subjects[i] = k.Subject
	}
	return asynq.NewTask(string(keys[0].Kind), tasks.Encode(subjects))
}

// created is an order of one tea with a payment under way.
func (b *bench) created() (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: b.seller, BuyerID: "b_1", Currency: "CNY", FeeBps: 60, Items: []order.Item{{SKU: "tea", Name: "Tea", Quantity: 1, UnitPrice: 1299}},
	}, "app:test", b.clock.now())
	require.NoError(b.t, err)
	a, err := o.Pay("sandbox", "app:test", b.clock.now())
	require.NoError(b.t, err)
	require.NoError(b.t, b.Create(b.ctx, o, nil))
	return o, a
}

// paid is an order whose merchant is to be told.
func (b *bench) paid() (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, a := b.created()
	b.step(o.ID, func(o *order.Order) error { return o.Receive(receipt(a, b.clock.now()), b.clock.now()) })
	return o, a
}

// refunding is an order whose money goes back.
func (b *bench) refunding() (*order.Order, *order.Attempt, *order.Refund) {
	b.t.Helper()
	o, a := b.paid()
	b.step(o.ID, func(o *order.Order) error { return o.FailDelivery("sold out", "merchant:m_1", b.clock.now()) })
	return o, a, b.order(o.ID).Refunds[0]
}

func (b *bench) step(id order.ID, fn func(*order.Order) error) {
	b.t.Helper()
	require.NoError(b.t, b.Update(b.ctx, id, nil, fn))
}

func (b *bench) order(id order.ID) *order.Order {
	b.t.Helper()
	o, err := b.Order(b.ctx, id)
	require.NoError(b.t, err)
	return o
}

func (b *bench) endpoint() merchant.Endpoint {
	b.t.Helper()
	_, err := b.PutMerchant(b.ctx, merchant.Merchant{ID: b.seller})
	require.NoError(b.t, err)
	e := merchant.Endpoint{ID: ident.New[merchant.Endpoint](), MerchantID: b.seller, URL: "https://merchant.test/hook", Secrets: []string{"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}, CreatedAt: b.clock.now()}
	require.NoError(b.t, b.CreateEndpoint(b.ctx, e))
	return e
}

// owed finds a row that is alive, whenever it is due.
func (b *bench) owed(k tasks.Key) (tasks.Row, bool) {
	b.t.Helper()
	rows, err := b.Owed(b.ctx, k.Kind, []tasks.Subject{k.Subject}, b.clock.now().Add(1000*24*time.Hour))
	require.NoError(b.t, err)
	if len(rows) == 0 {
		return tasks.Row{}, false
	}
	return rows[0], true
}

func (b *bench) row(k tasks.Key) tasks.Row {
	b.t.Helper()
	r, ok := b.owed(k)
	require.True(b.t, ok, "%s is owed", k)
	return r
}

func (b *bench) gone(k tasks.Key) {
	b.t.Helper()
	_, ok := b.owed(k)
	require.False(b.t, ok, "%s is owed no more", k)
}

// dead finds a row that waits for an operator.
func (b *bench) dead(k tasks.Key) tasks.Row {
	b.t.Helper()
	list, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead, Limit: 200})
	require.NoError(b.t, err)
	for _, r := range list {
		if r.Key == k {
			return r
		}
	}
	require.Fail(b.t, "not dead", "%s", k)
	return tasks.Row{}
}

// happened counts an event in an order's timeline.
func (b *bench) happened(id order.ID, e order.EventType) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.QueryRowContext(b.ctx, "SELECT count(*) FROM order_events WHERE order_id = ? AND type = ?", id, e).Scan(&n))
	return n
}

// due puts the clock to a row's time.
func (b *bench) due(k tasks.Key) {
	b.t.Helper()
	b.clock.set(b.row(k).DueAt)
}

func receipt(a *order.Attempt, at time.Time) order.Receipt {
	return order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T" + a.ID.Compact(), Amount: a.Amount, Currency: a.Currency, PaidAt: at}
}

func answer(a *order.Attempt, s payment.State, at time.Time) payment.Payment {
	p := payment.Payment{State: s, OutTradeNo: a.ID.Compact()}
	if s == payment.Paid || s == payment.Refunded {
		p.TradeNo, p.Amount, p.Currency, p.PaidAt = "T"+a.ID.Compact(), a.Amount, a.Currency, at
	}
	return p
}

// callback is a verified notice that a payment was made.
func callback(a *order.Attempt, event string, at time.Time) payment.Notice {
	return payment.Notice{EventID: event, Type: payment.PaymentSucceeded, OutTradeNo: a.ID.Compact(), Complete: true, Payment: answer(a, payment.Paid, at)}
}

// clock stands where it was put; one that was never put goes.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now().UTC().Truncate(time.Microsecond)
	}
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) forward(d time.Duration) { c.set(c.now().Add(d)) }

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
