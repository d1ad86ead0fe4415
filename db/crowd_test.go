package db_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// another is a second process on the same database; its log is watched for
// batches that were undone.
func (b *bench) another() (*db.Store, *observer.ObservedLogs) {
	core, said := observer.New(zapcore.WarnLevel)
	s := db.NewStore(b.DB, db.StoreOptions{Log: zap.New(core)})
	b.t.Cleanup(s.Close)
	return s, said
}

// Two processes poll each other's orders while they book payments of their
// own: what one holds the other wants, unless both lock in one order.
func TestTwoProcessesSettleCrosswiseWithoutDeadlock(t *testing.T) {
	b := newBench(t)
	second, undone := b.another()
	var attempts []*order.Attempt
	for range 60 {
		_, a := b.created("A", 1)
		attempts = append(attempts, a)
	}
	polls := make([]tasks.Row, len(attempts))
	for i, a := range attempts {
		polls[i] = b.row(tasks.About(tasks.PaymentQuery, a.ID))
	}
	var wg sync.WaitGroup
	for i := range attempts {
		poller, booker := b.Store, second
		if i%2 == 1 {
			poller, booker = second, b.Store
		}
		wg.Go(func() { poller.Settle(b.ctx, tasks.Settlement{Row: polls[i], Verdict: tasks.Later(nil)}) })
		wg.Go(func() {
			a := attempts[len(attempts)-1-i]
			if err := booker.Update(b.ctx, order.Family(a.ID), nil, func(o *order.Order) error { return o.Receive(paid(a, b.now()), b.now()) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Empty(t, undone.All())
}

// An INSERT waits for another process's uncommitted row of the same key: two
// processes that are told the same must write it in one order, and once.
func TestCallbacksOfABatchAreWrittenInOneOrder(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"a/1", "a/2", "b/1", "b/3"}, db.WrittenAs("b/3", "a/2", "b/1", "a/2", "a/1"))
}

func TestAChannelSpeaksForItsOwnPaymentsOnly(t *testing.T) {
	b := newBench(t)
	o, a := b.created("A", 1)
	require.NoError(t, b.Receive(b.ctx, "another", notice(a, "e1", b.now()), []byte("{}"), b.now()))
	require.False(t, b.owes(confirmKey(a)))
	require.NoError(t, b.Update(b.ctx, o.ID, nil, func(o *order.Order) error {
		return errors.Join(o.Receive(paid(a, b.now()), b.now()), o.FailDelivery("x", "merchant:m_1", b.now()))
	}))
	refund := ident.WithPart[order.Refund](a.ID, 0x40)
	about := payment.Notice{EventID: "e2", Type: payment.RefundSucceeded, OutTradeNo: a.ID.Compact(), OutRefundNo: refund.Compact()}
	query := tasks.About(tasks.RefundQuery, refund)
	require.NoError(t, b.Receive(b.ctx, "another", about, []byte("{}"), b.now()))
	require.False(t, b.owes(query))
	require.NoError(t, b.Receive(b.ctx, "sandbox", about, []byte("{}"), b.now()))
	require.True(t, b.owes(query))
}

// The same request at two processes at once, with a number of the merchant's:
// whichever constraint it meets first, the second gets the first's answer.
func TestARepeatAtAnotherProcessIsAReplay(t *testing.T) {
	b := newBench(t)
	second, _ := b.another()
	for i := range 150 {
		key := fmt.Sprint("k", i)
		req := func() *once.Request {
			return &once.Request{Scope: "app", Key: key, Hash: sha256.Sum256([]byte(key)), Answer: func() (int, []byte) { return 201, []byte(key) }}
		}
		numbered := func() *order.Order {
			o, err := order.New(ident.New[order.Order](), order.Draft{
				MerchantID: "m_1", BuyerID: "b", Currency: "CNY", MerchantOrderNo: key,
				Items: []order.Item{{SKU: "a", Quantity: 1, UnitPrice: 5}},
			}, "app:test", b.now())
			require.NoError(t, err)
			return o
		}
		var errs [2]error
		var wg sync.WaitGroup
		for j, s := range []*db.Store{b.Store, second} {
			o := numbered()
			wg.Go(func() { errs[j] = s.Create(b.ctx, o, req()) })
		}
		wg.Wait()
		var replay *once.Replay
		if errs[0] != nil {
			errs[0], errs[1] = errs[1], errs[0]
		}
		require.NoError(t, errs[0])
		require.ErrorAs(t, errs[1], &replay)
	}
}

// A callback that said too little brings the question to the channel forward,
// also when the question is just being put off in the same commit.
func TestANudgeIsNotLostToAnOlderTry(t *testing.T) {
	b := newBench(t)
	_, a := b.created("A", 1)
	require.NoError(t, b.Receive(b.ctx, "sandbox", payment.Notice{EventID: "e1", OutTradeNo: a.ID.Compact()}, []byte("{}"), b.now()))
	confirm, query := b.row(confirmKey(a)), b.row(tasks.About(tasks.PaymentQuery, a.ID))
	query.Attempts = 7 // far up the ladder
	errs := b.Settle(b.ctx,
		tasks.Settlement{Row: confirm, Verdict: tasks.Done(), Owes: []tasks.Message{{Key: query.Key, Due: b.now()}}},
		tasks.Settlement{Row: query, Verdict: tasks.Later(nil)})
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], tasks.ErrGone)
	require.Less(t, time.Until(b.row(query.Key).DueAt), time.Second)
}

func TestAPanicInTheDoorsAnswerFailsAlone(t *testing.T) {
	b := newBench(t)
	broken := &once.Request{Scope: "app", Key: "k", Answer: func() (int, []byte) { panic("no answer") }}
	errs := make([]error, 9)
	var wg sync.WaitGroup
	for i := range errs {
		o, _ := b.draft("A", 1)
		var req *once.Request
		if i == 4 {
			req = broken
		}
		wg.Go(func() { errs[i] = b.Create(b.ctx, o, req) })
	}
	wg.Wait()
	for i, err := range errs {
		if i == 4 {
			require.ErrorContains(t, err, "no answer")
		} else {
			require.NoError(t, err)
		}
	}
}

// The planner takes a range of ids for a ninth of the table, and once read all
// of it for every batch.
func TestPartsAreFoundByTheirKey(t *testing.T) {
	b := newBench(t)
	_, err := b.ExecContext(b.ctx, `INSERT INTO attempts (id, channel, status, amount, currency, expire_at, created_at)
		SELECT (lpad(to_hex(n), 30, '0') || '01')::uuid, 'x', 'closed', 1, 'CNY', now(), now() FROM generate_series(1, 50000) n; ANALYZE attempts`)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = b.ExecContext(b.ctx, `DELETE FROM attempts WHERE channel = 'x'`) })
	var ids []string
	for i := range 256 {
		ids = append(ids, fmt.Sprintf("'%030x00'", i*190))
	}
	first := "ARRAY[" + strings.Join(ids, ",") + "]"
	text := strings.NewReplacer("$1::uuid[]", first+"::uuid[]", "$2::uuid[]", strings.ReplaceAll(first, "00'", "ff'")+"::uuid[]").Replace(db.PartsOfAttempts())
	var plan []string
	require.NoError(t, b.NewRaw("EXPLAIN "+text).Scan(b.ctx, &plan))
	require.Contains(t, strings.Join(plan, "\n"), "Index Cond: ((id > o.first) AND (id <= o.last))")
}
