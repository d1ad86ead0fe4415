package workers

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// behind makes orders whose notices wait in the backlog of an endpoint that has
// been paused and resumed: it is told in turn.
func (b *bench) behind(e merchant.Endpoint, n int) (list []*order.Order) {
	b.t.Helper()
	require.NoError(b.t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	for range n {
		o, _ := b.paid()
		require.Equal(b.t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		list = append(list, o)
		b.clock.forward(time.Millisecond)
	}
	require.NoError(b.t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	return list
}

// What is due at once is handed over with the commit that wrote it: the relay
// would take it for handed over, and put it back only after a while.
func TestABacklogIsLookedAfterAtOnce(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	var rung []tasks.Key
	b.dispatch = func(keys []tasks.Key) { rung = append(rung, keys...) }
	d := merchant.Delivery{NoticeID: order.DeliveryID(o.ID).String(), EndpointID: e.ID, Type: merchant.OrderPaid, DueAt: b.clock.now(), Reason: merchant.Queued}
	require.NoError(t, b.Settle(b.ctx, tasks.Settlement{Row: b.row(notifyOf(o)), Verdict: tasks.Done(), Deliveries: []merchant.Delivery{d}})[0])
	require.Equal(t, []tasks.Key{bellOf(e)}, rung)
}

func (b *bench) health(e merchant.Endpoint) merchant.Health {
	b.t.Helper()
	list, err := b.Endpoints(b.ctx, b.seller)
	require.NoError(b.t, err)
	for _, is := range list {
		if is.ID == e.ID {
			return is.Health
		}
	}
	require.Fail(b.t, "no such endpoint")
	return merchant.Health{}
}

// hanging is a postman whose letters wait at some endpoints until they are let
// in, or the attempt is cut short.
type hanging struct {
	*postman
	at    map[merchant.EndpointID]chan struct{} // closed: they answer
	began chan merchant.EndpointID
}

func newHanging(p *postman, at ...merchant.Endpoint) *hanging {
	h := &hanging{p, map[merchant.EndpointID]chan struct{}{}, make(chan merchant.EndpointID, 1000)}
	for _, e := range at {
		h.at[e.ID] = make(chan struct{})
	}
	return h
}

func (h *hanging) Send(ctx context.Context, e merchant.Endpoint, n merchant.Notice) merchant.Attempt {
	h.began <- e.ID
	if gate, hangs := h.at[e.ID]; hangs {
		select {
		case <-gate:
		case <-ctx.Done():
			return merchant.Attempt{EndpointID: e.ID, At: h.clock.now(), Error: "stopped: we stopped before the answer came"}
		}
	}
	return h.postman.Send(ctx, e, n)
}

func TestABacklogDrainsInItsOrder(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"state":"slow","window":1}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	list := b.behind(e, 10)
	b.look(e)
	require.Len(t, b.sender.sent, 10)
	for i, o := range list[:3] { // then it is healthy, and several go side by side
		require.Equal(t, order.DeliveryID(o.ID).String(), b.sender.sent[i].id)
	}
	require.Equal(t, merchant.Healthy, b.health(e).State)
	b.gone(bellOf(e))
}

// Two processes look after one backlog at once: its window is one, and nothing is
// sent twice.
func TestTwoDrainsOfOneBacklog(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 40)
	var wg sync.WaitGroup
	for range 4 {
		r := b.runner(tasks.EndpointDeliver, newBusy())
		wg.Go(func() {
			if err := r.ProcessTask(b.ctx, bundleOf(bellOf(e))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.look(e)
	seen := map[string]bool{}
	for _, s := range b.sender.sent {
		require.False(t, seen[s.id], "told once")
		seen[s.id] = true
	}
	require.Len(t, seen, 40)
	b.gone(bellOf(e))
}

// The same, of one claim after another: the leases of one are the other's limit.
func TestTheWindowIsOneOverAllProcesses(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 7)
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"window":5}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	first, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Len(t, first.Deliveries, 5)
	second, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Empty(t, second.Deliveries)
	require.NoError(t, b.Land(b.ctx, landed(first.Deliveries[0], acknowledged()))[0])
	third, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Len(t, third.Deliveries, 2, "one has ended, and the window has grown")

	b.clock.forward(merchant.LeaseOf) // whoever had them is dead
	fourth, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Len(t, fourth.Deliveries, 6)
	require.ErrorIs(t, b.Land(b.ctx, landed(first.Deliveries[1], answered(500, 0)))[0], tasks.ErrGone, "a late failure settles nothing")
	require.ErrorIs(t, b.Land(b.ctx, landed(first.Deliveries[0], acknowledged()))[0], tasks.ErrGone)
	require.NoError(t, b.Land(b.ctx, landed(first.Deliveries[2], acknowledged()))[0], "told is told, whoever has it now")
	b.clock.forward(merchant.LeaseOf)
	b.look(e)
	require.Equal(t, 5, b.sender.told(e))
}

// What the setting allows is less than the endpoint has earned: it counts at once,
// and what is learnt from then on goes no farther.
func TestAWindowGoesNoFartherThanItIsSet(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 7)
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"window":16}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	narrow := db.NewStore(b.DB, db.StoreOptions{Log: zap.NewNop(), Now: b.clock.now, EndpointWindow: 3})
	t.Cleanup(narrow.Close)
	first, err := narrow.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Len(t, first.Deliveries, 3)
	require.NoError(t, narrow.Land(b.ctx, landed(first.Deliveries[0], acknowledged()))[0])
	require.EqualValues(t, 3, b.health(e).Window)
	second, err := narrow.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	require.Len(t, second.Deliveries, 1)
}

// How long a notice took to be sent for the first time, and to be taken, is told
// once, whichever way it went.
func TestHowLongANoticeTakes(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	var begun, taken []time.Duration
	b.deps.Begun = func(after time.Duration) { begun = append(begun, after) }
	b.deps.Acknowledged = func(after time.Duration) { taken = append(taken, after) }

	o, _ := b.paid()
	b.clock.forward(time.Minute)
	b.ran(notifyOf(o))
	require.Equal(t, []time.Duration{time.Minute}, begun)
	require.Equal(t, []time.Duration{time.Minute}, taken, "directly")

	b.sender.answer(e, answered(500, 0))
	o, _ = b.paid()
	b.ran(notifyOf(o))
	require.Len(t, begun, 2)
	require.Len(t, taken, 1)
	b.sender.answer(e, acknowledged())
	b.clock.forward(time.Hour)
	b.look(e)
	require.Len(t, begun, 2, "that was its second try")
	require.Equal(t, time.Hour, taken[1])

	b.behind(e, 1)
	b.clock.forward(time.Minute)
	b.look(e)
	require.Len(t, taken, 3)
	require.Equal(t, time.Minute, begun[2].Round(time.Second), "its first was from the backlog")
}

func landed(d merchant.Delivery, a merchant.Attempt) tasks.Landing {
	a.EndpointID, a.At = d.EndpointID, time.Now().UTC()
	return tasks.Landing{Delivery: d, Sight: merchant.Sight{Attempt: a, NoticeID: d.NoticeID}}
}

// A delivery is written while a drain that has seen nothing more ends.
func TestADeliveryThatComesWhileADrainEnds(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 1)
	var late *order.Order
	b.deps.Store = &meddler{Store: b.Store, settle: func(tries []tasks.Settlement) error {
		if tries[0].Row.Kind == tasks.EndpointDeliver && late == nil {
			late, _ = b.paid()
			d := merchant.Delivery{NoticeID: order.DeliveryID(late.ID).String(), EndpointID: e.ID, Type: merchant.OrderPaid, DueAt: b.clock.now(), Reason: merchant.Queued}
			row := b.row(notifyOf(late))
			require.NoError(t, b.Store.Settle(b.ctx, tasks.Settlement{Row: row, Verdict: tasks.Done(), Deliveries: []merchant.Delivery{d}})[0])
		}
		return nil
	}}
	require.NoError(t, b.run(bellOf(e)))
	require.NotNil(t, late)
	require.False(t, b.row(bellOf(e)).DueAt.After(b.clock.now()), "it is looked after")
	b.look(e)
	require.Equal(t, 2, b.sender.told(e))
	b.gone(bellOf(e))
}

func TestAnEndpointIsDeletedWithABacklog(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 3)
	gone := b.waitsOf(e)
	require.Len(t, gone, 3)
	require.NoError(t, b.DeleteEndpoint(b.ctx, b.seller, e.ID, b.clock.now()))
	require.Empty(t, b.waitsOf(e))
	b.look(e)
	b.gone(bellOf(e))
	other := b.endpoint()
	for _, id := range gone {
		subject, err := tasks.SubjectOf(id)
		require.NoError(t, err)
		require.Equal(t, []string{"delivery:notify done"}, b.ran(tasks.Key{Kind: tasks.DeliveryNotify, Subject: subject}), "an order goes to another")
	}
	require.Equal(t, 3, b.sender.told(other))
	require.Zero(t, b.sender.told(e))
}

// An endpoint is deleted, and a worker whose list of endpoints is older writes a
// delivery for it while the last look at its backlog ends: the order goes to
// another all the same.
func TestADeliveryForAnEndpointThatIsGoneComesWhileADrainEnds(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 1)
	require.NoError(t, b.DeleteEndpoint(b.ctx, b.seller, e.ID, b.clock.now()))
	var late *order.Order
	b.deps.Store = &meddler{Store: b.Store, settle: func(tries []tasks.Settlement) error {
		if tries[0].Row.Kind == tasks.EndpointDeliver && late == nil {
			late, _ = b.paid()
			d := merchant.Delivery{NoticeID: order.DeliveryID(late.ID).String(), EndpointID: e.ID, Type: merchant.OrderPaid, DueAt: b.clock.now(), Reason: merchant.Queued}
			require.NoError(t, b.Store.Settle(b.ctx, tasks.Settlement{Row: b.row(notifyOf(late)), Verdict: tasks.Done(), Deliveries: []merchant.Delivery{d}})[0])
		}
		return nil
	}}
	require.NoError(t, b.run(bellOf(e)))
	require.NotNil(t, late)
	b.look(e)
	require.Empty(t, b.waitsOf(e))
	b.gone(bellOf(e))
	other := b.endpoint()
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(late)))
	require.Equal(t, 1, b.sender.told(other))
}

func (b *bench) waitsOf(e merchant.Endpoint) (notices []string) {
	b.t.Helper()
	require.NoError(b.t, b.NewRaw("SELECT notice_id::text FROM deliveries WHERE endpoint_id = ? ORDER BY 1", e.ID).Scan(b.ctx, &notices))
	return notices
}

// What nobody need be told any more is not told, though it waits.
func TestWhatIsMootDoesNotWait(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.behind(e, 1)[0]
	claim, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	b.step(o.ID, func(o *order.Order) error { return o.Accept("merchant:m_1", b.clock.now()) })
	require.Empty(t, b.waits(o))
	require.ErrorIs(t, b.Land(b.ctx, landed(claim.Deliveries[0], answered(500, 0)))[0], tasks.ErrGone, "nor is it tried again")
	b.look(e)
	require.Zero(t, b.sender.told(e))
}

// What an endpoint subscribes to no longer is dropped from its backlog.
func TestABacklogGoesBySubscriptionsAsTheyAre(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.behind(e, 1)[0]
	e.Events = []string{merchant.OrderClosed}
	require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.clock.now()))
	b.sender.answer(e, answered(500, 0))
	b.look(e)
	require.Zero(t, b.sender.told(e))
	require.Empty(t, b.waits(o))
	b.step(o.ID, func(o *order.Order) error { return o.Accept("merchant:m_1", b.clock.now()) })
}

// An endpoint hands its orders over to another one: what waited for it goes there.
func TestAnEndpointThatHearsOfOrdersNoLongerHandsThemOn(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	list := b.behind(e, 2)
	e.Events = []string{merchant.RefundSucceeded}
	require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.clock.now()))
	b.look(e)
	require.Zero(t, b.sender.told(e))
	other := b.endpoint()
	for _, o := range list {
		require.Empty(t, b.waits(o))
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	}
	require.Equal(t, 2, b.sender.told(other))
}

func TestTwo410Disable(t *testing.T) {
	b := newBench(t)
	e, other := b.endpoint(), b.endpoint()
	b.behind(e, 3)
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"state":"slow","window":1}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	b.sender.answer(e, merchant.Attempt{HTTPStatus: 410, Gone: true, Error: "status: it answered 410 Gone"})
	b.look(e)
	require.Equal(t, 2, b.sender.told(e))
	require.Equal(t, merchant.Disabled, b.health(e).State)
	b.gone(bellOf(e))
	require.Len(t, b.waitsOf(e), 1, "the rest is held")
	b.news(other, merchant.EndpointDisabled)
	require.Equal(t, 1, b.alerts(tasks.AlertEndpointDisabled))

	b.sender.answer(e, acknowledged())
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	b.look(e)
	require.Equal(t, 4, b.sender.told(e), "resumed, it hears what was held, and that it was disabled")
	require.Empty(t, b.waitsOf(e))
}

// A notice whose endpoint may not be called is dead at once. When somebody has
// changed the URL, and requeued it, it arrives.
func TestABlockedAddressIsFinal(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	blocked := failed(merchant.Blocked)
	blocked.Duration = time.Millisecond
	b.sender.answer(e, blocked)
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.Empty(t, b.waitsOf(e))
	row := b.dead(notifyOf(o))
	require.Equal(t, blocked.Error, row.LastError)

	b.sender.answer(e, acknowledged())
	b.clock.forward(time.Hour)
	require.NoError(t, b.Requeue(b.ctx, row.Key, "operator:alice", "it has another address", b.clock.now()))
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.Equal(t, 2, b.sender.told(e))
	b.gone(notifyOf(o))
}

// news sends what the merchant hears of its endpoints, and sees that the last of
// it has reached one.
func (b *bench) news(at merchant.Endpoint, wants string) {
	b.t.Helper()
	var ids []tasks.Subject
	require.NoError(b.t, b.NewRaw("SELECT b.subject FROM outbox b JOIN notices n ON n.id = b.subject WHERE b.kind = 'merchant:notify' AND n.type LIKE 'endpoint.%' ORDER BY n.created_at").Scan(b.ctx, &ids))
	require.NotEmpty(b.t, ids, "the merchant is to hear of it")
	for _, id := range ids {
		require.Equal(b.t, []string{"merchant:notify done"}, b.ran(tasks.Key{Kind: tasks.MerchantNotify, Subject: id}))
	}
	b.sender.mu.Lock()
	defer b.sender.mu.Unlock()
	var last sent
	for _, s := range b.sender.sent {
		if s.to == at.ID {
			last = s
		}
	}
	require.Contains(b.t, last.body, `"type":"`+wants+`"`)
}

func (b *bench) alerts(name tasks.AlertName) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.NewRaw("SELECT count(*) FROM outbox WHERE kind = 'alert:send' AND convert_from(payload, 'UTF8')::jsonb->>'name' = ?", name).Scan(b.ctx, &n))
	return n
}

// An endpoint that is down for days, and comes back: nothing dies of it, and all
// of it arrives, once.
func TestAnEndpointIsDownAndComesBack(t *testing.T) {
	b := newBench(t)
	e, other := b.endpoint(), b.endpoint()
	list := b.behind(e, 6)
	began := b.clock.now()
	b.sender.answer(e, failed(merchant.Refused))
	var went []merchant.State
	for b.health(e).State != merchant.Disabled {
		row := b.row(bellOf(e))
		if row.DueAt.After(b.clock.now()) {
			b.clock.set(row.DueAt)
		}
		require.NoError(t, b.run(bellOf(e)))
		if s := b.health(e).State; len(went) == 0 || went[len(went)-1] != s {
			went = append(went, s)
			b.news(other, "endpoint."+string(s))
		}
		if b.clock.now().Sub(began) > 6*24*time.Hour {
			break
		}
	}
	require.Equal(t, []merchant.State{merchant.Failing, merchant.Paused, merchant.Disabled}, went)
	require.WithinDuration(t, began.Add(5*24*time.Hour), b.clock.now(), 3*time.Hour)
	require.Equal(t, 1, b.alerts(tasks.AlertEndpointPaused))
	require.Len(t, b.waitsOf(e), 6+3, "what it should hear, and what became of it")
	b.sender.answer(e, acknowledged())
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	before := b.sender.told(e)
	b.look(e)
	require.Equal(t, 9, b.sender.told(e)-before)
	for _, o := range list {
		require.Empty(t, b.waits(o))
	}
}

func TestAPausedEndpointThatAnswersIsToldOf(t *testing.T) {
	b := newBench(t)
	e, other := b.endpoint(), b.endpoint()
	b.behind(e, 3)
	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"state":"paused","failures":9}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	b.look(e)
	require.Equal(t, 3, b.sender.told(e))
	require.Equal(t, merchant.Healthy, b.health(e).State)
	b.news(other, merchant.EndpointRecovered)
}

// One notice that an endpoint never takes makes no endpoint fail that takes all
// others.
func TestOneNoticeMakesNoEndpointFail(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	workers, err := byKind(All(b.deps)) // of one process
	require.NoError(t, err)
	run := func(k tasks.Key) {
		r := b.runner(k.Kind, b.here)
		r.worker = workers[k.Kind]
		require.NoError(t, r.ProcessTask(b.ctx, bundleOf(k)))
	}
	b.sender.answer(e, answered(500, 0))
	poison, _ := b.paid()
	run(notifyOf(poison))
	for range 8 {
		b.sender.answer(e, acknowledged())
		b.clock.set(b.wait(poison, e).DueAt)
		o, _ := b.paid()
		run(notifyOf(o))
		require.Empty(t, b.waits(o))
		b.sender.answer(e, answered(500, 0))
		run(bellOf(e))
		require.Empty(t, b.health(e).State, "healthy, as ever")
	}
	require.Equal(t, 9, b.wait(poison, e).Attempts)
	require.Equal(t, 1, b.health(e).Failures)
}

func TestRetryAfterPausesTheWholeBacklog(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 3)
	b.sender.answer(e, answered(429, time.Hour))
	b.look(e)
	told := b.sender.told(e)
	require.Less(t, told, 3)
	require.WithinDuration(t, b.clock.now().Add(time.Hour), b.row(bellOf(e)).DueAt, time.Minute)
	o, _ := b.paid()
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.Equal(t, told, b.sender.told(e), "nor is it told of anything new")
	b.sender.answer(e, acknowledged())
	b.clock.set(b.row(bellOf(e)).DueAt.Add(time.Hour))
	b.look(e)
	require.Equal(t, told+4, b.sender.told(e))
}

// An attempt that goes on for too long leaves: its row is fulfilled, its endpoint
// slow, and what it comes to is written at its end.
func TestAnAttemptLeavesItsSlot(t *testing.T) {
	b := newBench(t)
	b.deps.SlotFor = 20 * time.Millisecond
	e, quick := b.endpoint(), b.endpoint()
	h := newHanging(b.sender, e)
	b.deps.Sender = h
	run := b.runner(tasks.DeliveryNotify, b.here)
	o, _ := b.paid()
	require.NoError(t, run.ProcessTask(b.ctx, bundleOf(notifyOf(o))))
	b.gone(notifyOf(o))
	require.Equal(t, 1, b.sender.told(quick))
	d := b.wait(o, e)
	require.True(t, d.InFlight)
	require.Equal(t, b.clock.now().Add(merchant.LeaseOf), d.DueAt)
	require.Equal(t, merchant.Slow, b.health(e).State)
	b.look(e)
	require.True(t, b.row(bellOf(e)).DueAt.After(b.clock.now()), "it is at it")

	next, _ := b.paid()
	require.NoError(t, run.ProcessTask(b.ctx, bundleOf(notifyOf(next))))
	require.Equal(t, 2, b.sender.told(quick))
	require.False(t, b.wait(next, e).InFlight, "what comes next waits behind it")

	close(h.at[e.ID])
	run.worker.(notify).stop(20 * time.Second)
	require.Empty(t, b.waits(o))
	require.Equal(t, 1, b.sender.told(e))
	b.look(e)
	require.Equal(t, 2, b.sender.told(e))
	require.Empty(t, b.waits(next))
}

// We stop while attempts are under way outside: they cost the merchant no try, and
// come again.
func TestStoppingCutsShortWhatHasLeft(t *testing.T) {
	b := newBench(t)
	b.deps.SlotFor = 20 * time.Millisecond
	e := b.endpoint()
	b.deps.Sender = newHanging(b.sender, e)
	run := b.runner(tasks.DeliveryNotify, b.here)
	o, _ := b.paid()
	require.NoError(t, run.ProcessTask(b.ctx, bundleOf(notifyOf(o))))
	require.True(t, b.wait(o, e).InFlight)
	run.worker.(notify).stop(0)
	run.worker.(notify).stop(0)
	d := b.wait(o, e)
	require.False(t, d.InFlight)
	require.Zero(t, d.Attempts)
	require.Empty(t, b.log(o))
	b.deps.Sender = b.sender
	b.clock.set(d.DueAt)
	b.look(e)
	require.Equal(t, 1, b.sender.told(e))
}

// A process dies with an attempt under way: another tries it when the lease ends.
func TestADeadProcessesAttemptsComeAgain(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 1)
	_, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	b.look(e)
	require.Zero(t, b.sender.told(e))
	require.Equal(t, b.clock.now().Add(merchant.LeaseOf), b.row(bellOf(e)).DueAt)
	b.due(bellOf(e))
	b.look(e)
	require.Equal(t, 1, b.sender.told(e))
}

func TestWhatWaitsIsCountedByReason(t *testing.T) {
	b := newBench(t)
	e, held := b.endpoint(), b.endpoint()
	b.behind(e, 2)
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, held.ID, true, b.clock.now()))
	b.clock.forward(endpointsFor)
	o, _ := b.paid()
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	c, err := b.DeliveryCounts(b.ctx)
	require.NoError(t, err)
	require.Equal(t, 2, c.Waiting[merchant.Queued].Count)
	require.Equal(t, 1, c.Waiting[merchant.Held].Count)
	require.False(t, c.Waiting[merchant.Held].Oldest.IsZero())
	require.Equal(t, map[merchant.State]int{merchant.Healthy: 1, tasks.HeldByHand: 1}, c.Endpoints)
}
