package db_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// bench is a store on a clean database whose books are checked at the end.
type bench struct {
	*db.Store
	t     *testing.T
	ctx   context.Context //nolint:containedctx // one test, one context
	mu    sync.Mutex
	due   []tasks.Key // dispatched so far
	batch []int       // sizes of committed batches
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{t: t, ctx: context.Background()}
	d := dbtest.New(t)
	b.Store = db.NewStore(d, db.StoreOptions{
		Log: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)),
		Dispatch: func(keys []tasks.Key) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.due = append(b.due, keys...)
		},
		Committed: func(_ string, items int, _ time.Duration) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.batch = append(b.batch, items)
		},
	})
	t.Cleanup(func() {
		b.Store.Close()
		findings, err := d.Audit(b.ctx)
		require.NoError(t, err)
		require.Empty(t, findings, "the books must add up after every test")
	})
	return b
}

func (b *bench) now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// draft is an order of one tea, with a payment through the sandbox.
func (b *bench) draft(sku string, quantity int64) (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", FeeBps: 60,
		Items: []order.Item{{SKU: sku, Name: "Tea", Quantity: quantity, UnitPrice: 1299}},
	}, "app:test", b.now())
	require.NoError(b.t, err)
	a, err := o.Pay("sandbox", "app:test", b.now())
	require.NoError(b.t, err)
	return o, a
}

func (b *bench) created(sku string, quantity int64) (*order.Order, *order.Attempt) {
	b.t.Helper()
	o, a := b.draft(sku, quantity)
	require.NoError(b.t, b.Create(b.ctx, o, nil))
	return o, a
}

func (b *bench) status(id order.ID) order.Status {
	b.t.Helper()
	o, err := b.Order(b.ctx, id)
	require.NoError(b.t, err)
	return o.Status
}

func (b *bench) row(k tasks.Key) tasks.Row {
	b.t.Helper()
	rows, err := b.Owed(b.ctx, k.Kind, []tasks.Subject{k.Subject}, b.now().Add(100*24*time.Hour))
	require.NoError(b.t, err)
	require.Len(b.t, rows, 1, "%s is owed", k)
	return rows[0]
}

func (b *bench) owes(k tasks.Key) bool {
	b.t.Helper()
	rows, err := b.Owed(b.ctx, k.Kind, []tasks.Subject{k.Subject}, b.now().Add(100*24*time.Hour))
	require.NoError(b.t, err)
	return len(rows) == 1
}

func (b *bench) dispatched(k tasks.Key) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, d := range b.due {
		if d == k {
			n++
		}
	}
	return n
}

func paid(a *order.Attempt, at time.Time) order.Receipt {
	return order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T" + a.ID.Compact(), Amount: a.Amount, Currency: a.Currency, PaidAt: at}
}

func notice(a *order.Attempt, event string, at time.Time) payment.Notice {
	return payment.Notice{
		EventID: event, Type: payment.PaymentSucceeded, OutTradeNo: a.ID.Compact(), Complete: true,
		Payment: payment.Payment{State: payment.Paid, OutTradeNo: a.ID.Compact(), TradeNo: "T1", Amount: a.Amount, Currency: a.Currency, PaidAt: at},
	}
}

func TestAnOrderComesBackAsItWasMade(t *testing.T) {
	b := newBench(t)
	o, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", MerchantOrderNo: "N-1", Currency: "JPY", FeeBps: 25,
		Items:    []order.Item{{SKU: "a", Name: "茶 \"quoted\" \\ 🍵", Quantity: 2, UnitPrice: 50}, {SKU: "b", Quantity: 1, UnitPrice: 0}},
		Metadata: map[string]string{"k": "line\nbreak"},
	}, "app:test", b.now())
	require.NoError(t, err)
	want := o.Clone()
	want.Forget()
	require.NoError(t, b.Create(b.ctx, o, nil))
	got, err := b.Order(b.ctx, o.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = b.Order(b.ctx, ident.New[order.Order]())
	require.ErrorIs(t, err, order.ErrNotFound)
}

func TestTwentyBuyersForOnePiece(t *testing.T) {
	b := newBench(t)
	_, err := b.SetStock(b.ctx, "m_1", "LAST", 1, "operator:test")
	if errors.Is(err, order.ErrNotFound) { // the merchant must be there first
		seedMerchant(t, b)
		_, err = b.SetStock(b.ctx, "m_1", "LAST", 1, "operator:test")
	}
	require.NoError(t, err)
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		o, _ := b.draft("LAST", 1)
		wg.Go(func() { errs[i] = b.Create(b.ctx, o, nil) })
	}
	wg.Wait()
	sold := 0
	for _, err := range errs {
		var out *order.OutOfStock
		switch {
		case err == nil:
			sold++
		case !errors.As(err, &out):
			t.Errorf("want out of stock, got %v", err)
		}
	}
	require.Equal(t, 1, sold)
	s, err := b.Stock(b.ctx, "m_1", "LAST")
	require.NoError(t, err)
	require.Equal(t, int64(0), s.Available())
}

func TestStockIsHeldConsumedOrReleased(t *testing.T) {
	for _, c := range []struct {
		name         string
		end          func(*order.Order, *order.Attempt, time.Time) error
		onHand, held int64
	}{
		{"held while unpaid", func(*order.Order, *order.Attempt, time.Time) error { return nil }, 10, 3},
		{"consumed when paid", func(o *order.Order, a *order.Attempt, now time.Time) error { return o.Receive(paid(a, now), now) }, 7, 0},
		{"released when closed", func(o *order.Order, a *order.Attempt, now time.Time) error {
			if err := o.Cancel("changed my mind", "app:test", now); err != nil {
				return err
			}
			return o.CloseAttempt(a.ID, "closed", now)
		}, 10, 0},
		{"put back when it could not be delivered", func(o *order.Order, a *order.Attempt, now time.Time) error {
			return errors.Join(o.Receive(paid(a, now), now), o.FailDelivery("broken", "merchant:m_1", now),
				o.SubmitRefund(o.Refunds[0].ID, now), o.SucceedRefund(o.Refunds[0].ID, now))
		}, 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			seedMerchant(t, b)
			_, err := b.SetStock(b.ctx, "m_1", "TEA", 10, "operator:test")
			require.NoError(t, err)
			o, a := b.created("TEA", 3)
			require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return c.end(o, o.Attempt(a.ID), b.now()) }))
			s, err := b.Stock(b.ctx, "m_1", "TEA")
			require.NoError(t, err)
			require.Equal(t, c.onHand, s.OnHand, "on hand")
			require.Equal(t, c.held, s.Held, "held")
		})
	}
}

func TestARefusedNeighbourFailsAlone(t *testing.T) {
	b := newBench(t)
	good, _ := b.created("A", 1)
	bad, _ := b.created("B", 1)
	errs := make([]error, 40)
	var wg sync.WaitGroup
	for i := range errs {
		id, fn := good.ID, func(o *order.Order) error { return o.Cancel("x", "app:test", b.now()) }
		switch i % 4 {
		case 1:
			id, fn = bad.ID, func(*order.Order) error { panic("a fault of ours") }
		case 2:
			id = ident.New[order.Order]()
		case 3:
			id, fn = bad.ID, func(o *order.Order) error {
				_ = o.Cancel("half done", "app:test", b.now())
				return errors.New("second thoughts")
			}
		}
		wg.Go(func() { errs[i] = b.Update(b.ctx, id, nil, fn) })
	}
	wg.Wait()
	first := 0
	for i, err := range errs {
		switch i % 4 {
		case 0:
			if err == nil {
				first++
			} else {
				require.ErrorIs(t, err, order.ErrAlready)
			}
		case 1:
			require.ErrorContains(t, err, "a fault of ours")
		case 2:
			require.ErrorIs(t, err, order.ErrNotFound)
		case 3:
			require.ErrorContains(t, err, "second thoughts")
		}
	}
	require.Equal(t, 1, first, "one cancel is the first")
	require.Equal(t, order.PendingPay, b.status(bad.ID), "a change that failed left nothing behind")
}

func TestAPoisonedStatementIsTriedOneByOne(t *testing.T) {
	b := newBench(t)
	first, _ := b.draft("A", 1)
	require.NoError(t, b.Create(b.ctx, first, nil))
	twin := first.Clone() // the same primary key again: the INSERT fails in the database
	errs := make([]error, 30)
	var wg sync.WaitGroup
	for i := range errs {
		o, _ := b.draft("A", 1)
		if i == 11 {
			o = twin
		}
		wg.Go(func() { errs[i] = b.Create(b.ctx, o, nil) })
	}
	wg.Wait()
	for i, err := range errs {
		if i == 11 {
			require.Error(t, err)
		} else {
			require.NoError(t, err)
		}
	}
}

func TestChangesThatArriveTogetherShareACommit(t *testing.T) {
	b := newBench(t)
	const n = 400
	var wg sync.WaitGroup
	for range n {
		o, _ := b.draft("A", 1)
		wg.Go(func() {
			if err := b.Create(b.ctx, o, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Less(t, len(b.batch), n/4, "commits for %d orders: %v", n, b.batch)
}

func TestIdempotencyKeys(t *testing.T) {
	request := func(key, body string) *once.Request {
		return &once.Request{Scope: "app:test", Key: key, Hash: sha256.Sum256([]byte(body)), Answer: func() (int, []byte) { return 201, []byte("made " + body) }}
	}
	t.Run("the same again is answered the same and makes nothing", func(t *testing.T) {
		b := newBench(t)
		o, _ := b.draft("A", 1)
		require.NoError(t, b.Create(b.ctx, o, request("k", "x")))
		again, _ := b.draft("A", 1)
		var replay *once.Replay
		require.ErrorAs(t, b.Create(b.ctx, again, request("k", "x")), &replay)
		require.Equal(t, "made x", string(replay.Body))
		require.Equal(t, 201, replay.Status)
		_, err := b.Order(b.ctx, again.ID)
		require.ErrorIs(t, err, order.ErrNotFound)
	})
	t.Run("another body is refused", func(t *testing.T) {
		b := newBench(t)
		o, _ := b.draft("A", 1)
		require.NoError(t, b.Create(b.ctx, o, request("k", "x")))
		other, _ := b.draft("A", 1)
		require.ErrorIs(t, b.Create(b.ctx, other, request("k", "y")), once.ErrReused)
	})
	t.Run("forty at once make one order", func(t *testing.T) {
		b := newBench(t)
		second := db.NewStore(b.DB, db.StoreOptions{Log: zap.NewNop()}) // as another process has it
		t.Cleanup(second.Close)
		var wg sync.WaitGroup
		errs := make([]error, 40)
		for i := range errs {
			o, _ := b.draft("A", 1)
			store := b.Store
			if i%2 == 1 {
				store = second
			}
			wg.Go(func() { errs[i] = store.Create(b.ctx, o, request("k", "x")) })
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			var replay *once.Replay
			if err == nil {
				made++
			} else {
				require.ErrorAs(t, err, &replay)
			}
		}
		require.Equal(t, 1, made)
	})
	t.Run("a refused change keeps no answer", func(t *testing.T) {
		b := newBench(t)
		o, _ := b.created("A", 1)
		refuse := func(*order.Order) error { return &order.Refusal{Step: "pay", Why: "no"} }
		require.ErrorIs(t, b.Update(b.ctx, o.ID, request("k", "x"), refuse), order.ErrNotAllowed)
		require.NoError(t, b.Update(b.ctx, o.ID, request("k", "x"), func(*order.Order) error { return nil }))
	})
}

func TestAMerchantsNumberIsTakenOnce(t *testing.T) {
	b := newBench(t)
	numbered := func() *order.Order {
		o, err := order.New(ident.New[order.Order](), order.Draft{
			MerchantID: "m_1", BuyerID: "b", Currency: "CNY", MerchantOrderNo: "N-1",
			Items: []order.Item{{SKU: "a", Quantity: 1, UnitPrice: 5}},
		}, "app:test", b.now())
		require.NoError(t, err)
		return o
	}
	second := db.NewStore(b.DB, db.StoreOptions{Log: zap.NewNop()})
	t.Cleanup(second.Close)
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		o, store := numbered(), b.Store
		if i%2 == 1 {
			store = second
		}
		wg.Go(func() { errs[i] = store.Create(b.ctx, o, nil) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			require.ErrorIs(t, err, order.ErrNumberTaken)
		}
	}
	require.Equal(t, 1, made)
}

func TestTwoProcessesChangeOneOrder(t *testing.T) {
	b := newBench(t)
	second := db.NewStore(b.DB, db.StoreOptions{Log: zap.NewNop()})
	t.Cleanup(second.Close)
	o, a := b.created("A", 1)
	var wg sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		store := b.Store
		if i%2 == 1 {
			store = second
		}
		wg.Go(func() {
			errs[i] = store.Update(b.ctx, o.ID, nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) })
		})
	}
	wg.Wait()
	first := 0
	for _, err := range errs {
		if err == nil {
			first++
		} else {
			require.ErrorIs(t, err, order.ErrAlready)
		}
	}
	require.Equal(t, 1, first)
}

func TestAContextThatEndsBeforeItsTurnChangesNothing(t *testing.T) {
	b := newBench(t)
	o, _ := b.draft("A", 1)
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	err := b.Create(ended, o, nil)
	_, found := b.Order(b.ctx, o.ID)
	if err == nil {
		require.NoError(t, found, "taken before the context was looked at: then it is there")
	} else {
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, found, order.ErrNotFound)
	}
}

func TestAClosedStoreRefuses(t *testing.T) {
	b := newBench(t)
	o, _ := b.draft("A", 1)
	b.Store.Close()
	b.Store.Close()
	require.ErrorIs(t, b.Create(b.ctx, o, nil), order.ErrBusy)
}

func seedMerchant(t *testing.T, b *bench) {
	t.Helper()
	_, err := b.ExecContext(b.ctx, "INSERT INTO merchants (id) VALUES ('m_1') ON CONFLICT DO NOTHING")
	require.NoError(t, err)
}

func closeKey(o *order.Order) tasks.Key { return tasks.About(tasks.OrderClose, o.ID) }

func confirmKey(a *order.Attempt) tasks.Key { return tasks.About(tasks.PaymentConfirm, a.ID) }

var errTest = fmt.Errorf("the test says so")

// A batch is run again only when it is certain that nothing of it was written: the
// server may end a connection right after its commit.
func TestWhatIsCertainlyUndone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		undone bool
	}{
		"a statement failed":     {&pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "23514"}, true},
		"and so it was wrapped":  {fmt.Errorf("create orders: %w", &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "23514"}), true},
		"an administrator ended": {&pgconn.PgError{SeverityUnlocalized: "FATAL", Code: "57P01"}, false},
		"the server crashed":     {&pgconn.PgError{SeverityUnlocalized: "PANIC", Code: "XX000"}, false},
		"the connection broke":   {io.ErrUnexpectedEOF, false},
		"the number is taken":    {order.ErrNumberTaken, true},
		"all is well":            {nil, false},
	} {
		require.Equal(t, c.undone, db.Undone(c.err), name)
	}
}
