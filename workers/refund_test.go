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
// claim is committed, and the number is the same each time.
func (b *bench) refunds(o *order.Order, a *order.Attempt, r *order.Refund, says ...any) {
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
		say := says[0]
		says = says[1:]
		if err, ok := say.(error); ok {
			return payment.Refund{}, err
		}
		return payment.Refund{State: say.(payment.RefundState), OutRefundNo: req.OutRefundNo, Amount: req.Amount, Reason: "account closed"}, nil
	}
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
				b.due(submitOf(r))
				require.Equal(t, []string{"refund:submit done"}, b.ran(submitOf(r)), "the same number again")
				require.Equal(t, order.Refunded, b.order(o.ID).Status)
			}
			require.Equal(t, 1, b.happened(o.ID, order.EventRefundSubmitted), "claimed once")
		})
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
			if submitted {
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
		"on its way":     {payment.RefundPending, order.RefundAbnormal, true},
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
