package order_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

func TestAnOrderIsRefunded(t *testing.T) {
	t.Parallel()
	o := in(t, order.Refunding)
	r := o.Refunds[0]
	require.Equal(t, &order.Refund{
		ID: r.ID, Attempt: o.Attempts[0].ID, Status: order.RefundCreated, Amount: 1250, Reason: "the merchant could not deliver", CreatedAt: noon,
	}, r)
	require.NoError(t, o.SubmitRefund(r.ID, noon))
	require.Equal(t, order.RefundProcessing, r.Status)
	require.NoError(t, o.SucceedRefund(r.ID, noon.Add(time.Hour)))
	require.Equal(t, noon.Add(time.Hour), r.DoneAt)
	require.Equal(t, order.Refunded, o.Status)
	require.Equal(t, []order.EventType{order.EventRefundSubmitted, order.EventRefundSucceeded, order.EventRefunded}, happened(o))
	require.Equal(t, order.Detail{Refund: r.ID, Attempt: r.Attempt, Channel: "sandbox", Disposition: order.Applied, Amount: 1250, Currency: "CNY"}, o.Events()[1].Detail)
	require.Equal(t, order.ByChannel("sandbox"), o.Events()[1].Actor)
}

func TestARefundThatTheChannelCannotMake(t *testing.T) {
	t.Parallel()
	o := in(t, order.Refunding)
	r := o.Refunds[0]
	require.NoError(t, o.SubmitRefund(r.ID, noon))
	require.NoError(t, o.AbnormalRefund(r.ID, "account\x00closed", noon))
	require.Equal(t, order.RefundAbnormal, r.Status)
	require.Equal(t, "account?closed", r.Problem)
	require.Equal(t, "the merchant could not deliver", r.Reason, "what the channel says does not replace why")
	require.Equal(t, order.HoldRefundAbnormal, o.Hold)
	require.Equal(t, order.Refunding, o.Status)

	require.NoError(t, o.SucceedRefund(r.ID, noon), "in the end it came home")
	require.Equal(t, order.Refunded, o.Status)
}

// Money that was never the order's goes back without moving it.
func TestARefundOfAnotherPaymentMovesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []order.Status{order.Closed, order.Delivered, order.Refunding} {
		o := in(t, s)
		require.NoError(t, o.Receive(receipt(openBeside(t, o)), noon))
		r := o.Refunds[len(o.Refunds)-1]
		require.NoError(t, o.SubmitRefund(r.ID, noon))
		require.NoError(t, o.SucceedRefund(r.ID, noon))
		require.Equal(t, s, o.Status)
	}
}

// A refund's id is one of sixty-four: whoever calls a return back and sends it
// off again by turns comes to an end long before the ids do.
func TestAReturnIsNotCalledBackForEver(t *testing.T) {
	t.Parallel()
	o := open(t)
	r := receipt(o.Attempts[0])
	r.Amount--
	require.NoError(t, o.Receive(r, noon))
	for n := 0; ; n++ {
		require.Less(t, n, 5)
		require.NoError(t, o.ReturnMismatch(r.Attempt, operator, "back", noon))
		last := o.Refunds[len(o.Refunds)-1]
		if err := o.CancelRefund(last.ID, operator, "a mistake", noon); err != nil {
			require.ErrorIs(t, err, order.ErrNotAllowed)
			require.Equal(t, order.RefundCreated, last.Status, "and the money goes")
			return
		}
	}
}

// Sixteen payments of a wrong sum, each called back as often as may be and closed
// by its channel as often as it is replaced: no number meets another.
func TestReturnsCalledBackHaveALimit(t *testing.T) {
	t.Parallel()
	o := fresh(t)
	for range 16 {
		pay(t, o)
	}
	for _, a := range o.Attempts {
		r := receipt(a)
		r.Amount--
		require.NoError(t, o.Receive(r, noon))
	}
	called := 0
	for _, a := range o.Clone().Attempts {
		for {
			require.NoError(t, o.ReturnMismatch(a.ID, operator, "back", noon))
			if err := o.CancelRefund(o.Refunds[len(o.Refunds)-1].ID, operator, "a mistake", noon); err != nil {
				require.ErrorIs(t, err, order.ErrNotAllowed)
				break
			}
			called++
		}
		for range 2 {
			last := o.Refunds[len(o.Refunds)-1]
			require.NoError(t, o.SubmitRefund(last.ID, noon))
			require.NoError(t, o.CloseRefund(last.ID, "account closed", noon))
		}
	}
	require.Equal(t, 16, called)
	require.Len(t, o.Refunds, 16*3+16)
	haveOwnNumbers(t, o)
}
