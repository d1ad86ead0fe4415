package workers

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func noticeOf(o *order.Order) string { return order.DeliveryID(o.ID).String() }

// resend asks for an order's notice once more, of all endpoints or of one.
func (b *bench) resend(o *order.Order, to ...merchant.Endpoint) []merchant.Delivery {
	b.t.Helper()
	b.clock.forward(time.Second) // the log tells attempts apart by their time
	var id merchant.EndpointID
	if len(to) > 0 {
		id = to[0].ID
	}
	list, err := b.Resend(b.ctx, noticeOf(o), id, b.clock.now())
	require.NoError(b.t, err)
	return list
}

// told is an order whose merchant was told of it.
func (b *bench) told() *order.Order {
	b.t.Helper()
	o, _ := b.paid()
	require.Equal(b.t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	return o
}

// Whatever became of a notice before, resent it goes now, once, as it was.
func TestANoticeIsResent(t *testing.T) {
	shared := newBench(t)
	for name, before := range map[string]func(b *bench, e merchant.Endpoint) *order.Order{
		"taken": func(b *bench, _ merchant.Endpoint) *order.Order { return b.told() },
		"waits for a retry": func(b *bench, e merchant.Endpoint) *order.Order {
			b.sender.answer(e, answered(500, 0))
			return b.told()
		},
		"waits by a resend": func(b *bench, _ merchant.Endpoint) *order.Order { o := b.told(); b.resend(o); return o },
		"dead": func(b *bench, e merchant.Endpoint) *order.Order {
			b.sender.answer(e, answered(500, 0))
			o := b.told()
			b.exhaust(o, e)
			b.dead(notifyOf(o))
			return o
		},
		"pointless by now": func(b *bench, _ merchant.Endpoint) *order.Order {
			o, _ := b.paid()
			b.step(o.ID, func(o *order.Order) error { return o.Accept("merchant:m_1", b.clock.now()) })
			return o
		},
		"refused with 410": func(b *bench, e merchant.Endpoint) *order.Order {
			b.sender.answer(e, merchant.Attempt{HTTPStatus: 410, Gone: true, Error: "status: it answered 410 Gone"})
			return b.told()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			e := b.endpoint()
			o := before(b, e)
			b.sender.answer(e, acknowledged())
			b.recover(e)
			sent := b.sender.told(e)
			require.Len(t, b.resend(o), 1)
			require.Len(t, b.resend(o, e), 1, "twice is once")
			d := b.wait(o, e)
			require.Equal(t, b.clock.now(), d.DueAt)
			require.Zero(t, d.Attempts)
			b.look(e)
			require.Equal(t, sent+1, b.sender.told(e))
			last := b.sender.sent[len(b.sender.sent)-1]
			n, err := b.Notice(b.ctx, noticeOf(o))
			require.NoError(t, err)
			require.Equal(t, n.ID, last.id)
			require.Equal(t, string(n.Body), last.body, "the same bytes")
			require.Empty(t, b.waits(o))
			b.gone(bellOf(e))
			list, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead, Kind: tasks.DeliveryNotify})
			require.NoError(t, err)
			require.Empty(t, list, "no operator need look any more")
		})
	}
}

// exhaust has what waits for an endpoint tried to the end of its schedule, and the
// endpoint be none that is paused for it.
func (b *bench) exhaust(o *order.Order, e merchant.Endpoint) {
	b.t.Helper()
	for range 30 {
		if !slices.Contains(b.waitsOf(e), noticeOf(o)) {
			return
		}
		b.recover(e)
		b.clock.set(b.row(bellOf(e)).DueAt)
		require.NoError(b.t, b.run(bellOf(e)))
	}
	require.Fail(b.t, "it never ends")
}

// Of two endpoints that did not take it, one takes it when it is resent: what is
// dead stays dead for the other.
func TestWhatIsDeadForAnotherStaysDead(t *testing.T) {
	b := newBench(t)
	one, two := b.endpoint(), b.endpoint()
	b.sender.answer(one, answered(500, 0))
	b.sender.answer(two, answered(500, 0))
	o := b.told()
	b.exhaust(o, one)
	b.exhaust(o, two)
	b.dead(notifyOf(o))
	b.recover(one)
	b.recover(two)
	b.sender.answer(one, acknowledged())
	b.resend(o, one)
	b.look(one)
	b.dead(notifyOf(o))
	b.sender.answer(two, acknowledged())
	b.resend(o, two)
	b.look(two)
	b.gone(notifyOf(o))
	list, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead})
	require.NoError(t, err)
	require.Empty(t, list)
}

// What was asked for once more follows the schedule, and nobody is called at its end.
func TestTheEndOfAResend(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.told()
	b.sender.answer(e, answered(500, 0))
	b.resend(o)
	b.look(e)
	d := b.wait(o, e)
	require.Equal(t, 1, d.Attempts)
	require.Equal(t, merchant.Retry, d.Reason)
	b.exhaust(o, e)
	require.Equal(t, 1+14, b.sender.told(e))
	list, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Dead})
	require.NoError(t, err)
	require.Empty(t, list)
	require.Zero(t, b.alerts(tasks.AlertTaskDead))
}

// An operator requeues what is dead while it waits by a resend: from then on it
// waits in its own right, and its end is theirs to hear of.
func TestARequeueBesideAResend(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.sender.answer(e, answered(500, 0))
	o := b.told()
	b.exhaust(o, e)
	b.recover(e)
	b.resend(o)
	require.NoError(t, b.Requeue(b.ctx, notifyOf(o), "operator:alice", "by hand", b.clock.now()))
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.False(t, b.wait(o, e).Asked)
	b.exhaust(o, e)
	b.dead(notifyOf(o))
}

// The notice is under way when it is asked for: that attempt counts, and should it
// fail, the schedule begins anew.
func TestAResendOfWhatIsInFlight(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.behind(e, 1)
	claim, err := b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	d := claim.Deliveries[0]
	_, err = b.ExecContext(b.ctx, "UPDATE deliveries SET attempts = 7")
	require.NoError(t, err)
	list, err := b.Resend(b.ctx, d.NoticeID, e.ID, b.clock.now())
	require.NoError(t, err)
	require.True(t, list[0].InFlight)
	require.NoError(t, b.Land(b.ctx, landed(d, answered(500, 0)))[0], "the attempt is still its own")
	list, err = b.NoticeDeliveries(b.ctx, d.NoticeID)
	require.NoError(t, err)
	require.Equal(t, 1, list[0].Attempts, "counted anew")
	require.False(t, list[0].Asked, "it waits in its own right, as before")
	b.clock.set(list[0].DueAt)
	b.look(e)
	require.Equal(t, 1, b.sender.told(e))

	b.resend(orderOf(b, d.NoticeID))
	claim, err = b.Claim(b.ctx, e.ID, b.clock.now())
	require.NoError(t, err)
	_, err = b.Resend(b.ctx, d.NoticeID, e.ID, b.clock.now())
	require.NoError(t, err)
	require.NoError(t, b.Land(b.ctx, landed(claim.Deliveries[0], acknowledged()))[0])
	require.Empty(t, b.waitsOf(e), "told is told")
}

func orderOf(b *bench, noticeID string) *order.Order {
	subject, err := tasks.SubjectOf(noticeID)
	require.NoError(b.t, err)
	return b.order(tasks.Key{Kind: tasks.DeliveryNotify, Subject: subject}.Order())
}

// Resent by many at once, while it is being told: it waits once, and nothing else
// is told.
func TestResendsBesideADrain(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.behind(e, 20)[0]
	var all sync.WaitGroup
	for range 4 {
		r := b.runner(tasks.EndpointDeliver, newBusy())
		all.Go(func() {
			if err := r.ProcessTask(b.ctx, bundleOf(bellOf(e))); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := b.Resend(b.ctx, noticeOf(o), e.ID, b.clock.now()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b.look(e)
	require.Empty(t, b.waitsOf(e))
	require.GreaterOrEqual(t, b.sender.told(e), 20)
	require.LessOrEqual(t, b.sender.told(e), 24)
}

// For an endpoint that is paused or disabled it is held, and says so.
func TestAResendToOneThatIsPausedIsHeld(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.told()
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	require.Equal(t, merchant.Held, b.resend(o)[0].Reason)
	b.look(e)
	require.Equal(t, 1, b.sender.told(e))
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	b.look(e)
	require.Equal(t, 2, b.sender.told(e))

	_, err := b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"state":"disabled"}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	require.Equal(t, merchant.Held, b.resend(o)[0].Reason)
	_, err = b.ExecContext(b.ctx, `UPDATE endpoints SET health = '{"state":"paused"}' WHERE id = ?`, e.ID)
	require.NoError(t, err)
	require.Equal(t, merchant.Probing, b.resend(o)[0].Reason)
}

// What nobody would take is refused, and changes nothing.
func TestResendsThatAreRefused(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.told()
	stranger := b.fresh(t).endpoint()
	for _, c := range []struct {
		notice string
		to     merchant.EndpointID
		want   error
	}{
		{"nonsense", e.ID, order.ErrNotFound},
		{ident.New[merchant.Notice]().String(), e.ID, order.ErrNotFound},
		{noticeOf(o), stranger.ID, order.ErrNotFound},
		{noticeOf(o), ident.New[merchant.Endpoint](), order.ErrNotFound},
	} {
		_, err := b.Resend(b.ctx, c.notice, c.to, b.clock.now())
		require.ErrorIs(t, err, c.want)
	}
	e.Events = []string{merchant.OrderClosed}
	require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.clock.now()))
	_, err := b.Resend(b.ctx, noticeOf(o), e.ID, b.clock.now())
	require.ErrorContains(t, err, "the endpoint does not subscribe to order.paid: change its events")
	_, err = b.Resend(b.ctx, noticeOf(o), merchant.EndpointID{}, b.clock.now())
	require.ErrorContains(t, err, "no endpoint of the merchant subscribes to order.paid")
	require.ErrorIs(t, err, order.ErrNotAllowed)
	require.Empty(t, b.waits(o))
}

// An endpoint is deleted that was to hear something once more: nobody else is told
// for that.
func TestAResendToOneThatIsDeletedIsHandedToNobody(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o := b.told()
	other := b.endpoint()
	b.resend(o, e)
	require.NoError(t, b.DeleteEndpoint(b.ctx, b.seller, e.ID, b.clock.now()))
	b.gone(notifyOf(o))
	b.look(e)
	b.clock.forward(time.Hour)
	require.Zero(t, b.sender.told(other))
}
