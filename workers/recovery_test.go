package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func walkOf(r merchant.Recovery) tasks.Key { return tasks.About(tasks.EndpointRecover, r.ID) }

// recovering begins a recovery of the last day.
func (b *bench) recovering(e merchant.Endpoint, changes ...func(*merchant.Recovery)) merchant.Recovery {
	b.t.Helper()
	b.clock.forward(time.Second)
	want := merchant.Recovery{ID: ident.New[merchant.Recovery](), MerchantID: b.seller, EndpointID: e.ID, Since: b.clock.now().Add(-24 * time.Hour)}
	for _, change := range changes {
		change(&want)
	}
	r, err := b.StartRecovery(b.ctx, want, b.clock.now())
	require.NoError(b.t, err)
	return r
}

func all(r *merchant.Recovery) { r.All = true }

func (b *bench) recovery(r merchant.Recovery) merchant.Recovery {
	b.t.Helper()
	r, err := b.Recovery(b.ctx, r.ID)
	require.NoError(b.t, err)
	return r
}

// recovered has a recovery walked and told, for as long as there is anything to do.
func (b *bench) recovered(r merchant.Recovery, e merchant.Endpoint) merchant.Recovery {
	b.t.Helper()
	for range 100 {
		if b.recovery(r).State != merchant.RecoveryRunning {
			return b.recovery(r)
		}
		if at := b.row(walkOf(r)).DueAt; at.After(b.clock.now()) {
			b.clock.set(at)
		}
		require.NoError(b.t, b.run(walkOf(r)))
		b.look(e)
	}
	require.Fail(b.t, "it never ends", "%+v", b.recovery(r))
	return r
}

// figures are total, checked, queued, delivered, failed, waiting and dropped.
func figures(r merchant.Recovery) string {
	return fmt.Sprint(r.Total, r.Checked, r.Queued, r.Delivered, r.Failed, r.Waiting, r.Dropped())
}

// What an endpoint has not taken, for whatever reason, comes; what it has taken does
// not, unless all is asked for.
func TestWhatARecoveryTells(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		changes []func(*merchant.Recovery)
		want    string
		told    int
	}{
		"what was not taken": {nil, "6 6 3 3 0 0 0", 3},
		"all":                {[]func(*merchant.Recovery){all}, "6 6 6 6 0 0 0", 6},
		"nothing of a time":  {[]func(*merchant.Recovery){func(r *merchant.Recovery) { r.Until = r.Since.Add(time.Hour) }}, "0 0 0 0 0 0 0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			e := b.endpoint()
			b.told() // taken
			b.sender.answer(e, merchant.Attempt{HTTPStatus: 410, Gone: true, Error: "status: it answered 410 Gone"})
			b.told() // it does not want it
			b.sender.answer(e, acknowledged())
			pointless, _ := b.paid()
			b.step(pointless.ID, func(o *order.Order) error { return o.Accept("merchant:m_1", b.clock.now()) })
			b.sender.answer(e, answered(500, 0))
			dead := b.told()
			b.exhaust(dead, e)
			b.recover(e)
			waits := b.told()
			require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
			held := b.told()
			require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
			b.sender.answer(e, acknowledged())
			before := b.sender.told(e)

			r := b.recovering(e, append(c.changes, func(r *merchant.Recovery) {
				if r.Until.IsZero() {
					r.Since = r.Since.Add(-5 * 24 * time.Hour)
				}
			})...)
			done := b.recovered(r, e)
			require.Equal(t, merchant.RecoveryDone, done.State)
			require.Equal(t, c.want, figures(done))
			if c.told == 0 {
				b.clock.forward(24 * time.Hour)
				b.look(e)
				return
			}
			require.Equal(t, c.told, b.sender.told(e)-before)
			for _, o := range []*order.Order{dead, waits, held} {
				require.Empty(t, b.waits(o))
			}
			list, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead, Kind: tasks.DeliveryNotify})
			require.NoError(t, err)
			for _, row := range list {
				require.NotEqual(t, notifyOf(dead), row.Key, "no operator need look any more")
			}
		})
	}
}

// An endpoint that subscribed later hears what others have taken; of what it does not
// subscribe to it hears nothing.
func TestARecoveryOfAnEndpointThatIsNew(t *testing.T) {
	b := newBench(t)
	b.endpoint()
	for range 3 {
		b.told()
	}
	e := b.endpoint()
	r := b.recovered(b.recovering(e), e)
	require.Equal(t, "3 3 3 3 0 0 0", figures(r))
	deaf := b.endpoint()
	deaf.Events = []string{"refund.*"}
	require.NoError(t, b.ChangeEndpoint(b.ctx, deaf, b.clock.now()))
	require.Equal(t, "3 3 0 0 0 0 0", figures(b.recovered(b.recovering(deaf, all), deaf)))
}

// Whatever waits by a recovery, what comes new goes first: through the window of one.
func TestWhatIsNewGoesBeforeWhatIsRecovered(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	old := b.behind(e, 6)
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"state":"slow","window":1}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	r := b.recovering(e)
	require.NoError(t, b.run(walkOf(r)))
	b.clock.forward(time.Second)
	fresh := []*order.Order{b.told(), b.told()}
	claim, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Len(t, claim.Deliveries, 1)
	require.Contains(t, []string{noticeOf(fresh[0]), noticeOf(fresh[1])}, claim.Deliveries[0].NoticeID, "though the others are due for longer")
	require.NoError(t, b.Land(b.ctx, landed(claim.Deliveries[0], acknowledged()))[0])
	b.look(e)
	require.Len(t, b.sender.sent, 7)
	require.Contains(t, []string{noticeOf(fresh[0]), noticeOf(fresh[1])}, b.sender.sent[0].id)
	require.Equal(t, noticeOf(old[0]), b.sender.sent[1].id, "oldest first; then it is healthy, and several go side by side")
	require.Equal(t, "6 6 6 6 0 0 0", figures(b.recovered(r, e)))
}

// A probe of one that is paused tries what is new as well.
func TestAProbeTriesWhatIsNewFirst(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 2)
	r := b.recovering(e)
	require.NoError(t, b.run(walkOf(r)))
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"state":"paused","failures":9}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	fresh := b.told()
	claim, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Equal(t, noticeOf(fresh), claim.Deliveries[0].NoticeID)
	require.NoError(t, b.Land(b.ctx, landed(claim.Deliveries[0], acknowledged()))[0])
	b.recovered(r, e)
}

// An endpoint has one recovery; a second is refused by its id, until it has ended.
func TestOneRecoveryOfAnEndpointAtATime(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 1)
	var first merchant.Recovery
	var mu sync.Mutex
	var refused int
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			r, err := b.StartRecovery(b.ctx, merchant.Recovery{ID: ident.New[merchant.Recovery](), MerchantID: b.seller, EndpointID: e.ID, Since: b.clock.now().Add(-time.Hour)}, b.clock.now())
			mu.Lock()
			defer mu.Unlock()
			var other *merchant.UnderwayError
			switch {
			case err == nil:
				first = r
			case errors.As(err, &other):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 4, refused)
	_, err := b.StartRecovery(b.ctx, merchant.Recovery{ID: ident.New[merchant.Recovery](), MerchantID: b.seller, EndpointID: e.ID, Since: b.clock.now().Add(-time.Hour)}, b.clock.now())
	var other *merchant.UnderwayError
	require.ErrorAs(t, err, &other)
	require.Equal(t, first.ID, other.Recovery)
	b.recovered(first, e)
	b.recovered(b.recovering(e), e)
	list, err := b.Recoveries(b.ctx, b.seller, merchant.RecoveryID{}, 1)
	require.NoError(t, err)
	next, err := b.Recoveries(b.ctx, b.seller, list[0].ID, 5)
	require.NoError(t, err)
	require.Len(t, next, 1)
	require.Equal(t, first.ID, next[0].ID, "newest first")
}

// Much of it is told bit by bit: there is never more in the backlog than may be.
func TestARecoveryIsQueuedBitByBit(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.endpoint() // another, which has taken all
	_, err := b.ExecContext(b.ctx, `INSERT INTO notices (id, merchant_id, type, body, created_at)
		SELECT (lpad(to_hex((extract(epoch FROM ?0::timestamptz) * 1000)::bigint), 12, '0') || '7000' || lpad(to_hex(n), 16, '0'))::uuid, ?1, 'order.closed', '{}', ?0::timestamptz - (n / 7) * interval '1 s'
		FROM generate_series(1, 2600) n`, b.clock.now(), b.seller)
	require.NoError(t, err)
	r := b.recovering(e)
	require.Equal(t, int64(2600), r.Total)
	require.NoError(t, b.run(walkOf(r)))
	r = b.recovery(r)
	require.Equal(t, int64(1000), r.Waiting)
	require.Equal(t, int64(1000), r.Checked)
	row := b.row(walkOf(r))
	require.True(t, row.DueAt.After(b.clock.now()), "there is no room for more now")
	b.due(walkOf(r))
	require.NoError(t, b.run(walkOf(r)))
	require.Equal(t, int64(1000), b.recovery(r).Waiting)
	r = b.recovered(r, e)
	require.Equal(t, "2600 2600 2600 2600 0 0 0", figures(r))
	require.Equal(t, 2600, b.sender.told(e))
	seen := map[string]bool{}
	for _, s := range b.sender.sent {
		require.False(t, seen[s.id], "told once")
		seen[s.id] = true
	}
}

// Two walk one recovery, and somebody dies over a step: each notice is met once.
func TestTwoWalkARecovery(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 30)
	r := b.recovering(e)
	row := b.row(walkOf(r))
	var all sync.WaitGroup
	for range 4 {
		run := b.runner(tasks.EndpointRecover, newBusy())
		all.Go(func() {
			if err := run.ProcessTask(b.ctx, bundleOf(row.Key)); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := b.WalkRecovery(b.ctx, r.ID, b.clock.now()); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() { // killed anywhere
			ctx, cancel := context.WithTimeout(b.ctx, 3*time.Millisecond)
			defer cancel()
			_, _ = b.WalkRecovery(ctx, r.ID, b.clock.now())
		})
	}
	all.Wait()
	require.Equal(t, "30 30 30 30 0 0 0", figures(b.recovered(r, e)))
	require.Equal(t, 30, b.sender.told(e))
}

// Its worker dies between two steps: the next goes on where it ended.
func TestARecoveryGoesOnAfterAKill(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 5)
	r := b.recovering(e)
	_, err := b.WalkRecovery(b.ctx, r.ID, b.clock.now())
	require.NoError(t, err)
	require.True(t, b.recovery(r).Walked)
	require.Equal(t, "5 5 5 5 0 0 0", figures(b.recovered(r, e)))
	b.gone(walkOf(r))
	step, err := b.WalkRecovery(b.ctx, r.ID, b.clock.now())
	require.NoError(t, err)
	require.True(t, step.Over, "late, it does nothing")
}

// Cancelled, what waits only by it is taken away, what waited before waits on, and
// what is in flight finishes, without another try.
func TestARecoveryIsCancelled(t *testing.T) {
	shared := newBench(t)
	for name, comes := range map[string]merchant.Attempt{"taken": acknowledged(), "failed": answered(500, 0)} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			e := b.endpoint()
			taken := []*order.Order{b.told(), b.told(), b.told()}
			waits := b.behind(e, 1)[0]
			r := b.recovering(e, all)
			require.NoError(t, b.run(walkOf(r)))
			_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"window":1}' WHERE id = ?`, e.ID)
			require.NoError(t, err)
			claim, err := b.Claim(b.ctx, e.ID, b.clock.now())
			require.NoError(t, err)
			require.Equal(t, noticeOf(taken[0]), claim.Deliveries[0].NoticeID)
			require.NoError(t, b.CancelRecovery(b.ctx, r.ID, b.clock.now()))
			require.NoError(t, b.CancelRecovery(b.ctx, r.ID, b.clock.now()), "twice is once")
			b.gone(walkOf(r))
			require.Empty(t, b.waits(taken[1]))
			d := b.wait(waits, e)
			require.True(t, d.Recovery.IsZero())
			require.Equal(t, merchant.Queued, d.Reason)
			require.Equal(t, int64(1), b.recovery(r).Waiting)
			require.NoError(t, b.Land(b.ctx, landed(claim.Deliveries[0], comes))[0])
			require.Empty(t, b.waits(taken[0]))
			is := b.recovery(r)
			require.Equal(t, merchant.RecoveryCancelled, is.State)
			require.Zero(t, is.Waiting)
			b.look(e)
			require.Equal(t, 3+1, b.sender.told(e))
		})
	}
}

// It is cancelled while a walker is between reading and writing, and while many are
// at it: nothing waits by it afterwards.
func TestARecoveryIsCancelledWhileItIsWalked(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	for range 20 {
		b.told()
	}
	r := b.recovering(e, all)
	b.deps.Store = &meddler{Store: b.Store, beforeSettle: func() { require.NoError(t, b.CancelRecovery(b.ctx, r.ID, b.clock.now())) }}
	require.Equal(t, []string{"endpoint:recover gone"}, b.ran(walkOf(r)))
	b.gone(walkOf(r))
	b.deps.Store = b.Store
	for range 5 {
		r := b.recovering(e, all)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := b.WalkRecovery(b.ctx, r.ID, b.clock.now()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			if err := b.CancelRecovery(b.ctx, r.ID, b.clock.now()); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		require.Empty(t, b.waitsOf(e))
		require.Equal(t, merchant.RecoveryCancelled, b.recovery(r).State)
	}
	b.look(e)
	require.Equal(t, 20, b.sender.told(e))
	require.NoError(t, b.CancelRecovery(b.ctx, r.ID, b.clock.now()))
	done := b.recovered(b.recovering(e), e)
	require.ErrorContains(t, b.CancelRecovery(b.ctx, done.ID, b.clock.now()), "cannot cancel the recovery: it is done")
	require.ErrorIs(t, b.CancelRecovery(b.ctx, ident.New[merchant.Recovery](), b.clock.now()), order.ErrNotFound)
}

// What is refused to the end of its schedule has failed; it is no task for an
// operator, unless it waited before.
func TestTheEndOfWhatIsRecovered(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	taken := b.told()
	own := b.behind(e, 1)[0]
	r := b.recovering(e, all)
	require.NoError(t, b.run(walkOf(r)))
	b.sender.answer(e, answered(500, 0))
	b.exhaust(taken, e)
	b.exhaust(own, e)
	require.Equal(t, merchant.RecoveryRunning, b.recovery(r).State)
	b.recover(e)
	is := b.recovered(r, e)
	require.Equal(t, "2 2 2 0 2 0 0", figures(is))
	dead, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead, Kind: tasks.DeliveryNotify})
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Equal(t, notifyOf(own), dead[0].Key)
	require.Equal(t, 1, b.alerts(tasks.AlertTaskDead))
}

// What is recovered may be fetched, resent, or become pointless: the recovery ends all
// the same.
func TestWhatBecomesOfWhatIsRecovered(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	list := b.behind(e, 4)
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	r := b.recovering(e)
	require.NoError(t, b.run(walkOf(r)))
	require.Equal(t, merchant.Held, b.wait(list[0], e).Reason)
	require.Equal(t, 1, b.ack(e, noticeOf(list[0])))
	b.resend(list[1])
	b.step(list[2].ID, func(o *order.Order) error { return o.Accept("merchant:m_1", b.clock.now()) })
	require.Equal(t, "4 4 4 1 0 1 2", figures(b.recovery(r)))
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	require.Equal(t, "4 4 4 2 0 0 2", figures(b.recovered(r, e)))
	require.Equal(t, 2, b.sender.told(e))
}

func TestAnEndpointIsDeletedThatIsRecovered(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	taken, own := b.told(), b.behind(e, 1)[0]
	r := b.recovering(e, all)
	require.NoError(t, b.run(walkOf(r)))
	require.NoError(t, b.DeleteEndpoint(b.ctx, b.seller, e.ID, b.clock.now()))
	require.Equal(t, merchant.RecoveryCancelled, b.recovery(r).State)
	b.gone(notifyOf(taken))
	b.row(notifyOf(own))
	b.due(walkOf(r))
	require.Equal(t, []string{"endpoint:recover done"}, b.ran(walkOf(r)))
	b.gone(walkOf(r))
	b.look(e)
	b.endpoint()
	b.due(notifyOf(own))
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(own)))
}

func (b *bench) is(e merchant.Endpoint, state merchant.State) {
	b.t.Helper()
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = jsonb_build_object('state', ?0::text) WHERE id = ?1`, state, e.ID)
	require.NoError(b.t, err)
}

// Of an endpoint that is disabled none begins: it would stand still and keep others
// away. One that runs when that happens says why it stands still, and goes on.
func TestARecoveryAndADisabledEndpoint(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 2)
	b.is(e, merchant.Disabled)
	want := merchant.Recovery{ID: ident.New[merchant.Recovery](), MerchantID: b.seller, EndpointID: e.ID, Since: b.clock.now().Add(-time.Hour), Actor: "operator:alice"}
	_, err := b.StartRecovery(b.ctx, want, b.clock.now())
	require.ErrorIs(t, err, order.ErrNotAllowed)
	require.ErrorContains(t, err, "resume it first")
	list, err := b.Recoveries(b.ctx, b.seller, merchant.RecoveryID{}, 5)
	require.NoError(t, err)
	require.Empty(t, list)

	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	r, err := b.StartRecovery(b.ctx, want, b.clock.now())
	require.NoError(t, err)
	require.Equal(t, order.Actor("operator:alice"), r.Actor)
	require.Empty(t, r.Reason)
	require.NoError(t, b.run(walkOf(r)))
	for state, why := range map[merchant.State]merchant.Reason{merchant.Disabled: merchant.Held, merchant.Paused: merchant.Probing, merchant.Failing: ""} {
		b.is(e, state)
		is := b.recovery(r)
		require.Equal(t, merchant.RecoveryRunning, is.State, state)
		require.Equal(t, why, is.Reason, state)
	}
	b.is(e, merchant.Disabled)
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	require.Empty(t, b.recovery(r).Reason)
	require.Equal(t, "2 2 2 2 0 0 0", figures(b.recovered(r, e)))

	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	require.Empty(t, b.recovery(r).Reason, "it is over")
	require.Equal(t, order.Actor("operator:alice"), b.recovery(r).Actor)
	require.Equal(t, merchant.Held, b.recovering(e).Reason, "paused by hand it may begin, and says so")
}

// What is on its way for the first time is left to that.
func TestARecoveryLeavesFirstTriesAlone(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	r := b.recovered(b.recovering(e), e)
	require.Equal(t, "1 1 0 0 0 0 0", figures(r))
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.Equal(t, 1, b.sender.told(e))
}

func TestRecoveriesThatAreRefused(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	stranger := b.fresh(t).endpoint()
	now := b.clock.now()
	for name, c := range map[string]struct {
		change func(*merchant.Recovery)
		want   string
	}{
		"no such endpoint": {func(r *merchant.Recovery) { r.EndpointID = ident.New[merchant.Endpoint]() }, "not found"},
		"another's":        {func(r *merchant.Recovery) { r.EndpointID = stranger.ID }, "not found"},
		"no since":         {func(r *merchant.Recovery) { r.Since = time.Time{} }, "since: is required"},
		"since too long":   {func(r *merchant.Recovery) { r.Since = now.Add(-31 * 24 * time.Hour) }, "since: want at most 30 days ago"},
		"until before":     {func(r *merchant.Recovery) { r.Until = r.Since }, "since: want a time before until, and before now"},
		"since is to come": {func(r *merchant.Recovery) { r.Since = now.Add(time.Hour) }, "since: want a time before until, and before now"},
	} {
		r := merchant.Recovery{ID: ident.New[merchant.Recovery](), MerchantID: b.seller, EndpointID: e.ID, Since: now.Add(-time.Hour)}
		c.change(&r)
		_, err := b.StartRecovery(b.ctx, r, now)
		require.ErrorContains(t, err, c.want, name)
	}
	list, err := b.Recoveries(b.ctx, b.seller, merchant.RecoveryID{}, 0)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = b.Recovery(b.ctx, ident.New[merchant.Recovery]())
	require.ErrorIs(t, err, order.ErrNotFound)
}
