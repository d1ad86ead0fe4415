package workers

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// undelivered is what an endpoint has yet to acknowledge, page by page.
func (b *bench) undelivered(e merchant.Endpoint) (list []merchant.Undelivered) {
	b.t.Helper()
	for f := (merchant.UndeliveredFilter{MerchantID: b.seller, Endpoint: e.ID, Limit: 2}); ; {
		page, err := b.Undelivered(b.ctx, f)
		require.NoError(b.t, err)
		if len(page) == 0 {
			return list
		}
		list = append(list, page...)
		f.After = page[len(page)-1].Place()
	}
}

// notTaken are the ids of what an endpoint has yet to acknowledge, as the log of
// notices has it: it must be the list that is fetched.
func (b *bench) notTaken(e merchant.Endpoint) []string {
	b.t.Helper()
	records, err := b.NoticeRecords(b.ctx, merchant.NoticeFilter{MerchantID: b.seller, Endpoint: e.ID, Undelivered: true})
	require.NoError(b.t, err)
	logged, fetched := map[string]bool{}, []string{}
	for _, r := range records {
		logged[r.ID] = true
	}
	for _, u := range b.undelivered(e) {
		require.True(b.t, logged[u.ID], "fetched, and not in the log's list: %s", u.ID)
		fetched = append(fetched, u.ID)
	}
	require.Len(b.t, records, len(fetched))
	return fetched
}

func (b *bench) ack(e merchant.Endpoint, notices ...string) int {
	b.t.Helper()
	b.clock.forward(time.Second)
	n, err := b.Acknowledge(b.ctx, b.seller, e.ID, notices, b.clock.now())
	require.NoError(b.t, err)
	return n
}

// A merchant whom nobody can reach lives from fetching alone: his endpoint is
// paused, and nothing is sent.
func TestAMerchantLivesFromFetching(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	var want []string
	for range 5 {
		want = append(want, noticeOf(b.told()))
		b.clock.forward(time.Second)
	}
	list := b.undelivered(e)
	var got []string
	for _, u := range list {
		got = append(got, u.ID)
		require.Equal(t, merchant.Held, u.Reason)
		n, err := b.Notice(b.ctx, u.ID)
		require.NoError(t, err)
		require.Equal(t, n, u.Notice, "to the byte")
	}
	require.Equal(t, want, got, "oldest first")
	require.Equal(t, 2, b.ack(e, want[1], want[0]))
	require.Equal(t, 1, b.ack(e, want[1], want[2], want[2]), "twice is once")
	require.Len(t, b.undelivered(e), 2)
	for _, id := range want[:3] {
		r, err := b.NoticeRecord(b.ctx, id)
		require.NoError(t, err)
		require.Equal(t, merchant.NoticeDelivered, r.State)
		log, err := b.AttemptLog(b.ctx, merchant.AttemptFilter{NoticeID: id})
		require.NoError(t, err)
		require.Len(t, log, 1)
		require.True(t, log[0].OK && log[0].Pulled)
	}
	b.step(orderOf(b, want[3]).ID, func(o *order.Order) error { return o.Accept("merchant:m_1", b.clock.now()) })
	require.Len(t, b.undelivered(e), 1, "what is pointless need not be fetched")
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	b.look(e)
	require.Equal(t, 1, b.sender.told(e), "the rest is told")
	require.Empty(t, b.undelivered(e))
}

// A notice is fetched from its commit on: before its first try, and in turn with what
// waits for longer.
func TestWhatIsAboutToBeToldIsFetched(t *testing.T) {
	b := newBench(t)
	e, other, deaf := b.endpoint(), b.endpoint(), b.endpoint()
	deaf.Events = []string{"refund.*"}
	require.NoError(t, b.ChangeEndpoint(b.ctx, deaf, b.clock.now()))
	b.sender.answer(e, answered(500, 0))
	failed := b.told()
	b.clock.forward(time.Second)
	fresh, _ := b.paid()
	b.clock.forward(time.Second)
	second, _ := b.paid()
	require.Equal(t, []string{noticeOf(failed), noticeOf(fresh), noticeOf(second)}, b.notTaken(e), "what has waited longest first")
	require.Equal(t, []string{noticeOf(fresh), noticeOf(second)}, b.notTaken(other))
	require.Empty(t, b.notTaken(deaf))
	u := b.undelivered(other)[0]
	require.Equal(t, merchant.Queued, u.Reason)
	require.Zero(t, u.Attempts)
	n, err := b.Notice(b.ctx, u.ID)
	require.NoError(t, err)
	require.Equal(t, n, u.Notice, "to the byte")

	require.Equal(t, 1, b.ack(other, noticeOf(fresh)))
	require.Equal(t, []string{noticeOf(second)}, b.notTaken(other))
	before := b.sender.told(e)
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(fresh)))
	require.Equal(t, 1, b.sender.told(other), "that before, and not what it has fetched")
	require.Equal(t, before+1, b.sender.told(e), "who has not is told")
	require.Contains(t, b.notTaken(e), noticeOf(fresh))
}

// order.paid waits for its merchant's first endpoint. It is in the log before there
// is one, is fetched from then on, and not told once it was.
func TestWhatWaitsForAnEndpointIsFetched(t *testing.T) {
	b := newBench(t)
	o, _ := b.paid()
	inLog := func() []merchant.NoticeRecord {
		list, err := b.NoticeRecords(b.ctx, merchant.NoticeFilter{MerchantID: b.seller, Undelivered: true})
		require.NoError(t, err)
		return list
	}
	require.Len(t, inLog(), 1)
	require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
	require.Len(t, inLog(), 1)
	require.Contains(t, inLog()[0].LastError, "register one")

	e := b.endpoint()
	require.Equal(t, []string{noticeOf(o)}, b.notTaken(e))
	u := b.undelivered(e)[0]
	require.Equal(t, merchant.Retry, u.Reason)
	require.Equal(t, 1, u.Attempts)
	require.Contains(t, u.LastError, "register one")
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	require.Equal(t, merchant.Held, b.undelivered(e)[0].Reason)

	require.Equal(t, 1, b.ack(e, noticeOf(o)))
	require.Empty(t, b.notTaken(e))
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)), "at once, and for nobody")
	b.gone(notifyOf(o))
	require.Zero(t, b.sender.told(e))
	require.Empty(t, inLog())
}

// What is dead is fetched as well; once each endpoint has taken it, no operator
// need look any more.
func TestWhatIsDeadIsFetched(t *testing.T) {
	b := newBench(t)
	e, other := b.endpoint(), b.endpoint()
	b.sender.answer(e, answered(500, 0))
	o := b.told()
	b.exhaust(o, e)
	b.dead(notifyOf(o))
	list := b.undelivered(e)
	require.Len(t, list, 1)
	require.Equal(t, merchant.GivenUp, list[0].Reason)
	require.Equal(t, 14, list[0].Attempts)
	require.Empty(t, b.notTaken(other), "it has taken it")
	late := b.endpoint()
	require.Equal(t, []string{noticeOf(o)}, b.notTaken(late), "one that is new has not")
	for _, e := range []merchant.Endpoint{e, late} {
		require.Equal(t, 1, b.ack(e, noticeOf(o)))
		require.Empty(t, b.notTaken(e))
	}
	dead, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead})
	require.NoError(t, err)
	require.Empty(t, dead)
}

// It is fetched while it is in flight: whatever comes of the attempt, it waits no
// more.
func TestAnAckOfWhatIsInFlight(t *testing.T) {
	shared := newBench(t)
	for name, comes := range map[string]merchant.Attempt{"taken": acknowledged(), "failed": answered(500, 0)} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			e := b.endpoint()
			b.behind(e, 1)
			claim, err := b.Claim(b.ctx, e.ID, b.clock.now())
			require.NoError(t, err)
			require.Equal(t, 1, b.ack(e, claim.Deliveries[0].NoticeID))
			require.ErrorIs(t, b.Land(b.ctx, landed(claim.Deliveries[0], comes))[0], tasks.ErrGone)
			b.look(e)
			require.Empty(t, b.waitsOf(e))
			require.Zero(t, b.ack(e, claim.Deliveries[0].NoticeID))
		})
	}
}

// The first try is under way when it is fetched: it does not begin to wait again.
func TestAnAckBesideTheFirstTry(t *testing.T) {
	shared := newBench(t)
	for name, comes := range map[string]merchant.Attempt{"taken": acknowledged(), "failed": answered(500, 0)} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			e, other := b.endpoint(), b.endpoint()
			b.sender.answer(e, comes)
			o, _ := b.paid()
			b.deps.Store = &meddler{Store: b.Store, beforeSettle: func() {
				if b.row(notifyOf(o)).Generation == 0 {
					require.Equal(t, []string{noticeOf(o)}, b.notTaken(e), "though it is being told")
					require.Equal(t, 1, b.ack(e, noticeOf(o)))
				}
			}}
			require.Equal(t, []string{"delivery:notify gone"}, b.ran(notifyOf(o)))
			require.Empty(t, b.waits(o))
			require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
			require.Empty(t, b.waits(o))
			require.Equal(t, 1, b.sender.told(e), "it is not told any more")
			require.Positive(t, b.sender.told(other))
		})
	}
}

// The relay stamps a notice's task while its merchant acknowledges it: the try that is
// under way settles nothing all the same.
func TestAnAckThatWaitedForTheRelay(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	before := b.row(notifyOf(o))
	stamping, err := b.BeginTx(b.ctx, nil)
	require.NoError(t, err)
	defer func() { _ = stamping.Rollback() }()
	_, err = stamping.ExecContext(b.ctx, "UPDATE outbox SET promoted_at = now() WHERE kind = ? AND subject = ?", before.Kind, before.Subject)
	require.NoError(t, err)
	acked := make(chan error, 1)
	go func() {
		_, err := b.Acknowledge(b.ctx, b.seller, e.ID, []string{noticeOf(o)}, b.clock.now())
		acked <- err
	}()
	dbtest.Waits(t, b.DB)
	require.NoError(t, stamping.Commit())
	require.NoError(t, <-acked)
	require.Equal(t, before.Generation+1, b.row(notifyOf(o)).Generation)
}

// What is resent may be fetched like all that waits.
func TestAnAckOfAResend(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.told()
	b.resend(o)
	require.Len(t, b.undelivered(e), 1)
	require.Zero(t, b.ack(e, noticeOf(o)), "it was taken before")
	require.Empty(t, b.waits(o))
	require.Len(t, b.log(o), 1)
}

// One notice of the list is not the merchant's: nothing is changed.
func TestAcksThatAreRefused(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.behind(e, 1)[0]
	f := b.fresh(t)
	theirs := f.endpoint()
	foreign := noticeOf(f.behind(theirs, 1)[0])
	for _, bad := range []string{foreign, "nonsense", "", ident.New[merchant.Notice]().String()} {
		_, err := b.Acknowledge(b.ctx, b.seller, e.ID, []string{noticeOf(o), bad}, b.clock.now())
		var faults order.Invalid
		require.ErrorAs(t, err, &faults)
		require.Equal(t, order.Invalid{{Field: "ids[1]", Message: "the merchant has no such notice"}}, faults)
	}
	for _, id := range []merchant.EndpointID{theirs.ID, ident.New[merchant.Endpoint]()} {
		_, err := b.Acknowledge(b.ctx, b.seller, id, []string{noticeOf(o)}, b.clock.now())
		require.ErrorIs(t, err, order.ErrNotFound)
		_, err = b.Undelivered(b.ctx, merchant.UndeliveredFilter{MerchantID: b.seller, Endpoint: id})
		require.ErrorIs(t, err, order.ErrNotFound)
	}
	require.Len(t, b.waits(o), 1)
	require.Empty(t, b.log(o))
	b.look(e)
	f.look(theirs)
}

// What it subscribes to no longer is not fetched; a family counts.
func TestWhatIsFetchedGoesBySubscriptions(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 1)
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	for _, c := range []struct {
		events []string
		n      int
	}{{[]string{"order.*"}, 1}, {[]string{"refund.*", merchant.OrderPaid}, 1}, {[]string{"refund.*"}, 0}, {nil, 1}} {
		e.Events = c.events
		require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.clock.now()))
		require.Len(t, b.undelivered(e), c.n, "%v", c.events)
		require.Equal(t, c.n == 1, e.Subscribes(merchant.OrderPaid), "as in Go")
	}
	require.True(t, slices.IsSortedFunc(b.undelivered(e), func(x, y merchant.Undelivered) int { return x.WaitsFrom.Compare(y.WaitsFrom) }))
}
