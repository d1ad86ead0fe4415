package order_test

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

// rows has a test for every row of the tables of docs/state-machine.md, in the
// row's own words: what was there, what comes, what is there afterwards.
var rows = map[string]func(*testing.T){
	"O1 an order is made": func(t *testing.T) {
		o, err := order.New(fresh(t).ID, draft(), app, noon)
		require.NoError(t, err)
		require.Equal(t, order.PendingPay, o.Status)
		require.Equal(t, int64(1250), o.Amount, "Σ quantity × unit price")
		require.Equal(t, []order.StockMove{{SKU: "TEA", Kind: order.StockHold, Quantity: 2}}, order.StockMoves(o, o.Events()[0]))
	},
	"O2 an unpaid order is closed, its unclaimed payments come to nothing": func(t *testing.T) {
		o := open(t)
		asked := ask(t, o)
		require.NoError(t, o.Expire(o.ExpireAt))
		require.Equal(t, order.Closing, o.Status)
		require.Equal(t, order.AttemptVoid, asked.Status)
		asks(t, o, func(o *order.Order) error { _, err := o.Pay("sandbox", app, noon); return err }, 'r', "no new one is let in")
	},
	"O3 it is closed when its last open payment is settled": func(t *testing.T) {
		o := in(t, order.Closing)
		require.NoError(t, o.CloseAttempt(o.Attempts[0].ID, "closed", noon))
		require.Equal(t, order.Closed, o.Status)
		last := o.Events()[len(o.Events())-1]
		require.Equal(t, order.StockRelease, order.StockMoves(o, last)[0].Kind)
	},
	"O4 money makes it paid, also while it closes": func(t *testing.T) {
		for _, s := range []order.Status{order.PendingPay, order.Closing} {
			o := in(t, s)
			if s == order.PendingPay {
				pay(t, o)
				o.Forget()
			}
			require.NoError(t, o.Receive(receipt(o.Attempts[0]), noon))
			require.Equal(t, order.Paid, o.Status)
			require.Equal(t, order.Notifying, o.Delivery.Status)
			require.Equal(t, order.StockConsume, order.StockMoves(o, o.Events()[0])[0].Kind)
		}
	},
	"O5 the merchant accepts": func(t *testing.T) {
		o := in(t, order.Paid)
		require.NoError(t, o.Accept(merchant, noon))
		require.Equal(t, order.Delivering, o.Status)
	},
	"O6 it is delivered": func(t *testing.T) {
		for _, s := range []order.Status{order.Paid, order.Delivering} {
			o := in(t, s)
			require.NoError(t, o.Deliver("SF1", merchant, noon))
			require.Equal(t, order.Delivered, o.Status)
		}
	},
	"O7 it is complete, unless it is held or a refund is open": func(t *testing.T) {
		o := in(t, order.Delivered)
		r, err := o.AskRefund(250, "one was broken", app, noon)
		require.NoError(t, err)
		asks(t, o, func(o *order.Order) error { return o.Complete(app, noon) }, 'r', "a refund is open")
		require.NoError(t, o.SubmitRefund(r.ID, noon))
		require.NoError(t, o.SucceedRefund(r.ID, noon))
		require.NoError(t, o.Complete(app, noon))
		require.Equal(t, int64(1000), o.Events()[len(o.Events())-1].Detail.Amount, "what is left is the merchant's")
	},
	"O8 a paid order is called off": func(t *testing.T) {
		for _, s := range []order.Status{order.Paid, order.Delivering} {
			o := in(t, s)
			require.NoError(t, o.Cancel("changed my mind", app, noon))
			require.Equal(t, order.Returning, o.Status)
			require.Equal(t, order.DeliveryRevoking, o.Delivery.Status)
			require.Equal(t, noon.Add(24*time.Hour), o.Delivery.RevokeBy)
			require.Empty(t, o.Refunds, "no refund before the delivery is stopped")
		}
	},
	"O9 the merchant stopped it, or did not answer": func(t *testing.T) {
		o := in(t, order.Returning)
		require.NoError(t, o.Revoke("back on the shelf", merchant, noon))
		require.Equal(t, order.Refunding, o.Status)
		require.Equal(t, int64(1250), o.Refunds[0].Amount)
		require.Equal(t, "changed my mind", o.Refunds[0].Reason)

		silent := in(t, order.Returning)
		require.NoError(t, silent.RevokeUnanswered(silent.Delivery.RevokeBy))
		require.Equal(t, order.Refunding, silent.Status)
		require.True(t, silent.Delivery.Unanswered)
	},
	"O10 it was delivered already": func(t *testing.T) {
		o := in(t, order.Returning)
		asks(t, o, func(o *order.Order) error { return o.Deliver("", merchant, noon) }, 'r', "without a proof")
		require.NoError(t, o.Deliver("SF1", merchant, noon))
		require.Equal(t, order.Delivered, o.Status)
		require.Equal(t, order.EventCancelTooLate, o.Events()[1].Type, "the buyer is told")
	},
	"O11 the merchant cannot deliver": func(t *testing.T) {
		for _, s := range []order.Status{order.Paid, order.Delivering} {
			o := in(t, s)
			require.NoError(t, o.FailDelivery("sold out", merchant, noon))
			require.Equal(t, order.Refunding, o.Status)
			require.Equal(t, o.Received(), o.Refunds[0].Amount)
		}
	},
	"O12 all of it went back": func(t *testing.T) {
		o := in(t, order.Refunding)
		require.NoError(t, o.SubmitRefund(o.Refunds[0].ID, noon))
		require.NoError(t, o.SucceedRefund(o.Refunds[0].ID, noon))
		require.Equal(t, order.Refunded, o.Status)
		last := o.Events()[len(o.Events())-1]
		require.Equal(t, order.StockRestock, order.StockMoves(o, last)[0].Kind, "the goods are not gone")
	},
	"O13 a part goes back after the sale": func(t *testing.T) {
		for _, s := range []order.Status{order.Delivered, order.Completed} {
			o := in(t, s)
			r, err := o.AskRefund(250, "one was broken", app, noon)
			require.NoError(t, err)
			require.Equal(t, int64(250), r.Amount)
			require.Equal(t, s, o.Status)
			asks(t, o, func(o *order.Order) error { _, err := o.AskRefund(1001, "", app, noon); return err }, 'r', "no room")
		}
	},
	"O14 the parts add up to all of it": func(t *testing.T) {
		for _, s := range []order.Status{order.Delivered, order.Completed} {
			o := in(t, s)
			for _, part := range []int64{250, 0} {
				r, err := o.AskRefund(part, "broken", app, noon)
				require.NoError(t, err)
				require.NoError(t, o.SubmitRefund(r.ID, noon))
				require.Equal(t, s, o.Status)
				require.NoError(t, o.SucceedRefund(r.ID, noon))
			}
			require.Equal(t, order.Refunded, o.Status)
			last := o.Events()[len(o.Events())-1]
			require.Empty(t, order.StockMoves(o, last), "the goods are gone")
			asks(t, o, func(o *order.Order) error { return o.FailDelivery("", merchant, noon) }, 'r', "it was delivered")
			asks(t, o, func(o *order.Order) error { return o.Revoke("", merchant, noon) }, 'r', "it was delivered")
		}
	},
	"O15 late money leaves a closed order closed": func(t *testing.T) {
		o := in(t, order.Closed)
		a := openBeside(t, o)
		require.NoError(t, o.Receive(receipt(a), noon))
		require.Equal(t, order.Closed, o.Status)
		require.Equal(t, a.PaidAmount, o.Refunds[0].Amount)
		require.Equal(t, order.EventLatePayment, o.Events()[0].Type)
	},

	"P1 a payment beside an open one waits to be claimed": func(t *testing.T) {
		o := open(t)
		a := ask(t, o)
		require.Equal(t, order.AttemptInit, a.Status)
		require.Equal(t, order.EventAttemptAsked, o.Events()[0].Type)
	},
	"P2 a claim allows to call the channel": func(t *testing.T) {
		o := open(t)
		a := ask(t, o)
		require.NoError(t, o.Claim(a.ID, app, noon))
		require.Equal(t, order.AttemptPaying, a.Status)
		asks(t, o, func(o *order.Order) error { return o.Claim(a.ID, app, noon) }, 'a', "again")
		require.Equal(t, order.AttemptPaying, pay(t, fresh(t)).Status, "alone, it is claimed at once")
	},
	"P3 unclaimed, it comes to nothing when a sibling paid": func(t *testing.T) {
		o := open(t)
		a := ask(t, o)
		require.NoError(t, o.Receive(receipt(o.Attempts[0]), noon))
		require.Equal(t, order.AttemptVoid, a.Status)
	},
	"P4 the channel refused": func(t *testing.T) {
		o := open(t)
		require.NoError(t, o.FailAttempt(o.Attempts[0].ID, "no such account", noon))
		require.Equal(t, order.AttemptFailed, o.Attempts[0].Status)
		require.Equal(t, order.PendingPay, o.Status)
	},
	"P5 the channel's truth beats ours": func(t *testing.T) {
		for _, given := range []func(*order.Order, order.AttemptID) error{
			func(*order.Order, order.AttemptID) error { return nil },
			func(o *order.Order, id order.AttemptID) error { return o.FailAttempt(id, "", noon) },
			func(o *order.Order, id order.AttemptID) error { return o.CloseAttempt(id, "", noon) },
		} {
			o := open(t)
			a := o.Attempts[0]
			require.NoError(t, given(o, a.ID))
			require.NoError(t, o.Receive(receipt(a), noon))
			require.Equal(t, order.Applied, a.Disposition)
			require.Equal(t, order.Paid, o.Status)
		}
	},
	"P6 late money goes back": func(t *testing.T) {
		o := in(t, order.Closed)
		a := openBeside(t, o)
		require.NoError(t, o.Receive(receipt(a), noon))
		require.Equal(t, order.Late, a.Disposition)
		require.Equal(t, a.PaidAmount, o.Refunds[0].Amount)
	},
	"P7 a second payment goes back": func(t *testing.T) {
		o := in(t, order.Paid)
		a := openBeside(t, o)
		require.NoError(t, o.Receive(receipt(a), noon))
		require.Equal(t, order.Duplicate, a.Disposition)
		require.Equal(t, a.PaidAmount, o.Refunds[0].Amount)
		require.Equal(t, order.Paid, o.Status)
	},
	"P8 the wrong sum waits for an operator": func(t *testing.T) {
		wrong := func(t *testing.T) (*order.Order, order.AttemptID) {
			o := open(t)
			r := receipt(o.Attempts[0])
			r.Amount--
			require.NoError(t, o.Receive(r, noon))
			require.Equal(t, order.HoldMismatch, o.Hold)
			require.Equal(t, order.PendingPay, o.Status)
			return o, r.Attempt
		}
		o, id := wrong(t)
		require.NoError(t, o.AcceptMismatch(id, operator, "a cent", noon))
		require.Equal(t, order.Paid, o.Status)
		require.Equal(t, int64(1249), o.Received())
		require.Empty(t, o.Hold)
		asks(t, o, func(o *order.Order) error { return o.AcceptMismatch(id, operator, "", noon) }, 'a', "again")
		asks(t, o, func(o *order.Order) error { return o.ReturnMismatch(id, order.System, "", noon) }, 'a', "the timer comes too late")
		asks(t, o, func(o *order.Order) error { return o.ReturnMismatch(id, operator, "", noon) }, 'r', "it is the order's now")

		o, id = wrong(t)
		require.NoError(t, o.ReturnMismatch(id, order.System, "nobody accepted it", noon))
		require.Equal(t, int64(1249), o.Refunds[0].Amount)
		require.Empty(t, o.Hold)
		require.Equal(t, order.PendingPay, o.Status, "it can still be paid")
		asks(t, o, func(o *order.Order) error { return o.ReturnMismatch(id, operator, "", noon) }, 'a', "again")
		asks(t, o, func(o *order.Order) error { return o.AcceptMismatch(id, operator, "", noon) }, 'r', "it is on its way back")

		o, id = wrong(t)
		require.NoError(t, o.Expire(o.ExpireAt))
		require.Equal(t, order.Closed, o.Status, "nothing is open")
		asks(t, o, func(o *order.Order) error { return o.AcceptMismatch(id, operator, "", noon) }, 'r', "its stock is gone")

		o, id = wrong(t)
		o.Attempts[0].PaidCurrency = "JPY"
		asks(t, o, func(o *order.Order) error { return o.AcceptMismatch(id, operator, "", noon) }, 'r', "another currency")
	},
	"P9 closed at the channel": func(t *testing.T) {
		o := open(t)
		require.NoError(t, o.CloseAttempt(o.Attempts[0].ID, "closed at the channel", noon))
		require.Equal(t, order.AttemptClosed, o.Attempts[0].Status)
	},
	"P10 older and doubled news changes nothing": func(t *testing.T) {
		o := in(t, order.Paid)
		id := o.Attempts[0].ID
		asks(t, o, func(o *order.Order) error { return o.Receive(receipt(o.Attempts[0]), noon) }, 'a', "paid again")
		asks(t, o, func(o *order.Order) error { return o.CloseAttempt(id, "", noon) }, 'a', "closed before")
		asks(t, o, func(o *order.Order) error { return o.FailAttempt(id, "", noon) }, 'a', "failed before")
	},

	"R1 what is asked for is reserved": func(t *testing.T) {
		o := in(t, order.Delivered)
		for range 5 {
			_, err := o.AskRefund(250, "broken", app, noon)
			require.NoError(t, err)
		}
		asks(t, o, func(o *order.Order) error { _, err := o.AskRefund(1, "broken", app, noon); return err }, 'r', "all of it is reserved")
	},
	"R2 a claim allows to ask the channel": func(t *testing.T) {
		o := in(t, order.Refunding)
		require.NoError(t, o.SubmitRefund(o.Refunds[0].ID, noon))
		require.Equal(t, order.RefundProcessing, o.Refunds[0].Status)
	},
	"R3 not knowing changes nothing": func(t *testing.T) {
		o := submitted(t)
		asks(t, o, func(o *order.Order) error { return o.SubmitRefund(o.Refunds[0].ID, noon) }, 'a', "the same number again")
	},
	"R4 the money is back": func(t *testing.T) {
		o := submitted(t)
		require.NoError(t, o.SucceedRefund(o.Refunds[0].ID, noon))
		require.Equal(t, order.RefundSuccess, o.Refunds[0].Status)
	},
	"R5 the channel cannot": func(t *testing.T) {
		o := submitted(t)
		require.NoError(t, o.AbnormalRefund(o.Refunds[0].ID, "account closed", noon))
		require.Equal(t, order.RefundAbnormal, o.Refunds[0].Status)
		require.Equal(t, order.HoldRefundAbnormal, o.Hold)
	},
	"R6 an operator has it tried again, or pays it out": func(t *testing.T) {
		o := submitted(t)
		id := o.Refunds[0].ID
		require.NoError(t, o.AbnormalRefund(id, "account closed", noon))
		require.NoError(t, o.RetryRefund(id, operator, "the account is open again", noon))
		require.Equal(t, order.RefundProcessing, o.Refunds[0].Status)
		require.Empty(t, o.Hold)
		require.NoError(t, o.AbnormalRefund(id, "account closed", noon))
		asks(t, o, func(o *order.Order) error { return o.PayOutRefund(id, "", operator, "by bank", noon) }, 'r', "without a voucher")
		require.NoError(t, o.PayOutRefund(id, "BANK-1", operator, "by bank", noon))
		require.Equal(t, order.RefundSuccess, o.Refunds[0].Status)
		require.Equal(t, "BANK-1", o.Refunds[0].Voucher)
		asks(t, o, func(o *order.Order) error { return o.PayOutRefund(id, "BANK-1", operator, "by bank", noon) }, 'a', "the same again")
		asks(t, o, func(o *order.Order) error { return o.PayOutRefund(id, "BANK-2", operator, "by bank", noon) }, 'r', "another transfer: it was paid twice")
		require.Equal(t, order.Refunded, o.Status)
		require.Empty(t, o.Hold)
	},
	"R7 the channel closed it, and another takes its place": func(t *testing.T) {
		o := submitted(t)
		for i := range 3 {
			id := o.Refunds[i].ID
			if i > 0 {
				require.NoError(t, o.SubmitRefund(id, noon))
			}
			require.NoError(t, o.CloseRefund(id, "closed", noon))
		}
		require.Len(t, o.Refunds, 3)
		require.Equal(t, order.RefundClosed, o.Refunds[0].Status)
		require.Equal(t, order.RefundClosed, o.Refunds[1].Status)
		require.Equal(t, order.RefundAbnormal, o.Refunds[2].Status, "three times is an operator's case")
		asks(t, o, func(o *order.Order) error { return o.SucceedRefund(o.Refunds[0].ID, noon) }, 'r', "it was closed")
	},
	"R8 called back before the channel was asked": func(t *testing.T) {
		o := in(t, order.Delivered)
		r, err := o.AskRefund(250, "broken", app, noon)
		require.NoError(t, err)
		require.NoError(t, o.CancelRefund(r.ID, operator, "the buyer keeps it", noon))
		require.Equal(t, order.RefundCanceled, r.Status)
		again, err := o.AskRefund(1250, "broken after all", app, noon)
		require.NoError(t, err, "its reserve is free")
		require.NoError(t, o.SubmitRefund(again.ID, noon))
		asks(t, o, func(o *order.Order) error { return o.CancelRefund(again.ID, operator, "", noon) }, 'r', "the channel was asked")

		undeliverable := in(t, order.Refunding)
		asks(t, undeliverable, func(o *order.Order) error { return o.CancelRefund(o.Refunds[0].ID, operator, "", noon) }, 'r', "nothing was delivered")
		late := in(t, order.Closed)
		require.NoError(t, late.Receive(receipt(openBeside(t, late)), noon))
		asks(t, late, func(o *order.Order) error { return o.CancelRefund(o.Refunds[0].ID, operator, "", noon) }, 'r', "it is the buyer's")
	},

	"D1 the merchant is being told": func(t *testing.T) {
		o := in(t, order.Paid)
		require.Equal(t, order.Notifying, o.Delivery.Status)
		require.Equal(t, noon.Add(48*time.Hour), o.Delivery.DeliverBy)
	},
	"D2 accepted": func(t *testing.T) {
		o := in(t, order.Paid)
		require.NoError(t, o.Accept(merchant, noon))
		require.Equal(t, order.Accepted, o.Delivery.Status)
	},
	"D3 delivered": func(t *testing.T) {
		o := in(t, order.Delivering)
		require.NoError(t, o.Deliver("SF1", merchant, noon))
		require.Equal(t, order.DeliveryDone, o.Delivery.Status)
	},
	"D4 failed": func(t *testing.T) {
		o := in(t, order.Delivering)
		require.NoError(t, o.FailDelivery("lost", merchant, noon))
		require.Equal(t, order.DeliveryFailed, o.Delivery.Status)
	},
	"D5 revoking": func(t *testing.T) {
		d := draft()
		d.Virtual = true
		o, err := order.New(fresh(t).ID, d, app, noon)
		require.NoError(t, err)
		require.NoError(t, o.Receive(receipt(pay(t, o)), noon))
		require.NoError(t, o.Cancel("changed my mind", app, noon))
		require.Equal(t, order.DeliveryRevoking, o.Delivery.Status)
		require.Equal(t, noon.Add(10*time.Minute), o.Delivery.RevokeBy, "virtual goods are stopped in minutes")
	},
	"D6 revoked": func(t *testing.T) {
		o := in(t, order.Returning)
		require.NoError(t, o.FailDelivery("never left", merchant, noon))
		require.Equal(t, order.DeliveryRevoked, o.Delivery.Status, "cannot and stopped are the same answer")
	},
	"D7 delivered all the same": func(t *testing.T) {
		o := in(t, order.Returning)
		require.NoError(t, o.Deliver("SF1", merchant, noon))
		require.Equal(t, order.DeliveryDone, o.Delivery.Status)
	},
	"D8 a late delivery is reminded of, told of, called off": func(t *testing.T) {
		o := in(t, order.Paid)
		for level, at := range map[int]time.Duration{1: 48 * time.Hour, 2: 72 * time.Hour, 3: 96 * time.Hour} {
			require.Equal(t, noon.Add(at), o.OverdueAt(level))
		}
		for level := 1; level <= 3; level++ {
			asks(t, o, func(o *order.Order) error { return o.Overdue(o.OverdueAt(level).Add(-1)) }, 'r', "too early")
			require.NoError(t, o.Overdue(o.OverdueAt(level)))
			require.Equal(t, level, o.Delivery.Overdue)
		}
		require.Equal(t, order.Returning, o.Status)
		require.Equal(t, noon.Add((96+24)*time.Hour), o.Delivery.RevokeBy)
	},
	"D9 delivered, and the money is on its way back": func(t *testing.T) {
		conflict := func(t *testing.T, o *order.Order) *order.Order {
			require.NoError(t, o.Deliver("SF1", merchant, noon))
			require.Equal(t, order.HoldConflict, o.Hold)
			require.Equal(t, "SF1", o.Delivery.Claim)
			asks(t, o, func(o *order.Order) error { return o.Deliver("SF2", merchant, noon) }, 'a', "claimed before")
			return o
		}
		o := conflict(t, in(t, order.Refunding))
		asks(t, o, func(o *order.Order) error { return o.SubmitRefund(o.Refunds[0].ID, noon) }, 'r', "it waits for the operator")
		require.NoError(t, o.ResolveConflict(true, operator, "the parcel is there", noon))
		require.Equal(t, order.Delivered, o.Status)
		require.Equal(t, order.RefundCanceled, o.Refunds[0].Status)
		require.Empty(t, o.Hold)
		asks(t, o, func(o *order.Order) error { return o.ResolveConflict(true, operator, "", noon) }, 'a', "again")
		asks(t, o, func(o *order.Order) error { return o.ResolveConflict(false, operator, "", noon) }, 'r', "another operator thinks the refund stands")
		require.NoError(t, o.Complete(app, noon))

		o = conflict(t, submitted(t))
		asks(t, o, func(o *order.Order) error { return o.ResolveConflict(true, operator, "", noon) }, 'r', "the channel was asked")
		require.NoError(t, o.ResolveConflict(false, operator, "the money is gone", noon))
		require.Empty(t, o.Hold)
		asks(t, o, func(o *order.Order) error { return o.ResolveConflict(false, operator, "", noon) }, 'a', "again")
		asks(t, o, func(o *order.Order) error { return o.ResolveConflict(true, operator, "", noon) }, 'r', "another operator thinks that it is delivered")
		require.NoError(t, o.SucceedRefund(o.Refunds[0].ID, noon))
		last := o.Events()[len(o.Events())-1]
		require.Empty(t, order.StockMoves(o, last), "the goods are gone, says the merchant")

		o = conflict(t, in(t, order.Refunded))
		require.NoError(t, o.ResolveConflict(false, operator, "noted", noon))
		require.Equal(t, order.Refunded, o.Status)
	},
}

// ask lets a payment in beside an open one: it is not claimed.
func ask(t *testing.T, o *order.Order) *order.Attempt {
	t.Helper()
	a, err := o.Pay("sandbox", app, noon)
	require.NoError(t, err)
	return a
}

// submitted is an order whose delivery failed and whose channel was asked for
// the refund.
func submitted(t *testing.T) *order.Order {
	t.Helper()
	o := in(t, order.Refunding)
	require.NoError(t, o.SubmitRefund(o.Refunds[0].ID, noon))
	o.Forget()
	return o
}

func TestRows(t *testing.T) {
	t.Parallel()
	for name, test := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// Every row that the page lists has a test that bears its name, and the other
// way round.
func TestEveryRowHasATest(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/state-machine.md")
	require.NoError(t, err)
	listed, tested := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([OPRD]\d+) \|`).FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
	}
	for name := range rows {
		tested[regexp.MustCompile(`^\w+`).FindString(name)] = true
	}
	require.Equal(t, listed, tested)
	require.Len(t, listed, 15+10+8+9)
}
