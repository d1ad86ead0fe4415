package workers

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

func TestEveryKindHasOneWorker(t *testing.T) {
	t.Parallel()
	all := All(Deps{})
	found, err := byKind(all)
	require.NoError(t, err)
	require.Len(t, found, len(tasks.Specs()))

	_, err = byKind(append(all, paymentQuery{}))
	require.EqualError(t, err, "task kind payment:query has two workers")
	_, err = byKind(all[1:])
	require.EqualError(t, err, "task kind payment:confirm has no worker")
	_, err = byKind(append(all, stranger{}))
	require.ErrorContains(t, err, `unknown task kind "no:such:kind"`)
	_, err = Start(Options{}, nil, all[1:])
	require.Error(t, err, "a missing worker stops the start")
}

type stranger struct{ paymentQuery }

func (stranger) Kind() tasks.Kind { return "no:such:kind" }

func TestUnreadableBundlesAreNotTriedAgain(t *testing.T) {
	for name, payload := range map[string]string{
		"not JSON":         "\x00",
		"another release":  `{"v":2,"ids":["0190a7b0-0000-7000-8000-000000000000"]}`,
		"nothing in it":    `{"v":1,"ids":[]}`,
		"no such identity": `{"v":1,"ids":["seven"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := (&bench{t: t, clock: &clock{}}).runner(tasks.PaymentConfirm, newBusy())
			err := r.ProcessTask(t.Context(), asynq.NewTask("payment:confirm", []byte(payload)))
			require.ErrorIs(t, err, asynq.SkipRetry)
		})
	}
}

func TestLocalKindsSettleInOneCommit(t *testing.T) {
	b := newBench(t)
	var due []tasks.Key
	for range 5 {
		o := b.bare()
		due = append(due, expiryOf(o))
	}
	b.due(due[0])
	require.NoError(t, b.run(due...))
	require.Equal(t, []int{5}, b.commits)
	for _, k := range due {
		b.gone(k)
	}
}

func TestRowsOfABundleFailAlone(t *testing.T) {
	b := newBench(t)
	_, a := b.created()
	_, slow := b.created()
	_, broken := b.created()
	b.due(queryOf(a))
	settled := make(chan struct{})
	b.deps.Store = &meddler{Store: b.Store, settle: func(tries []tasks.Settlement) error {
		if len(tries) == 1 && tries[0].Row.Key == queryOf(a) {
			defer close(settled)
		}
		return nil
	}}
	b.channel.query = func(_ context.Context, no string) (payment.Payment, error) {
		switch no {
		case broken.ID.Compact():
			panic("index out of range")
		case slow.ID.Compact():
			<-settled // while this one waits the other is settled
			return payment.Payment{}, trouble(payment.Unknown)
		}
		return answer(a, payment.Paid, b.clock.now()), nil
	}
	require.NoError(t, b.run(queryOf(a), queryOf(slow), queryOf(broken)), "what became of a row is written in the row")
	b.gone(queryOf(a))
	require.Contains(t, b.row(queryOf(slow)).LastError, "unknown")
	require.Contains(t, b.row(queryOf(broken)).LastError, "panic: index out of range")
	require.Equal(t, 1, b.row(queryOf(broken)).Attempts)
	require.ElementsMatch(t, []string{"payment:query done", "payment:query later", "payment:query panic", "payment:query later"}, b.outcomes)
}

func TestAPanicInALocalWorkerIsARowThatFailed(t *testing.T) {
	b := newBench(t)
	o := b.bare()
	b.due(expiryOf(o))
	r := b.runner(tasks.OrderClose, b.here)
	r.worker = careless{}
	require.NoError(t, r.ProcessTask(b.ctx, bundleOf(expiryOf(o))))
	require.Contains(t, b.row(expiryOf(o)).LastError, "panic: assignment to nil map")
	b.due(expiryOf(o))
	require.Equal(t, []string{"order:close done"}, b.ran(expiryOf(o)))
}

type careless struct{}

func (careless) Kind() tasks.Kind { return tasks.OrderClose }

func (careless) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(context.Context, tasks.Row) tasks.Settlement { panic("assignment to nil map") }, nil
}

func TestWhatOurOwnServersFailIsTriedAgainByAsynq(t *testing.T) {
	shared := newBench(t)
	away := errors.New("connection refused")
	for name, c := range map[string]struct {
		fails   meddler
		called  int
		outcome []string
	}{
		"reading the rows": {meddler{owed: func(tasks.Kind) error { return away }}, 0, nil},
		"settling":         {meddler{settle: func([]tasks.Settlement) error { return away }}, 1, []string{"payment:query lost"}},
		"too busy":         {meddler{settle: func([]tasks.Settlement) error { return order.ErrBusy }}, 1, []string{"payment:query lost"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			_, a := b.created()
			b.due(queryOf(a))
			b.channel.query = func(context.Context, string) (payment.Payment, error) {
				return answer(a, payment.Paid, b.clock.now()), nil
			}
			c.fails.Store = b.Store
			b.deps.Store = &c.fails
			err := b.run(queryOf(a))
			require.Error(t, err)
			require.NotErrorIs(t, err, asynq.SkipRetry)
			require.Equal(t, c.called, b.channel.called())
			require.Equal(t, c.outcome, b.outcomes)
			require.Zero(t, b.row(queryOf(a)).Attempts, "it costs the row no try")
			b.deps.Store = b.Store
			require.Equal(t, "payment:query done", b.ran(queryOf(a))[0])
		})
	}
}

func TestARowThatAnotherSettledIsGone(t *testing.T) {
	b := newBench(t)
	o, a := b.created()
	b.due(queryOf(a))
	b.channel.query = func(context.Context, string) (payment.Payment, error) {
		b.step(o.ID, func(o *order.Order) error { return o.Receive(receipt(a, b.clock.now()), b.clock.now()) })
		return answer(a, payment.Paid, b.clock.now()), nil
	}
	require.Equal(t, []string{"payment:query gone"}, b.ran(queryOf(a)))
	require.Equal(t, 1, b.happened(o.ID, order.EventPaid))
}

func TestARowInTwoBundlesIsTriedOnce(t *testing.T) {
	b := newBench(t)
	o, a := b.created()
	_, other := b.created()
	b.due(queryOf(a))
	entered, free := make(chan struct{}), make(chan struct{})
	b.channel.query = func(_ context.Context, no string) (payment.Payment, error) {
		if no == other.ID.Compact() {
			return answer(other, payment.Pending, b.clock.now()), nil
		}
		close(entered) // a second time would panic
		<-free
		return answer(a, payment.Paid, b.clock.now()), nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.run(queryOf(a)); err != nil {
			t.Error(err)
		}
	})
	soon(t, entered)
	require.NoError(t, b.run(queryOf(a), queryOf(other)), "the second bundle leaves it to the first")
	require.Equal(t, 1, b.row(queryOf(other)).Attempts, "and does its other rows")
	close(free)
	wg.Wait()
	require.Equal(t, order.Paid, b.order(o.ID).Status)
	require.Empty(t, b.here.rows, "nothing stays claimed")
}

func TestARowThatIsOwedAnewNeedNotWait(t *testing.T) {
	b := newBench(t)
	_, a := b.created()
	b.due(queryOf(a))
	entered, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.channel.query = func(context.Context, string) (payment.Payment, error) {
		first := false
		once.Do(func() { first = true })
		if !first {
			return answer(a, payment.Paid, b.clock.now()), nil
		}
		close(entered)
		<-free
		return payment.Payment{}, trouble(payment.Unknown)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.run(queryOf(a)); err != nil {
			t.Error(err)
		}
	})
	soon(t, entered) // the channel hangs
	require.NoError(t, b.Requeue(b.ctx, queryOf(a), "operator:alice", "mended", b.clock.now()))
	require.Equal(t, []string{"payment:query done"}, b.ran(queryOf(a)))
	close(free)
	wg.Wait()
	require.Equal(t, []string{"payment:query done", "payment:query gone"}, b.outcomes)
}

func TestBeingStoppedCostsTheRowNoTry(t *testing.T) {
	b := newBench(t)
	_, a := b.created()
	b.due(queryOf(a))
	ctx, stop := context.WithCancel(b.ctx)
	b.channel.query = func(ctx context.Context, _ string) (payment.Payment, error) {
		stop()
		<-ctx.Done()
		return payment.Payment{}, &payment.Error{Class: payment.Unknown, Op: "sandbox query", Err: ctx.Err()}
	}
	require.NoError(t, b.runner(tasks.PaymentQuery, b.here).ProcessTask(ctx, bundleOf(queryOf(a))))
	row := b.row(queryOf(a))
	require.Zero(t, row.Attempts)
	require.Empty(t, row.LastError)
	require.Empty(t, b.outcomes)
}

func TestWhatIsDoneWhileWeAreStoppedIsWritten(t *testing.T) {
	b := newBench(t)
	o, a := b.created()
	b.due(queryOf(a))
	ctx, stop := context.WithCancel(b.ctx)
	b.channel.query = func(context.Context, string) (payment.Payment, error) {
		stop()
		return answer(a, payment.Paid, b.clock.now()), nil
	}
	require.NoError(t, b.runner(tasks.PaymentQuery, b.here).ProcessTask(ctx, bundleOf(queryOf(a))))
	require.Equal(t, order.Paid, b.order(o.ID).Status)
}

func TestBundlesThatFailComeBackSpreadOut(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		most := min(time.Second<<min(n, 10), 30*time.Second)
		for range 50 {
			d := retryDelay(n, nil, nil)
			require.True(t, d >= 0 && d < most, "after %d: %v", n, d)
		}
	}
}
