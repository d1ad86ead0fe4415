package workers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
)

func TestAPoisonedBundleIsArchivedAndItsRowDoneAllTheSame(t *testing.T) {
	l := newLive(t)
	l.known()
	l.dispatch = func([]tasks.Key) {} // in its place comes the poison
	_, a := l.created()
	l.receive(callback(a, "e1", l.clock.now()))
	_, err := l.client.Enqueue(asynq.NewTask(string(tasks.PaymentConfirm), []byte("poison")), asynq.Queue(string(tasks.Critical)))
	require.NoError(t, err)
	l.serve(Options{})
	l.archived(tasks.Critical, 1)

	l.dispatch = l.dispatcher.Dispatch
	l.relay(relay.Options{Now: func() time.Time { return time.Now().Add(time.Minute) }})
	require.Equal(t, "done", l.next(tasks.PaymentConfirm).outcome)
	l.gone(confirmOf(a))
	l.archived(tasks.Critical, 1)
}

func TestATaskOfAnUnknownKindIsArchived(t *testing.T) {
	l := newLive(t)
	l.serve(Options{})
	for _, kind := range []string{"no:such:kind", "order:close:later", "order"} {
		_, err := l.client.Enqueue(asynq.NewTask(kind, tasks.Encode([]tasks.Subject{ident.New[struct{}]()})), asynq.Queue(string(tasks.Default)))
		require.NoError(t, err)
	}
	l.archived(tasks.Default, 3)
}

func TestAPanicLeavesTheSlotAlive(t *testing.T) {
	l := newLive(t)
	l.serve(Options{Concurrency: 1})
	_, a := l.created()
	_, next := l.created()
	l.channel.query = func(_ context.Context, no string) (payment.Payment, error) {
		if no == a.ID.Compact() {
			panic("nil pointer")
		}
		return answer(next, payment.Paid, l.clock.now()), nil
	}
	require.NoError(t, l.Requeue(l.ctx, queryOf(a), "operator:alice", "mended", l.clock.now()))
	l.dispatcher.Dispatch([]tasks.Key{queryOf(a)})
	require.Equal(t, "panic", l.next(tasks.PaymentQuery).outcome)
	require.Equal(t, "later", l.next(tasks.PaymentQuery).outcome)
	require.Contains(t, l.row(queryOf(a)).LastError, "panic: nil pointer")

	require.NoError(t, l.Requeue(l.ctx, queryOf(next), "operator:alice", "mended", l.clock.now()))
	l.dispatcher.Dispatch([]tasks.Key{queryOf(next)})
	require.Equal(t, "done", l.next(tasks.PaymentQuery).outcome)
}

func TestABundleOutlivesAnOutageOfTheDatabase(t *testing.T) {
	l := newLive(t)
	var calls atomic.Int32
	l.deps.Store = &meddler{Store: l.Store, owed: func(k tasks.Kind) error {
		if k == tasks.PaymentConfirm && calls.Add(1) == 1 {
			return errors.New("connection refused")
		}
		return nil
	}}
	l.serve(Options{})
	o, a := l.created()
	l.receive(callback(a, "e1", l.clock.now()))
	require.Equal(t, "done", l.next(tasks.PaymentConfirm).outcome, "without the relay's help")
	require.Equal(t, order.Paid, l.order(o.ID).Status)
	require.EqualValues(t, 2, calls.Load())
}

// hangs is a neighbour that takes a call and does not answer until free is
// closed, or the caller gives up.
func hangs(t *testing.T) (url string, entered, free chan struct{}) {
	t.Helper()
	entered, free = make(chan struct{}, 100), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the caller went away
		entered <- struct{}{}
		select {
		case <-free:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, entered, free
}

func TestBeingStoppedWhileAMerchantIsSlow(t *testing.T) {
	l := newLive(t)
	url, entered, free := hangs(t)
	notifier := merchant.NewNotifier(merchant.Options{AllowLoopback: true})
	t.Cleanup(notifier.Close)
	l.deps.Sender = notifier
	e := l.endpoint()
	_, err := l.ExecContext(l.ctx, "UPDATE endpoints SET url = ? WHERE id = ?", url, e.ID)
	require.NoError(t, err)
	k := l.stoppedMidway(entered, func() tasks.Key {
		o, _ := l.paid()
		return notifyOf(o)
	})
	close(free)
	l.serve(Options{})
	require.Equal(t, "done", l.next(k.Kind).outcome, "asynq gave the bundle back, and the next server does it")
	l.gone(k)
	require.Len(t, entered, 1, "the merchant was told once more")
}

func TestBeingStoppedWhileAChannelIsSlow(t *testing.T) {
	l := newLive(t)
	url, entered, _ := hangs(t)
	hanging, err := sandbox.New(sandbox.Options{BaseURL: url, Secret: "s"})
	require.NoError(t, err)
	l.deps.Channels = payment.Registry{"sandbox": hanging}
	o, a := l.created()
	k := l.stoppedMidway(entered, func() tasks.Key {
		require.NoError(t, l.Requeue(l.ctx, queryOf(a), "operator:alice", "mended", l.clock.now()))
		l.dispatcher.Dispatch([]tasks.Key{queryOf(a)})
		return queryOf(a)
	})
	l.deps.Channels = payment.Registry{"sandbox": l.channel}
	l.channel.query = func(context.Context, string) (payment.Payment, error) {
		return answer(a, payment.Paid, l.clock.now()), nil
	}
	l.serve(Options{})
	require.Equal(t, "done", l.next(k.Kind).outcome, "asynq gave the bundle back, and the next server does it")
	require.Equal(t, order.Paid, l.order(o.ID).Status)
}

// stoppedMidway stops a server while its worker waits for a neighbour.
func (l *live) stoppedMidway(entered <-chan struct{}, owe func() tasks.Key) tasks.Key {
	l.t.Helper()
	s := l.serve(Options{ShutdownTimeout: 50 * time.Millisecond})
	k := owe()
	soon(l.t, entered)
	before := l.row(k)
	began := time.Now()
	s.Stop()
	require.Less(l.t, time.Since(began), 5*time.Second)
	s.Stop() // again is safe
	require.Zero(l.t, before.Attempts)
	require.Equal(l.t, before, l.row(k), "it costs the row no try, and nothing is written of it")
	return k
}

func TestStoppingWaitsForWhatIsInHand(t *testing.T) {
	l := newLive(t)
	entered, free := make(chan struct{}), make(chan struct{})
	o, a := l.created()
	l.channel.query = func(context.Context, string) (payment.Payment, error) {
		close(entered)
		<-free
		return answer(a, payment.Paid, l.clock.now()), nil
	}
	s := l.serve(Options{ShutdownTimeout: 20 * time.Second})
	require.NoError(t, l.Requeue(l.ctx, queryOf(a), "operator:alice", "mended", l.clock.now()))
	l.dispatcher.Dispatch([]tasks.Key{queryOf(a)})
	soon(t, entered)
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.Stop() }()
	select {
	case <-stopped:
		require.Fail(t, "stopped with a payment in hand")
	case <-time.After(100 * time.Millisecond):
	}
	close(free)
	soon(t, stopped)
	require.Equal(t, order.Paid, l.order(o.ID).Status)
}

// It runs before the parallel tests do, alone.
func TestAServerLeavesNothingBehind(t *testing.T) { //nolint:paralleltest // it counts goroutines
	client := redisOf(t)
	require.NoError(t, client.Ping(t.Context()).Err())
	before := goleak.IgnoreCurrent()
	s, err := Start(Options{Redis: client, Log: zap.NewNop(), ShutdownTimeout: time.Second}, nil, All(Deps{Now: time.Now}))
	require.NoError(t, err)
	s.Stop()
	s.Stop()
	goleak.VerifyNone(t, before,
		// Where Redis runs inside the test, its side of our connections ends a moment later.
		goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2/server.(*Server).servePeer"),
		goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2/server.(*Server).servePeer.func2"))
}

// Every queue is emptied, by one asynq server, and order.paid weighs more than
// news.
func TestEveryQueueHasItsLane(t *testing.T) {
	t.Parallel()
	weights := map[tasks.Queue]int{}
	for _, l := range (Options{}).withDefaults().lanes() {
		require.Positive(t, l.concurrency)
		for q, weight := range l.queues {
			require.Zero(t, weights[tasks.Queue(q)], "%s is in one lane", q)
			weights[tasks.Queue(q)] = weight
		}
	}
	require.Len(t, weights, len(tasks.Queues()))
	for _, q := range tasks.Queues() {
		require.Positive(t, weights[q], q)
	}
	require.Greater(t, weights[tasks.Notices], weights[tasks.News])
}
