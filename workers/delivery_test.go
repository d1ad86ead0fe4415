package workers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func notifyOf(o *order.Order) tasks.Key {
	return tasks.About(tasks.DeliveryNotify, order.DeliveryID(o.ID))
}

func bellOf(e merchant.Endpoint) tasks.Key { return tasks.About(tasks.EndpointDeliver, e.ID) }

// waits is what of an order its merchant's endpoints have yet to take.
func (b *bench) waits(o *order.Order) []merchant.Delivery {
	b.t.Helper()
	list, err := b.OrderDeliveries(b.ctx, o.ID)
	require.NoError(b.t, err)
	return list
}

func (b *bench) wait(o *order.Order, e merchant.Endpoint) merchant.Delivery {
	b.t.Helper()
	for _, d := range b.waits(o) {
		if d.EndpointID == e.ID {
			return d
		}
	}
	require.Fail(b.t, "nothing waits", "for %s", e.ID)
	return merchant.Delivery{}
}

// look looks at an endpoint's backlog for as long as there is something to do now.
func (b *bench) look(e merchant.Endpoint) {
	b.t.Helper()
	for range 100 {
		row, owed := b.owed(bellOf(e))
		if !owed || row.DueAt.After(b.clock.now()) {
			return
		}
		require.NoError(b.t, b.run(bellOf(e)))
	}
	require.Fail(b.t, "it never ends")
}

// recover makes an endpoint one of which nothing is known.
func (b *bench) recover(e merchant.Endpoint) {
	b.t.Helper()
	_, err := b.ExecContext(b.ctx, "UPDATE endpoints SET health = '{}' WHERE id = ?", e.ID)
	require.NoError(b.t, err)
}

func (b *bench) log(o *order.Order) []merchant.Attempt {
	b.t.Helper()
	list, err := b.NoticeAttempts(b.ctx, order.DeliveryID(o.ID).String())
	require.NoError(b.t, err)
	return list
}

func TestAMerchantIsToldOnce(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	b.gone(notifyOf(o))
	require.Empty(t, b.ran(notifyOf(o)))
	require.Equal(t, 1, b.sender.told(e))
	require.Equal(t, order.DeliveryID(o.ID).String(), b.sender.sent[0].id, "the webhook-id is the notice's")
	require.Contains(t, b.sender.sent[0].body, o.ID.String())
	log := b.log(o)
	require.Len(t, log, 1)
	require.True(t, log[0].OK)
	require.Equal(t, order.Paid, b.order(o.ID).Status, "telling is not delivering")
}

// Redis was emptied, and the row is handed over again while it is being tried:
// who read it before that try was settled does not tell the merchant once more.
func TestARowThatWasReadWhileItWasTriedIsNotTriedAgain(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	first := b.runner(tasks.DeliveryNotify, b.here)
	b.deps.Store = &meddler{Store: b.Store, afterOwed: func() {
		require.NoError(t, first.ProcessTask(b.ctx, bundleOf(notifyOf(o))))
	}}
	require.NoError(t, b.run(notifyOf(o)))
	require.Equal(t, []string{"delivery:notify done"}, b.outcomes)
	require.Equal(t, 1, b.sender.told(e))
	b.gone(notifyOf(o))
	require.Empty(t, b.here.rows)
	require.Empty(t, b.here.readers)
}

func TestWhatAMerchantsAnswerMeans(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		answer merchant.Attempt
		wait   time.Duration // until the next try; 0: none is needed
		jitter time.Duration
		reason merchant.Reason
	}{
		"204":                {merchant.Attempt{OK: true, HTTPStatus: 204}, 0, 0, ""},
		"500":                {answered(500, 0), 5 * time.Second, time.Second, merchant.Retry},
		"404":                {answered(404, 0), 5 * time.Second, time.Second, merchant.Retry},
		"410":                {merchant.Attempt{HTTPStatus: 410, Gone: true, Error: "status: it answered 410 Gone"}, 0, 0, ""},
		"503 with a wait":    {answered(503, 90*time.Second), 90 * time.Second, 0, merchant.Throttled},
		"429 with a day":     {answered(429, merchant.MaxRetryAfter), merchant.MaxRetryAfter, 0, merchant.Throttled},
		"a redirect":         {merchant.Attempt{HTTPStatus: 302, Error: "redirect: it answered 302 Found"}, 5 * time.Second, time.Second, merchant.Retry},
		"no such host":       {failed(merchant.DNS), 5 * time.Second, time.Second, merchant.Retry},
		"nobody listens":     {failed(merchant.Refused), 5 * time.Second, time.Second, merchant.Retry},
		"no answer in time":  {failed(merchant.Timeout), 5 * time.Second, time.Second, merchant.Retry},
		"a bad certificate":  {failed(merchant.TLS), 5 * time.Second, time.Second, merchant.Retry},
		"an exchange broken": {failed(merchant.Reset), 5 * time.Second, time.Second, merchant.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			e := b.endpoint()
			b.sender.answer(e, c.answer)
			o, _ := b.paid()
			require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
			b.gone(notifyOf(o))
			require.Len(t, b.log(o), 1, "every answer is in the log")
			if c.wait == 0 {
				require.Empty(t, b.waits(o))
				return
			}
			d := b.waits(o)[0]
			require.Equal(t, 1, d.Attempts, "the first try counts")
			require.False(t, d.InFlight)
			require.Equal(t, c.answer.Error, d.LastError)
			require.Equal(t, c.reason, d.Reason)
			require.WithinDuration(t, b.clock.now().Add(c.wait), d.DueAt, c.jitter)
			b.sender.answer(e, acknowledged())
			b.look(e)
			require.Equal(t, 1, b.sender.told(e), "not before its time")
			b.clock.set(d.DueAt)
			b.look(e)
			require.Equal(t, 2, b.sender.told(e))
			require.Empty(t, b.waits(o))
			b.gone(bellOf(e))
		})
	}
}

func TestWhoHasAnsweredIsNotToldAgain(t *testing.T) {
	b := newBench(t)
	good, bad, other := b.endpoint(), b.endpoint(), b.endpoint()
	b.sender.answer(bad, answered(502, 0))
	o, _ := b.paid()
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	for range 2 {
		b.clock.set(b.waits(o)[0].DueAt)
		b.look(bad)
	}
	require.Equal(t, 1, b.sender.told(good))
	require.Equal(t, 1, b.sender.told(other))
	require.Equal(t, 3, b.sender.told(bad))

	b.sender.answer(bad, acknowledged())
	require.NoError(t, b.Requeue(b.ctx, notifyOf(o), "operator:alice", "mended", b.clock.now()), "an operator need not know where it waits")
	b.look(bad)
	require.Equal(t, 1, b.sender.told(good))
	require.Equal(t, 4, b.sender.told(bad))
	require.Empty(t, b.waits(o))
	require.ErrorIs(t, b.Requeue(b.ctx, notifyOf(o), "operator:alice", "again", b.clock.now()), order.ErrNotFound)
}

func TestWithoutAnEndpointTheNoticeWaits(t *testing.T) {
	b := newBench(t)
	o, _ := b.paid()
	require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
	require.Contains(t, b.row(notifyOf(o)).LastError, "register one with POST /v1/merchants/"+b.seller+"/endpoints")
	e := b.endpoint() // a merchant's first endpoint counts at once
	b.due(notifyOf(o))
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.Equal(t, 1, b.sender.told(e))
}

func TestWhatAPausedEndpointShouldHearIsHeld(t *testing.T) {
	shared := newBench(t)
	t.Run("the only one", func(t *testing.T) {
		b := shared.fresh(t)
		e := b.endpoint()
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		b.look(e)
		b.gone(bellOf(e))
		require.Zero(t, b.sender.told(e))
		require.Len(t, b.waits(o), 1)
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
		b.look(e)
		require.Equal(t, 1, b.sender.told(e))
		require.Empty(t, b.waits(o))
		b.gone(bellOf(e))
	})
	t.Run("one of two", func(t *testing.T) {
		b := shared.fresh(t)
		paused, live := b.endpoint(), b.endpoint()
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, paused.ID, true, b.clock.now()))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		require.Zero(t, b.sender.told(paused))
		require.Equal(t, 1, b.sender.told(live))
		require.Len(t, b.waits(o), 1)
	})
	t.Run("after it failed", func(t *testing.T) {
		b := shared.fresh(t)
		e := b.endpoint()
		b.sender.answer(e, answered(500, 0))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
		b.clock.set(b.waits(o)[0].DueAt)
		b.look(e)
		require.Equal(t, 1, b.sender.told(e))
		require.Len(t, b.waits(o), 1)
	})
}

func TestTheMerchantsEndpointsAreReadOncePerMoment(t *testing.T) {
	b := newBench(t)
	b.endpoint()
	store := &meddler{Store: b.Store}
	cache := newEndpointCache(store, b.clock.now)
	for range 3 {
		list, err := cache.of(b.ctx, b.seller, time.Time{})
		require.NoError(t, err)
		require.Len(t, list, 1)
	}
	require.Equal(t, 1, store.endpointsRead)
	b.endpoint()
	b.clock.forward(endpointsFor)
	list, err := cache.of(b.ctx, b.seller, time.Time{})
	require.NoError(t, err)
	require.Len(t, list, 2, "a new one is seen within two seconds")
}

// A secret that has been replaced signs until it expires, and for no longer than
// the cache keeps it beyond.
func TestAnExpiredSecretSignsNoMore(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	r := merchant.Rotation{Secret: merchant.NewSecret(), Overlap: time.Hour, At: b.clock.now()}
	require.NoError(t, b.Store.RotateEndpoint(b.ctx, b.seller, e.ID, r))
	cache := newEndpointCache(b.Store, b.clock.now)
	sign := func() []string {
		list, err := cache.of(b.ctx, b.seller, time.Time{})
		require.NoError(t, err)
		return list[0].Secrets
	}
	require.Equal(t, []string{r.Secret, e.Secrets[0]}, sign())
	b.clock.forward(time.Hour - endpointsFor)
	require.Equal(t, []string{r.Secret, e.Secrets[0]}, sign())
	b.clock.forward(endpointsFor)
	require.Equal(t, []string{r.Secret}, sign())
}

func TestATryThatWeCutShortCostsTheMerchantNothing(t *testing.T) {
	shared := newBench(t)
	t.Run("alone", func(t *testing.T) {
		b := shared.fresh(t)
		e := b.endpoint()
		b.sender.answer(e, failed(merchant.Stopped)) // out of sockets
		o, _ := b.paid()
		for range 20 { // more than the ladder has steps
			b.due(notifyOf(o))
			require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
		}
		row := b.row(notifyOf(o))
		require.Zero(t, row.Attempts)
		require.Contains(t, row.LastError, "stopped")
		require.True(t, row.DueAt.After(b.clock.now()), "not at once: what we lack must come back first")
		require.Empty(t, b.log(o), "the log is of what merchants did")
		b.sender.answer(e, acknowledged())
		b.due(notifyOf(o))
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	})
	t.Run("beside one that answered", func(t *testing.T) {
		b := shared.fresh(t)
		good, cut := b.endpoint(), b.endpoint()
		b.sender.answer(cut, failed(merchant.Stopped))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
		require.Zero(t, b.row(notifyOf(o)).Attempts)
		b.sender.answer(cut, acknowledged())
		b.due(notifyOf(o))
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		require.Equal(t, 1, b.sender.told(good), "who has answered is not told again")
		require.Equal(t, 2, b.sender.told(cut))
	})
	t.Run("beside one that failed", func(t *testing.T) {
		b := shared.fresh(t)
		bad, cut := b.endpoint(), b.endpoint()
		b.sender.answer(bad, answered(500, 0))
		b.sender.answer(cut, failed(merchant.Stopped))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		require.Equal(t, 1, b.wait(o, bad).Attempts, "that one's failure counts")
		require.Zero(t, b.wait(o, cut).Attempts)
		require.Len(t, b.log(o), 1)
		b.clock.forward(time.Minute)
		b.look(cut)
		require.Zero(t, b.wait(o, cut).Attempts, "nor in its backlog")
		require.Equal(t, 2, b.sender.told(cut))
	})
}

// An endpoint that takes all but one notice: that one is dead after 14 tries, and
// an operator has it told.
func TestANoticeIsDeadAfterItsSchedule(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	o, _ := b.paid()
	tries := 0
	for b.sender.answer(e, answered(500, 0)); ; tries++ {
		if tries == 0 {
			require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		} else {
			b.look(e)
		}
		if len(b.waits(o)) == 0 {
			break
		}
		b.recover(e)
		b.clock.set(b.waits(o)[0].DueAt)
	}
	require.Equal(t, 13, tries)
	row := b.dead(notifyOf(o))
	require.Equal(t, 14, row.Attempts)
	require.Contains(t, row.LastError, "it answered Internal Server Error")
	require.Equal(t, order.Paid, b.order(o.ID).Status, "a dead notice never blocks the order")
	b.gone(bellOf(e))

	b.sender.answer(e, acknowledged())
	require.NoError(t, b.Requeue(b.ctx, notifyOf(o), "operator:alice", "mended", b.clock.now()))
	b.clock.forward(time.Second)
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.Equal(t, 15, b.sender.told(e))
	require.Empty(t, b.waits(o))
}
