package workers

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

func submitOf(r *order.Refund) tasks.Key   { return tasks.About(tasks.RefundSubmit, r.ID) }
func followUpOf(r *order.Refund) tasks.Key { return tasks.About(tasks.RefundQuery, r.ID) }

// refunds makes the channel answer in turn, and checks what it is asked: the
// claim is committed, and the number is the same each time. sent counts.
func (b *bench) refunds(o *order.Order, a *order.Attempt, r *order.Refund, says ...any) (sent *int) {
	sent = new(int)
	b.channel.refund = func(_ context.Context, req payment.RefundRequest) (payment.Refund, error) {
		claimed, err := b.Order(b.ctx, o.ID)
		if err != nil || claimed.Refunds[0].Status != order.RefundProcessing {
			b.t.Errorf("the channel is called before the claim is committed: %v %v", claimed.Refunds[0].Status, err)
		}
		want := payment.RefundRequest{
			OutTradeNo: a.ID.Compact(), OutRefundNo: r.ID.Compact(), TradeNo: "T" + a.ID.Compact(), Amount: r.Amount, Total: a.Amount,
			Currency: "CNY", Reason: r.Reason, NotifyURL: "https://orderflow.test/callbacks/sandbox",
		}
		if req != want {
			b.t.Errorf("asked for %+v, want %+v", req, want)
		}
		*sent++
		say := says[0]
		says = says[1:]
		if err, ok := say.(error); ok {
			return payment.Refund{}, err
		}
		return payment.Refund{State: say.(payment.RefundState), OutRefundNo: req.OutRefundNo, Amount: req.Amount, Reason: "account closed"}, nil
	}
	return sent
}

func TestWhatTheChannelAnswersToARefund(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		says     any
		outcome  string
		refund   order.RefundStatus
		order    order.Status
		again    bool // submitted again
		followed bool // asked about
	}{
		"done":      {payment.RefundDone, "done", order.RefundSuccess, order.Refunded, false, false},
		"pending":   {payment.RefundPending, "done", order.RefundProcessing, order.Refunding, false, true},
		"abnormal":  {payment.RefundAbnormal, "done", order.RefundAbnormal, order.Refunding, false, false},
		"failed":    {payment.RefundFailed, "done", order.RefundClosed, order.Refunding, false, false},
		"nonsense":  {payment.RefundNotFound, "later", order.RefundProcessing, order.Refunding, true, false},
		"unknown":   {trouble(payment.Unknown), "later", order.RefundProcessing, order.Refunding, true, false},
		"slow down": {trouble(payment.Retryable), "later", order.RefundProcessing, order.Refunding, true, false},
		"conflict":  {trouble(payment.Conflict), "later", order.RefundProcessing, order.Refunding, true, false},
		"bad keys":  {trouble(payment.Auth), "later", order.RefundProcessing, order.Refunding, true, false},
		"no money":  {broke(), "later", order.RefundProcessing, order.Refunding, true, false},
		"refused":   {trouble(payment.Permanent), "done", order.RefundAbnormal, order.Refunding, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a, r := b.refunding()
			b.refunds(o, a, r, c.says, payment.RefundDone)
			require.Equal(t, []string{"refund:submit " + c.outcome}, b.ran(submitOf(r)))
			got := b.order(o.ID)
			require.Equal(t, c.refund, got.Refunds[0].Status)
			require.Equal(t, c.order, got.Status)
			require.Equal(t, c.refund == order.RefundAbnormal, got.Hold == order.HoldRefundAbnormal, "an operator is called when a person must act")
			_, again := b.owed(submitOf(r))
			require.Equal(t, c.again, again)
			row, followed := b.owed(followUpOf(r))
			require.Equal(t, c.followed, followed)
			if followed {
				require.True(t, b.clock.now().Add(time.Minute).Equal(row.DueAt))
			}
			if again {
				require.NotEmpty(t, b.row(submitOf(r)).LastError)
				require.Equal(t, 1, b.channel.called(), "on the first try there is nothing to ask about")
				b.follow(a, r, payment.RefundNotFound)
				b.due(submitOf(r))
				require.Equal(t, []string{"refund:submit done"}, b.ran(submitOf(r)), "the same number again")
				require.Equal(t, order.Refunded, b.order(o.ID).Status)
			}
			require.Equal(t, 1, b.happened(o.ID, order.EventRefundSubmitted), "claimed once")
		})
	}
}

// R3: what was claimed before may have arrived. The channel is asked, and only
// what it has not got is sent, with the same number.
func TestARetriedRefundIsAskedAboutFirst(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		says      any
		operator  bool // has asked for it
		outcome   string
		refund    order.RefundStatus
		sent, ask bool // sent again; asked about later
	}{
		"it is done":           {payment.RefundDone, false, "done", order.RefundSuccess, false, false},
		"it is on its way":     {payment.RefundPending, false, "done", order.RefundProcessing, false, true},
		"it is abnormal":       {payment.RefundAbnormal, false, "done", order.RefundAbnormal, false, false},
		"it was closed":        {payment.RefundFailed, false, "done", order.RefundClosed, false, false},
		"it never arrived":     {payment.RefundNotFound, false, "done", order.RefundSuccess, true, false},
		"nobody knows":         {trouble(payment.Unknown), false, "later", order.RefundProcessing, false, false},
		"not now":              {trouble(payment.Retryable), false, "later", order.RefundProcessing, false, false},
		"a question refused":   {trouble(payment.Permanent), false, "later", order.RefundProcessing, false, false},
		"mended, and abnormal": {payment.RefundAbnormal, true, "done", order.RefundSuccess, true, false},
		"mended, and done":     {payment.RefundDone, true, "done", order.RefundSuccess, false, false},
		"mended, nobody knows": {trouble(payment.Unknown), true, "later", order.RefundProcessing, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a, r := b.refunding()
			b.step(o.ID, func(o *order.Order) error { return o.SubmitRefund(r.ID, b.clock.now()) }) // and the process died
			if c.operator {
				b.carries(submitOf(r), tasks.ResubmitRefund(r.ID, b.clock.now()).Payload)
			}
			sent := b.refunds(o, a, r, payment.RefundDone)
			b.follow(a, r, c.says)
			require.Equal(t, []string{"refund:submit " + c.outcome}, b.ran(submitOf(r)))
			require.Equal(t, c.refund, b.order(o.ID).Refunds[0].Status)
			require.Equal(t, map[bool]int{true: 1}[c.sent], *sent)
			_, ask := b.owed(followUpOf(r))
			require.Equal(t, c.ask, ask)
		})
	}
}

// The operator's word outlives tries that came to nothing.
func TestAnOperatorsWordStaysWithTheTask(t *testing.T) {
	b := newBench(t)
	o, a, r := b.refunding()
	b.step(o.ID, func(o *order.Order) error { return o.SubmitRefund(r.ID, b.clock.now()) })
	b.carries(submitOf(r), tasks.ResubmitRefund(r.ID, b.clock.now()).Payload)
	sent := b.refunds(o, a, r, broke(), trouble(payment.Unknown), payment.RefundDone)
	b.follow(a, r, payment.RefundAbnormal)
	for n, outcome := range []string{"later", "later", "done"} {
		b.due(submitOf(r))
		require.Equal(t, []string{"refund:submit " + outcome}, b.ran(submitOf(r)))
		require.Equal(t, n+1, *sent)
	}
	require.Equal(t, order.RefundSuccess, b.order(o.ID).Refunds[0].Status)
}

func (b *bench) carries(k tasks.Key, payload []byte) {
	b.t.Helper()
	_, err := b.ExecContext(b.ctx, `UPDATE outbox SET payload = ? WHERE kind = ? AND subject = ?`, payload, k.Kind, k.Subject)
	require.NoError(b.t, err)
}

// broke is the channel's answer when our balance there is short.
func broke() error {
	return &payment.Error{Class: payment.Retryable, Op: "sandbox refund", Code: "BALANCE_SHORT", Err: payment.ErrBalanceShort}
}

// Between reading a refund and claiming it, it may come to its end.
func TestARefundThatEndedMeanwhileIsNotSubmitted(t *testing.T) {
	b := newBench(t)
	o, _, r := b.refunding()
	b.deps.Store = &meddler{Store: b.Store, update: func() error {
		b.step(o.ID, func(o *order.Order) error { return o.SucceedRefund(r.ID, b.clock.now()) })
		return nil
	}}
	require.Equal(t, []string{"refund:submit gone"}, b.ran(submitOf(r)))
	require.Zero(t, b.channel.called())
}

func TestTheFirstQuestionsAboutARefundAreAMinuteApart(t *testing.T) {
	b := newBench(t)
	o, a, r := b.refunding()
	b.refunds(o, a, r, payment.RefundPending)
	b.follow(a, r, payment.RefundPending)
	require.NoError(t, b.run(submitOf(r)))
	for _, wait := range []time.Duration{time.Minute, time.Minute, time.Minute, time.Minute, time.Minute, 5 * time.Minute, 10 * time.Minute} {
		require.WithinDuration(t, b.clock.now().Add(wait), b.row(followUpOf(r)).DueAt, wait/10)
		b.due(followUpOf(r))
		require.Equal(t, []string{"refund:query later"}, b.ran(followUpOf(r)))
	}
}

func TestARefundIsSubmittedOnlyWhileItIsOpen(t *testing.T) {
	b := newBench(t)
	o, _, r := b.refunding()
	row := b.row(submitOf(r))
	b.step(o.ID, func(o *order.Order) error { return o.SubmitRefund(r.ID, b.clock.now()) })
	b.step(o.ID, func(o *order.Order) error { return o.SucceedRefund(r.ID, b.clock.now()) })
	k := b.planted(tasks.RefundSubmit, row.Subject)
	require.Equal(t, []string{"refund:submit done"}, b.ran(k))
	require.Zero(t, b.channel.called())
}

func TestWithoutTheClaimTheChannelIsNotCalled(t *testing.T) {
	b := newBench(t)
	o, _, r := b.refunding()
	b.deps.Store = &meddler{Store: b.Store, update: func() error { return order.ErrBusy }}
	require.Equal(t, []string{"refund:submit later"}, b.ran(submitOf(r)))
	require.Zero(t, b.channel.called())
	require.Equal(t, order.RefundCreated, b.order(o.ID).Refunds[0].Status)
	require.Contains(t, b.row(submitOf(r)).LastError, order.ErrBusy.Error())
}

func TestWhatTheChannelSaysOfARefund(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		says      any
		outcome   string
		refund    order.RefundStatus
		order     order.Status
		asked     bool // asked again
		submitted bool // submitted again
	}{
		"done":      {payment.RefundDone, "done", order.RefundSuccess, order.Refunded, false, false},
		"pending":   {payment.RefundPending, "later", order.RefundProcessing, order.Refunding, true, false},
		"abnormal":  {payment.RefundAbnormal, "done", order.RefundAbnormal, order.Refunding, false, false},
		"failed":    {payment.RefundFailed, "done", order.RefundClosed, order.Refunding, false, false},
		"not found": {payment.RefundNotFound, "done", order.RefundProcessing, order.Refunding, false, true},
		"unknown":   {trouble(payment.Unknown), "later", order.RefundProcessing, order.Refunding, true, false},
		"slow down": {trouble(payment.Retryable), "later", order.RefundProcessing, order.Refunding, true, false},
		"conflict":  {trouble(payment.Conflict), "later", order.RefundProcessing, order.Refunding, true, false},
		"bad keys":  {trouble(payment.Auth), "later", order.RefundProcessing, order.Refunding, true, false},
		"refused":   {trouble(payment.Permanent), "later", order.RefundProcessing, order.Refunding, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a, r := b.refunding()
			b.refunds(o, a, r, payment.RefundPending, payment.RefundDone)
			require.NoError(t, b.run(submitOf(r)))
			b.follow(a, r, c.says)
			b.due(followUpOf(r))
			require.Equal(t, []string{"refund:query " + c.outcome}, b.ran(followUpOf(r)))
			got := b.order(o.ID)
			require.Equal(t, c.refund, got.Refunds[0].Status)
			require.Equal(t, c.order, got.Status)
			_, asked := b.owed(followUpOf(r))
			require.Equal(t, c.asked, asked)
			_, submitted := b.owed(submitOf(r))
			require.Equal(t, c.submitted, submitted)
			if submitted { // which asks once more before it sends
				require.Equal(t, []string{"refund:submit done"}, b.ran(submitOf(r)), "it never arrived: the same number again, now")
				require.Equal(t, order.Refunded, b.order(o.ID).Status)
			}
		})
	}
}

// follow makes the channel say what became of a refund.
func (b *bench) follow(a *order.Attempt, r *order.Refund, says any) {
	b.channel.queried = func(_ context.Context, no, refundNo string) (payment.Refund, error) {
		if no != a.ID.Compact() || refundNo != r.ID.Compact() {
			b.t.Errorf("asked about %s of %s", refundNo, no)
		}
		if err, ok := says.(error); ok {
			return payment.Refund{}, err
		}
		return payment.Refund{State: says.(payment.RefundState), OutRefundNo: refundNo, Amount: r.Amount}, nil
	}
}

// The channel's truth beats ours: a refund that could not reach the buyer's
// account is paid out there after all, and a callback says so.
func TestAnAbnormalRefundCanComeHome(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		says   payment.RefundState
		refund order.RefundStatus
		asked  bool
	}{
		"done":           {payment.RefundDone, order.RefundSuccess, false},
		"on its way":     {payment.RefundPending, order.RefundProcessing, true},
		"still abnormal": {payment.RefundAbnormal, order.RefundAbnormal, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a, r := b.refunding()
			b.refunds(o, a, r, payment.RefundAbnormal)
			require.NoError(t, b.run(submitOf(r)))
			b.gone(followUpOf(r))
			b.receive(payment.Notice{EventID: "refunded " + r.ID.Compact(), Type: payment.RefundSucceeded, OutTradeNo: a.ID.Compact(), OutRefundNo: r.ID.Compact()})
			b.follow(a, r, c.says)
			require.NoError(t, b.run(followUpOf(r)))
			require.Equal(t, c.refund, b.order(o.ID).Refunds[0].Status)
			_, asked := b.owed(followUpOf(r))
			require.Equal(t, c.asked, asked)
		})
	}
}

func TestMoneyThatIsNotTheOrdersGoesBack(t *testing.T) {
	b := newBench(t)
	o, a := expired(b)
	b.receive(callback(a, "e1", b.clock.now()))
	require.NoError(t, b.run(confirmOf(a)))
	r := b.order(o.ID).Refunds[0]
	b.refunds(o, a, r, payment.RefundDone)
	require.Equal(t, []string{"refund:submit done"}, b.ran(submitOf(r)))
	got := b.order(o.ID)
	require.Equal(t, order.Closed, got.Status)
	require.Equal(t, order.RefundSuccess, got.Refunds[0].Status)
}

// Whoever must put money there hears of it, whatever came before, and not of
// each try.
func TestABalanceThatIsShortRingsWhenItIsNews(t *testing.T) {
	b := newBench(t)
	o, a, r := b.refunding()
	b.refunds(o, a, r, trouble(payment.Unknown), broke(), broke(), payment.RefundDone)
	b.follow(a, r, payment.RefundNotFound)
	for try, want := range []bool{false, true, false} {
		b.due(submitOf(r))
		require.Equal(t, []string{"refund:submit later"}, b.ran(submitOf(r)))
		alert := tasks.BalanceShort(r, a, b.clock.now()).Key
		_, rings := b.owed(alert)
		require.Equal(t, want, rings, "try %d", try+1)
		if rings {
			require.Equal(t, []string{"alert:send done"}, b.ran(alert))
		}
	}
}

// An operator has an abnormal refund asked for once more: what the channel said of it
// before that settles nothing, whenever it is heard.
func TestARetryOutlivesWhatTheChannelSaidBefore(t *testing.T) {
	shared := newBench(t)
	failed := func(a *order.Attempt, r *order.Refund) payment.Notice {
		return payment.Notice{EventID: "failed " + r.ID.Compact(), Type: payment.RefundFailedType, OutTradeNo: a.ID.Compact(), OutRefundNo: r.ID.Compact()}
	}
	for name, play := range map[string]func(b *bench, retry func(), a *order.Attempt, r *order.Refund){
		"a callback came before": func(b *bench, retry func(), a *order.Attempt, r *order.Refund) {
			b.receive(failed(a, r))
			retry()
			b.gone(followUpOf(r))
		},
		"a callback comes after, and the channel is asked about it first": func(b *bench, retry func(), a *order.Attempt, r *order.Refund) {
			retry()
			b.receive(failed(a, r))
			require.Equal(b.t, []string{"refund:query later"}, b.ran(followUpOf(r)))
		},
		"and in the middle": func(b *bench, retry func(), a *order.Attempt, r *order.Refund) {
			retry()
			b.receive(failed(a, r))
			accepts := b.channel.refund
			b.channel.refund = func(ctx context.Context, req payment.RefundRequest) (payment.Refund, error) {
				answer, err := accepts(ctx, req)
				require.Equal(b.t, []string{"refund:query later"}, b.ran(followUpOf(r)), "it was asked a moment before, and settles a moment after")
				return answer, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a, r := b.refunding()
			sent := b.refunds(o, a, r, payment.RefundAbnormal, payment.RefundPending)
			require.NoError(t, b.run(submitOf(r)))
			b.follow(a, r, payment.RefundAbnormal)
			play(b, func() {
				b.step(o.ID, func(o *order.Order) error { return o.RetryRefund(r.ID, "operator:ming", "mended", b.clock.now()) })
			}, a, r)
			require.Contains(t, b.ran(submitOf(r)), "refund:submit done")
			require.Equal(t, 2, *sent)
			require.Equal(t, order.RefundProcessing, b.order(o.ID).Refunds[0].Status, "who paid it out by hand now would pay twice")
			b.row(followUpOf(r))
		})
	}
}

// R6: the channel's own support takes up a refund that it had given up.
func TestARefundThatItsChannelTakesUpAgainIsNotPaidByHand(t *testing.T) {
	b := newBench(t)
	o, a, r := b.refunding()
	b.refunds(o, a, r, payment.RefundAbnormal)
	require.NoError(t, b.run(submitOf(r)))
	require.Equal(t, order.HoldRefundAbnormal, b.order(o.ID).Hold)
	b.receive(payment.Notice{EventID: "resumed " + r.ID.Compact(), Type: payment.RefundSucceeded, OutTradeNo: a.ID.Compact(), OutRefundNo: r.ID.Compact()})
	b.follow(a, r, payment.RefundPending)
	require.Equal(t, []string{"refund:query later"}, b.ran(followUpOf(r)))
	now := b.order(o.ID)
	require.Equal(t, order.RefundProcessing, now.Refunds[0].Status)
	require.Empty(t, now.Refunds[0].Problem)
	require.Empty(t, now.Hold)
	b.gone(tasks.About(tasks.MerchantNotify, order.RefundFailedNoticeID(r.ID)))
	require.ErrorContains(t, now.PayOutRefund(r.ID, "BANK-1", "operator:ming", "it takes so long", b.clock.now()), "wait for its answer, or it is paid twice")

	b.due(followUpOf(r))
	require.Equal(t, []string{"refund:query later"}, b.ran(followUpOf(r)), "it is asked until it has done with it")
	b.follow(a, r, payment.RefundDone)
	b.due(followUpOf(r))
	require.Equal(t, []string{"refund:query done"}, b.ran(followUpOf(r)))
	require.Equal(t, order.Refunded, b.order(o.ID).Status)
}

// R6: what was paid out by hand can come home through the channel all the same.
func TestMoneyThatWentTwiceIsHeardOf(t *testing.T) {
	shared := newBench(t)
	for name, c := range map[string]struct {
		says    payment.RefundState
		outcome string
		heard   bool
	}{
		"done":           {payment.RefundDone, "refund:query done", true},
		"on its way":     {payment.RefundPending, "refund:query later", false},
		"still abnormal": {payment.RefundAbnormal, "refund:query done", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := shared.fresh(t)
			o, a, r := b.refunding()
			b.refunds(o, a, r, payment.RefundAbnormal)
			require.NoError(t, b.run(submitOf(r)))
			b.step(o.ID, func(o *order.Order) error {
				return o.PayOutRefund(r.ID, "BANK-1", "operator:ming", "the card is closed", b.clock.now())
			})
			b.receive(payment.Notice{EventID: "refunded " + r.ID.Compact(), Type: payment.RefundSucceeded, OutTradeNo: a.ID.Compact(), OutRefundNo: r.ID.Compact()})
			b.follow(a, r, c.says)
			require.Equal(t, []string{c.outcome}, b.ran(followUpOf(r)))
			paidOut := b.order(o.ID).Refunds[0]
			alert := tasks.RefundTwice(paidOut, a, r.Amount, b.clock.now())
			if !c.heard {
				b.gone(alert.Key)
				return
			}
			said, err := tasks.ReadAlert(b.row(alert.Key).Payload)
			require.NoError(t, err)
			require.Contains(t, said.Text, "paid out by hand (BANK-1), and sandbox has given back 12.99 CNY of it as well")
			require.Contains(t, said.Text, "orderflow order show "+o.ID.String())
		})
	}
}
