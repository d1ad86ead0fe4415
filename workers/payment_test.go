package workers

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

func confirmOf(a *order.Attempt) tasks.Key { return tasks.About(tasks.PaymentConfirm, a.ID) }
func queryOf(a *order.Attempt) tasks.Key   { return tasks.About(tasks.PaymentQuery, a.ID) }
func closeOf(a *order.Attempt) tasks.Key   { return tasks.About(tasks.ChannelClose, a.ID) }

func (b *bench) receive(n payment.Notice) {
	b.t.Helper()
	require.NoError(b.t, b.Receive(b.ctx, "sandbox", n, []byte("{}"), b.clock.now()))
}

func TestACallbackThatSaysAllPaysTheOrder(t *testing.T) {
	b := newBench(t)
	o, a := b.created()
	b.receive(callback(a, "e1", b.clock.now()))
	require.Equal(t, []string{"payment:confirm done"}, b.ran(confirmOf(a)))
	require.Equal(t, order.Paid, b.order(o.ID).Status)
	b.gone(confirmOf(a))
	b.gone(queryOf(a))
	b.gone(tasks.About(tasks.OrderClose, o.ID))
	b.row(tasks.About(tasks.DeliveryNotify, order.DeliveryID(o.ID)))
	require.Zero(t, b.channel.called(), "a verified notice needs no question")
}

func TestACallbackThatDoesNotSayAllMakesUsAsk(t *testing.T) {
	b := newBench(t)
	o, a := b.created()
	n := callback(a, "e1", b.clock.now())
	n.Complete = false
	b.receive(n)
	require.Equal(t, []string{"payment:confirm done"}, b.ran(confirmOf(a)))
	require.Equal(t, order.PendingPay, b.order(o.ID).Status)
	b.gone(confirmOf(a))
	require.True(t, b.clock.now().Equal(b.row(queryOf(a)).DueAt), "at once, not in five seconds")
	require.True(t, b.clock.now().Equal(b.row(queryOf(a)).PromotedAt), "and it is on its way")
}

func TestACallbackWithTheWrongSumDoesNotMoveTheOrder(t *testing.T) {
	b := newBench(t)
	o, a := b.created()
	n := callback(a, "e1", b.clock.now())
	n.Payment.Amount--
	b.receive(n)
	require.Equal(t, []string{"payment:confirm done"}, b.ran(confirmOf(a)))
	got := b.order(o.ID)
	require.Equal(t, order.PendingPay, got.Status)
	require.Equal(t, order.HoldMismatch, got.Hold)
	require.Equal(t, order.Mismatch, got.Attempts[0].Disposition)
}

func TestACallbackOfAPaymentThatIsBookedIsDone(t *testing.T) {
	b := newBench(t)
	o, a := b.paid()
	b.receive(callback(a, "e2", b.clock.now()))
	require.Equal(t, []string{"payment:confirm done"}, b.ran(confirmOf(a)))
	b.gone(confirmOf(a))
	require.Equal(t, 1, b.happened(o.ID, order.EventPaid))
}

func TestAConfirmationThatCannotBeIsForAnOperator(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		prepare func(b *bench) tasks.Key
		because string
	}{
		"garbage": {func(b *bench) tasks.Key {
			_, a := b.created()
			b.receive(callback(a, "e1", b.clock.now()))
			_, err := b.ExecContext(b.ctx, `UPDATE outbox SET payload = '{"State":' WHERE subject = ?`, a.ID)
			require.NoError(b.t, err)
			return confirmOf(a)
		}, "unexpected end of JSON input"},
		"no such attempt": {func(b *bench) tasks.Key {
			o, _ := b.created()
			return b.planted(tasks.PaymentConfirm, ident.WithPart[struct{}](o.ID, 0x09))
		}, "not found"},
		"not a payment": {func(b *bench) tasks.Key {
			_, a := b.created()
			b.receive(callback(a, "e2", b.clock.now()))
			_, err := b.ExecContext(b.ctx, `UPDATE outbox SET payload = '{"State":"closed"}' WHERE subject = ?`, a.ID)
			require.NoError(b.t, err)
			return confirmOf(a)
		}, "only a payment that was made is confirmed"},
		"no such order": {func(b *bench) tasks.Key {
			return b.planted(tasks.PaymentConfirm, ident.WithPart[struct{}](ident.New[struct{}](), 0x01))
		}, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			k := c.prepare(b)
			require.Equal(t, []string{"payment:confirm dead"}, b.ran(k))
			row := b.dead(k)
			require.Contains(t, row.LastError, c.because)
			require.Equal(t, 1, row.Attempts)
			require.Empty(t, b.ran(k), "it waits for an operator")
		})
	}
}

// planted is a row that nothing has made necessary.
func (b *bench) planted(k tasks.Kind, subject tasks.Subject) tasks.Key {
	b.t.Helper()
	_, err := b.ExecContext(b.ctx, `INSERT INTO outbox (kind, subject, payload, due_at, created_at) VALUES (?, ?, '{"State":"paid"}', ?, ?)`, k, subject, b.clock.now(), b.clock.now())
	require.NoError(b.t, err)
	return tasks.Key{Kind: k, Subject: subject}
}

// How an attempt came to be asked about.
func paying(b *bench) (*order.Order, *order.Attempt) { return b.created() }

func expired(b *bench) (*order.Order, *order.Attempt) {
	o, a := b.created()
	b.clock.set(a.ExpireAt)
	b.step(o.ID, func(o *order.Order) error { return o.Expire(b.clock.now()) })
	b.step(o.ID, func(o *order.Order) error { return o.CloseAttempt(a.ID, "closed at the channel", b.clock.now()) })
	return o, a
}

func TestWhatTheChannelSaysOfAPayment(t *testing.T) {
	shared := newBench(t)
	const soon = 0
	pollFor := tasks.DefaultTerms().PollAfterClose
	for name, c := range map[string]struct {
		given  func(*bench) (*order.Order, *order.Attempt)
		after  time.Duration // since the attempt's expiry; soon: as soon as it is due
		says   payment.State
		order  order.Status
		status order.AttemptStatus
		money  order.Disposition
		owed   bool // asked again
	}{
		"paid":                          {paying, soon, payment.Paid, order.Paid, order.AttemptSuccess, order.Applied, false},
		"paid, then given back":         {paying, soon, payment.Refunded, order.PendingPay, order.AttemptClosed, "", true},
		"given back after closing":      {expired, time.Hour, payment.Refunded, order.Closed, order.AttemptClosed, "", true},
		"pending":                       {paying, soon, payment.Pending, order.PendingPay, order.AttemptPaying, "", true},
		"not opened yet":                {paying, soon, payment.NotFound, order.PendingPay, order.AttemptPaying, "", true},
		"closed there":                  {paying, soon, payment.Closed, order.PendingPay, order.AttemptClosed, "", true},
		"closed here, paid late":        {expired, time.Hour, payment.Paid, order.Closed, order.AttemptSuccess, order.Late, false},
		"closed on both sides":          {expired, pollFor - time.Minute, payment.Closed, order.Closed, order.AttemptClosed, "", true},
		"closed for a day":              {expired, pollFor + time.Second, payment.Closed, order.Closed, order.AttemptClosed, "", false},
		"never opened, expired":         {paying, time.Second, payment.NotFound, order.PendingPay, order.AttemptClosed, "", true},
		"not opened in its last second": {paying, -1, payment.NotFound, order.PendingPay, order.AttemptPaying, "", true},
		"never seen there":              {expired, pollFor + time.Second, payment.NotFound, order.Closed, order.AttemptClosed, "", false},
		"paid on the last question":     {expired, pollFor + time.Second, payment.Paid, order.Closed, order.AttemptSuccess, order.Late, false},
		"open here, whatever it was":    {paying, pollFor + time.Hour, payment.Pending, order.PendingPay, order.AttemptPaying, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a := c.given(b)
			b.due(queryOf(a))
			if c.after != soon {
				b.clock.set(a.ExpireAt.Add(c.after))
			}
			b.channel.query = func(_ context.Context, no string) (payment.Payment, error) {
				require.Equal(t, a.ID.Compact(), no)
				return answer(a, c.says, b.clock.now()), nil
			}
			require.NoError(t, b.run(queryOf(a)))
			got := b.order(o.ID)
			require.Equal(t, c.order, got.Status)
			require.Equal(t, c.status, got.Attempts[0].Status)
			require.Equal(t, c.money, got.Attempts[0].Disposition)
			row, owed := b.owed(queryOf(a))
			require.Equal(t, c.owed, owed)
			if owed {
				require.Equal(t, 1, row.Attempts)
				first := b.clock.now().Add(15 * time.Second)
				if grace := a.ExpireAt.Add(expiryGrace); b.clock.now().Before(grace) && first.After(grace) {
					first = grace
				}
				require.WithinDuration(t, first, row.DueAt, 1500*time.Millisecond, "the ladder's first step, or right after the expiry")
				require.Empty(t, row.LastError, "no answer yet is no error")
			}
			if c.money == order.Late {
				require.Equal(t, a.Amount, got.Refunds[0].Amount, "late money goes back, all of it")
			}
		})
	}
}

func TestAChannelThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	shared := newBench(t)
	for _, class := range append(undecided(), payment.Permanent) {
		t.Run(string(class), func(t *testing.T) {
			b := shared.fresh(t)
			o, a := b.created()
			b.channel.query = func(context.Context, string) (payment.Payment, error) { return payment.Payment{}, trouble(class) }
			for n := 1; n <= 3; n++ {
				b.due(queryOf(a))
				require.Equal(t, []string{"payment:query later"}, b.ran(queryOf(a)))
				row := b.row(queryOf(a))
				require.Equal(t, n, row.Attempts)
				require.Contains(t, row.LastError, string(class))
			}
			require.Equal(t, order.AttemptPaying, b.order(o.ID).Attempts[0].Status, "unknown is not failed")
		})
	}
}

func TestWhoIsPaidIsNotAskedAbout(t *testing.T) {
	b := newBench(t)
	_, a := b.paid()
	k := b.planted(tasks.PaymentQuery, ident.As[struct{}](a.ID))
	require.Equal(t, []string{"payment:query done"}, b.ran(k))
	require.Zero(t, b.channel.called())
}

func TestAQuestionAboutNothingIsForAnOperator(t *testing.T) {
	shared := newBench(t)
	for _, kind := range []tasks.Kind{tasks.PaymentQuery, tasks.ChannelClose, tasks.RefundSubmit, tasks.RefundQuery, tasks.DeliveryNotify} {
		t.Run(string(kind), func(t *testing.T) {
			b := shared.fresh(t)
			k := b.planted(kind, ident.WithPart[struct{}](ident.New[struct{}](), 0x41))
			require.Equal(t, []string{string(kind) + " dead"}, b.ran(k))
			require.Contains(t, b.dead(k).LastError, "not found")
		})
	}
}

func TestAChannelThatIsSwitchedOffIsForAnOperator(t *testing.T) {
	b := newBench(t)
	_, a := b.created()
	b.deps.Channels = payment.Registry{}
	b.due(queryOf(a))
	require.Equal(t, []string{"payment:query dead"}, b.ran(queryOf(a)))
	require.Contains(t, b.dead(queryOf(a)).LastError, `no payment channel "sandbox"`)
}

// Closing and asking run beside each other. Whoever comes second must not take
// the attempt's being closed for the end of all questions.
func TestAskingGoesOnWhenAnotherClosedTheAttempt(t *testing.T) {
	b := newBench(t)
	o, a := b.created()
	b.due(queryOf(a))
	b.channel.query = func(context.Context, string) (payment.Payment, error) {
		b.step(o.ID, func(o *order.Order) error { return o.CloseAttempt(a.ID, "closed at the channel", b.clock.now()) })
		return answer(a, payment.Closed, b.clock.now()), nil
	}
	require.Equal(t, []string{"payment:query later"}, b.ran(queryOf(a)))
	require.Equal(t, 1, b.row(queryOf(a)).Attempts, "money can still come late")
	require.Equal(t, 1, b.happened(o.ID, order.EventAttemptClosed))
}

// An answer that comes after the expiry to a question put before it says
// nothing about the last moments.
func TestAnAnswerCountsFromWhenTheQuestionWasPut(t *testing.T) {
	shared := newBench(t)
	slowly := func(b *bench, a *order.Attempt) func(context.Context, string) (payment.Payment, error) {
		return func(context.Context, string) (payment.Payment, error) {
			b.clock.forward(3 * time.Second)
			return answer(a, payment.NotFound, b.clock.now()), nil
		}
	}
	t.Run("the expiry, asked", func(t *testing.T) {
		b := shared.fresh(t)
		o, a := b.created()
		b.clock.set(a.ExpireAt.Add(-time.Second))
		b.channel.query = slowly(b, a)
		require.Equal(t, []string{"payment:query later"}, b.ran(queryOf(a)))
		require.Equal(t, order.AttemptPaying, b.order(o.ID).Attempts[0].Status)
	})
	t.Run("the expiry, closing", func(t *testing.T) {
		b := shared.fresh(t)
		o, a := b.closing()
		b.clock.set(a.ExpireAt.Add(-time.Second))
		b.channel.close = slowly(b, a)
		require.Equal(t, []string{"channel:close later"}, b.ran(closeOf(a)))
		require.Equal(t, order.AttemptPaying, b.order(o.ID).Attempts[0].Status)
	})
	t.Run("the end of all questions", func(t *testing.T) {
		b := shared.fresh(t)
		_, a := expired(b)
		end := a.ExpireAt.Add(b.deps.Terms.PollAfterClose)
		b.clock.set(end.Add(-time.Second))
		b.channel.query = slowly(b, a)
		require.Equal(t, []string{"payment:query later"}, b.ran(queryOf(a)))
		b.due(queryOf(a))
		require.True(t, b.clock.now().After(end))
		require.Equal(t, []string{"payment:query done"}, b.ran(queryOf(a)))
	})
}

// Whatever the window to pay and the luck of the ladder, the channel is asked
// right after the expiry and once at the end.
func TestTheLadderDoesNotStepOverAMoment(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, window := range []time.Duration{order.MinPayWindow, 15 * time.Minute, 47 * time.Minute, 2 * time.Hour, 24 * time.Hour} {
		for range 50 {
			expiry := made.Add(window)
			moments := []time.Time{expiry.Add(expiryGrace), expiry.Add(24*time.Hour + expiryGrace)}
			row := tasks.Row{Key: tasks.Key{Kind: tasks.PaymentQuery}, DueAt: made.Add(5 * time.Second)}
			seen := map[time.Time]bool{}
			for n := 0; !row.DueAt.After(moments[1]); n++ {
				now := row.DueAt
				seen[now] = true
				row, _ = laterBy(row, nil, now, moments...).Verdict.Next(row, now)
				require.True(t, row.DueAt.After(now) && row.DueAt.Sub(now) <= 66*time.Minute, "%v", row.DueAt.Sub(now))
				require.Less(t, n, 60, "there is an end")
			}
			require.True(t, seen[moments[0]] && seen[moments[1]], "window %v: %v", window, seen)
		}
	}
}
