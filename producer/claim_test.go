package producer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/producer/api"
)

const bySandbox = `{"channel":"sandbox"}`

// twice is an order with one payment open, and the path that opens another.
func (d *door) twice() (o api.Order, pay string) {
	d.t.Helper()
	o = want[api.Order](d.call("app", "POST", "/v1/orders", draftWithChannel), 201)
	return o, "/v1/orders/" + o.ID + "/payments"
}

func (d *door) timeline(o api.Order) (types []string) {
	d.t.Helper()
	for _, e := range want[api.Timeline](d.call("app", "GET", "/v1/orders/"+o.ID+"/events", ""), 200).Events {
		types = append(types, e.Type)
	}
	return types
}

// P1: the channels of the open payments are asked before another is let in.
func TestASecondPaymentAsksAboutTheFirst(t *testing.T) {
	t.Parallel()
	for name, meets := range map[string]error{
		"not paid":           nil,
		"no answer":          payment.Errorf(payment.Unknown, "sandbox query", "s3cret timeout"),
		"an answer in panic": errPanic,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			o, pay := d.twice()
			d.channel.query = func(context.Context) error {
				if errors.Is(meets, errPanic) {
					panic("s3cret of the channel")
				}
				return meets
			}
			d.logs.TakeAll()
			a := d.call("app", "POST", pay, bySandbox)
			second := want[api.Payment](a, 201)
			require.Equal(t, "paying", second.Status)
			require.NotNil(t, second.Action)
			require.Equal(t, []string{o.Payment.ID}, d.channel.queried)
			require.Equal(t, []string{"order.created", "payment.opened", "payment.asked", "payment.opened"}, d.timeline(o))
			require.NotContains(t, a.Body.String(), "s3cret")
			if meets != nil {
				require.Contains(t, d.logs.FilterMessage("request").All()[0].ContextMap()["error"], "s3cret", "the night shift reads why")
			}

			third := want[api.Payment](d.call("app", "POST", pay, bySandbox), 201)
			require.ElementsMatch(t, []string{o.Payment.ID, second.ID}, d.channel.queried[1:])
			require.NotEqual(t, second.ID, third.ID)
		})
	}
}

var errPanic = errors.New("panic")

func TestASecondPaymentOfAPaidOrder(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o, pay := d.twice()
	d.channel.pays(o.Payment)
	asked := len(d.channel.asked)
	first := d.call("app", "POST", pay, bySandbox, "Idempotency-Key", "k", "X-Request-Id", "same")
	p := first.problem(api.NotAllowed)
	require.Equal(t, "paid", p.OrderStatus)
	require.Contains(t, p.Detail, "turned out to be paid")
	require.Len(t, d.channel.asked, asked, "no channel is asked for it")

	now := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
	require.Equal(t, "paid", now.Status)
	require.Equal(t, []string{"applied", ""}, []string{now.Attempts[0].Disposition, now.Attempts[1].Disposition})
	require.Equal(t, "void", now.Attempts[1].Status)
	require.Equal(t, []string{"order.created", "payment.opened", "payment.asked", "order.paid", "payment.void"}, d.timeline(o))

	before := snapshot(t, d)
	again := d.call("app", "POST", pay, bySandbox, "Idempotency-Key", "k", "X-Request-Id", "same")
	require.Equal(t, first.Body.String(), again.Body.String(), "the same key, the same answer")
	require.Equal(t, before, snapshot(t, d))
}

// Money of the wrong sum waits for an operator; the buyer may pay as asked.
func TestASecondPaymentBesideAMismatch(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o, pay := d.twice()
	short := *o.Payment
	short.Amount--
	d.channel.pays(&short)
	require.Equal(t, "paying", want[api.Payment](d.call("app", "POST", pay, bySandbox), 201).Status)
	now := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
	require.Equal(t, order.HoldMismatch, now.Hold)
	require.Equal(t, "mismatch", now.Attempts[0].Disposition)
}

// What a channel says that cannot be is left to the query that goes on.
func TestASecondPaymentBesideNonsense(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o, pay := d.twice()
	nonsense := *o.Payment
	nonsense.Amount = -1
	d.channel.pays(&nonsense)
	require.Equal(t, "paying", want[api.Payment](d.call("app", "POST", pay, bySandbox), 201).Status)
	require.Equal(t, "paying", want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200).Attempts[0].Status)
}

func TestAPaymentOfAnOrderThatIsClosedMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o, pay := d.twice()
	d.channel.query = func(ctx context.Context) error {
		return d.store.Update(ctx, mustID(t, o.ID), nil, func(o *order.Order) error { return o.Cancel("r", "app:checkout", o.CreatedAt) })
	}
	p := d.call("app", "POST", pay, bySandbox).problem(api.NotAllowed)
	require.Equal(t, "closing", p.OrderStatus)
	require.Contains(t, p.Detail, "closed meanwhile")
}

// The process dies, or its caller goes away, while the channels are asked: the
// same key goes on from there.
func TestAReplayGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o, pay := d.twice()
	stopped := errors.New("s3cret: the database went away")
	d.channel.query = func(context.Context) error {
		d.store.mu.Lock()
		defer d.store.mu.Unlock()
		d.store.fails = stopped
		return nil
	}
	d.call("app", "POST", pay, bySandbox, "Idempotency-Key", "k").problem(api.Internal)
	d.store.fails, d.channel.query = nil, nil
	require.Equal(t, "init", want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200).Attempts[1].Status)
	asked := len(d.channel.asked)

	again := d.call("app", "POST", pay, bySandbox, "Idempotency-Key", "k")
	v := want[api.Payment](again, 201)
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	require.Equal(t, "paying", v.Status)
	require.NotNil(t, v.Action)
	require.Len(t, d.channel.asked, asked+1)
	require.Len(t, d.channel.queried, 2, "once more")

	third := d.call("app", "POST", pay, bySandbox, "Idempotency-Key", "k")
	require.Equal(t, again.Body.String(), third.Body.String())
	require.Len(t, d.channel.queried, 2, "what is claimed is not asked about again")
}

// Channels are asked side by side: one that never answers costs its time once,
// however many payments are open.
func TestOpenPaymentsAreAskedAboutSideBySide(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	_, pay := d.twice()
	_ = want[api.Payment](d.call("app", "POST", pay, bySandbox), 201)
	var both sync.WaitGroup
	both.Add(2)
	d.channel.query = func(ctx context.Context) error {
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		both.Done()
		both.Wait() // for the other: asked in turn, this would never end
		return nil
	}
	_ = want[api.Payment](d.call("app", "POST", pay, bySandbox), 201)
}

// Two requests of one key at once, or twice after a crash: one payment.
func TestClaimsOfOneKeyMeet(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o, pay := d.twice()
	inside, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d.channel.query = func(context.Context) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(inside)
			<-goOn
		}
		return nil
	}
	slow := make(chan answer, 1)
	go func() { slow <- d.call("app", "POST", pay, bySandbox, "Idempotency-Key", "k") }()
	<-inside
	fast := want[api.Payment](d.call("app", "POST", pay, bySandbox, "Idempotency-Key", "k"), 201)
	close(goOn)
	late := want[api.Payment](<-slow, 201)
	require.Equal(t, fast.ID, late.ID)
	require.Equal(t, fast.Action, late.Action)
	require.Equal(t, 2, strings.Count(strings.Join(d.timeline(o), " "), "payment.opened"), "claimed once")
}
