package order_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

// Every story ends with what the buyer reads, and is told again when the money
// that was on its way has come back.
func TestTheBuyerIsTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		live   func(*tale)
		now    string // "" when there is nothing to tell
		onceIn string // when every refund has succeeded
	}{
		"unpaid":               {func(*tale) {}, "", ""},
		"being paid":           {func(l *tale) { l.pay() }, "", ""},
		"paid":                 {func(l *tale) { l.paid() }, "", ""},
		"delivered":            {func(l *tale) { l.delivered() }, "", ""},
		"completed":            {func(l *tale) { l.delivered(); l.ok(l.o.Complete(app, noon)) }, "", ""},
		"not paid in time":     {func(l *tale) { l.ok(l.o.Expire(l.o.ExpireAt)) }, "not paid in time", "not paid in time"},
		"called off, unpaid":   {func(l *tale) { l.cancel() }, "called off before it was paid", "called off before it was paid"},
		"being closed":         {func(l *tale) { l.pay(); l.cancel() }, "", ""},
		"paid, then cancelled": {func(l *tale) { l.paid(); l.cancel() }, "called off. The merchant has been asked to stop", ""},
		"revoked":              {func(l *tale) { l.paid(); l.cancel(); l.ok(l.o.Revoke("", merchant, noon)) }, "called off. Your money is on its way", "All of your money has come back"},
		"cancelled too late":   {func(l *tale) { l.paid(); l.cancel(); l.ok(l.o.Deliver("SF1", merchant, noon)) }, "cancel came too late", "cancel came too late"},
		"nobody delivers": {func(l *tale) {
			l.paid()
			for level := order.OverdueReminded; level <= order.OverdueCalledOff; level++ {
				l.ok(l.o.Overdue(l.o.OverdueAt(level)))
			}
		}, "not delivered in time. The merchant has been asked", ""},
		"cannot be delivered": {func(l *tale) { l.paid(); l.ok(l.o.FailDelivery("sold out", merchant, noon)) }, "could not deliver. Your money is on its way", "All of your money has come back"},
		"late money":          {func(l *tale) { a := l.pay(); l.closed(a); l.receive(a) }, "after the order was closed; the money is on its way", "after the order was closed; the money has come back"},
		"paid twice": {func(l *tale) {
			a := l.pay()
			b := l.pay()
			l.receive(a)
			l.receive(b)
		}, "paid twice; the second payment is on its way", "paid twice; the second payment has come back"},
		"the wrong sum":          {func(l *tale) { l.mismatch() }, "is being looked into", "is being looked into"},
		"the wrong sum, goes":    {func(l *tale) { a := l.mismatch(); l.ok(l.o.ReturnMismatch(a.ID, "operator:alice", "no", noon)) }, "the money is on its way", "the money has come back"},
		"the wrong sum, is kept": {func(l *tale) { a := l.mismatch(); l.ok(l.o.AcceptMismatch(a.ID, "operator:alice", "yes", noon)) }, "", ""},
		"a part goes back": {func(l *tale) {
			l.delivered()
			_, err := l.o.AskRefund(100, "a dent", app, noon)
			l.ok(err)
		}, "Part of your money is on its way", "Part of your money has come back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &tale{t: t, o: fresh(t)}
			tc.live(l)
			l.tells(tc.now)
			for _, r := range l.o.Refunds {
				l.ok(l.o.SucceedRefund(r.ID, noon.Add(time.Hour)))
			}
			if len(l.o.Refunds) > 0 || tc.onceIn != "" {
				l.tells(tc.onceIn)
			}
		})
	}
}

// tale is an order that is taken through a story.
type tale struct {
	t *testing.T
	o *order.Order
}

func (l *tale) ok(err error) {
	l.t.Helper()
	require.NoError(l.t, err)
}

func (l *tale) pay() *order.Attempt { l.t.Helper(); return pay(l.t, l.o) }

func (l *tale) receive(a *order.Attempt) { l.t.Helper(); l.ok(l.o.Receive(receipt(a), noon)) }

func (l *tale) paid() { l.t.Helper(); l.receive(l.pay()) }

func (l *tale) cancel() { l.t.Helper(); l.ok(l.o.Cancel("changed my mind", app, noon)) }

func (l *tale) delivered() { l.t.Helper(); l.paid(); l.ok(l.o.Deliver("SF1", merchant, noon)) }

// closed has the order closed in time, with a closed at its channel.
func (l *tale) closed(a *order.Attempt) {
	l.t.Helper()
	l.ok(l.o.Expire(l.o.ExpireAt))
	l.ok(l.o.CloseAttempt(a.ID, "expired", noon))
}

// mismatch is a payment of one too much.
func (l *tale) mismatch() *order.Attempt {
	l.t.Helper()
	a := l.pay()
	r := receipt(a)
	r.Amount++
	l.ok(l.o.Receive(r, noon))
	return a
}

func (l *tale) tells(what string) {
	l.t.Helper()
	if what == "" {
		require.Empty(l.t, l.o.TellBuyer())
		return
	}
	require.Contains(l.t, l.o.TellBuyer(), what)
}
