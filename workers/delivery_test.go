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
		wait   time.Duration // until the next try; 0: fulfilled
		jitter time.Duration
	}{
		"204":                {merchant.Attempt{OK: true, HTTPStatus: 204}, 0, 0},
		"500":                {answered(500, 0), 5 * time.Second, time.Second},
		"404":                {answered(404, 0), 5 * time.Second, time.Second},
		"410":                {answered(410, 0), 5 * time.Second, time.Second},
		"503 with a wait":    {answered(503, 90*time.Second), 90 * time.Second, 0},
		"429 with a day":     {answered(429, merchant.MaxRetryAfter), merchant.MaxRetryAfter, 0},
		"a redirect":         {merchant.Attempt{HTTPStatus: 302, Error: "redirect: it answered 302 Found"}, 5 * time.Second, time.Second},
		"no such host":       {failed(merchant.DNS), 5 * time.Second, time.Second},
		"nobody listens":     {failed(merchant.Refused), 5 * time.Second, time.Second},
		"no answer in time":  {failed(merchant.Timeout), 5 * time.Second, time.Second},
		"a bad certificate":  {failed(merchant.TLS), 5 * time.Second, time.Second},
		"a private address":  {failed(merchant.Blocked), 5 * time.Second, time.Second},
		"an exchange broken": {failed(merchant.Reset), 5 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			e := b.endpoint()
			b.sender.answer(e, c.answer)
			o, _ := b.paid()
			require.NoError(t, b.run(notifyOf(o)))
			require.Len(t, b.log(o), 1, "every answer is in the log")
			if c.wait == 0 {
				b.gone(notifyOf(o))
				return
			}
			row := b.row(notifyOf(o))
			require.Equal(t, 1, row.Attempts)
			require.Equal(t, c.answer.Error, row.LastError)
			require.WithinDuration(t, b.clock.now().Add(c.wait), row.DueAt, c.jitter)
			b.sender.answer(e, acknowledged())
			b.due(notifyOf(o))
			require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
			require.Equal(t, 2, b.sender.told(e))
		})
	}
}

func TestWhoHasAnsweredIsNotToldAgain(t *testing.T) {
	b := newBench(t)
	good, bad, other := b.endpoint(), b.endpoint(), b.endpoint()
	b.sender.answer(bad, answered(502, 0))
	o, _ := b.paid()
	for range 3 {
		b.due(notifyOf(o))
		require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
	}
	require.Equal(t, 1, b.sender.told(good))
	require.Equal(t, 1, b.sender.told(other))
	require.Equal(t, 3, b.sender.told(bad))

	require.NoError(t, b.Requeue(b.ctx, notifyOf(o), "operator:alice", "mended", b.clock.now()), "not by an operator's hand either")
	b.sender.answer(bad, acknowledged())
	b.clock.forward(time.Second)
	require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	require.Equal(t, 1, b.sender.told(good))
	require.Equal(t, 4, b.sender.told(bad))
	require.Len(t, b.log(o), 6)
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

func TestAPausedEndpointIsNotTold(t *testing.T) {
	shared := newBench(t)
	t.Run("the only one", func(t *testing.T) {
		b := shared.fresh(t)
		e := b.endpoint()
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
		require.Zero(t, b.sender.told(e))
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false))
		b.due(notifyOf(o))
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
	})
	t.Run("one of two", func(t *testing.T) {
		b := shared.fresh(t)
		paused, live := b.endpoint(), b.endpoint()
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, paused.ID, true))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify done"}, b.ran(notifyOf(o)))
		require.Zero(t, b.sender.told(paused))
		require.Equal(t, 1, b.sender.told(live))
	})
	t.Run("after it failed", func(t *testing.T) {
		b := shared.fresh(t)
		e := b.endpoint()
		b.sender.answer(e, answered(500, 0))
		o, _ := b.paid()
		require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
		require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true))
		b.due(notifyOf(o))
		require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)), "nobody has acknowledged: the merchant is not told yet")
		require.Equal(t, 1, b.sender.told(e))
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
		require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
		require.Equal(t, 1, b.row(notifyOf(o)).Attempts, "that one's failure counts")
		require.Len(t, b.log(o), 1)
	})
}

func TestANoticeIsDeadAfterItsLadder(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	b.sender.answer(e, answered(500, 0))
	o, _ := b.paid()
	spec, err := tasks.SpecOf(tasks.DeliveryNotify)
	require.NoError(t, err)
	for range spec.Retry.Steps {
		b.due(notifyOf(o))
		require.Equal(t, []string{"delivery:notify later"}, b.ran(notifyOf(o)))
	}
	b.due(notifyOf(o))
	require.Equal(t, []string{"delivery:notify dead"}, b.ran(notifyOf(o)))
	require.Equal(t, len(spec.Retry.Steps)+1, b.dead(notifyOf(o)).Attempts)
	require.Equal(t, order.Paid, b.order(o.ID).Status, "a dead notice never blocks the order")
}
