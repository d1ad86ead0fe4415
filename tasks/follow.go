package tasks

import (
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// Terms are the times that follow events by agreement.
type Terms struct {
	// FirstQuery is how long a callback may take before the channel is asked.
	FirstQuery time.Duration
	// CompleteAfter is how long after its delivery an order is complete.
	CompleteAfter time.Duration
	// PollAfterClose is how long after an attempt's expiry the channel is still
	// asked about it: money can come late.
	PollAfterClose time.Duration
	// ReturnMismatch is how long an operator may take to accept a payment of the
	// wrong sum before it goes back.
	ReturnMismatch time.Duration
}

// DefaultTerms are 5 seconds, 7 days, 24 hours and 30 minutes.
func DefaultTerms() Terms {
	return Terms{FirstQuery: 5 * time.Second, CompleteAfter: 7 * 24 * time.Hour, PollAfterClose: 24 * time.Hour, ReturnMismatch: 30 * time.Minute}
}

// Follow says which tasks an event of o makes necessary and which it makes
// pointless. A MerchantNotify that is owed is about the notice that the event is
// to the merchant (merchant.NoticeOf).
func (t Terms) Follow(o *order.Order, e order.Event) (owed []Message, moot []Key) {
	f := following{order: o, event: e}
	d := e.Detail
	switch e.Type {
	case order.EventCreated:
		f.owe(About(OrderClose, o.ID), o.ExpireAt)
	case order.EventClosing:
		f.drop(About(OrderClose, o.ID))
		f.closeOpenAttempts()
	case order.EventClosed:
		f.owe(About(MerchantNotify, order.ClosedNoticeID(o.ID)), e.At)
	case order.EventAttemptOpened:
		f.owe(About(PaymentQuery, d.Attempt), e.At.Add(t.FirstQuery))
	case order.EventAttemptFailed, order.EventAttemptClosed: // the channel goes on being asked: money can come late
		f.drop(About(ChannelClose, d.Attempt))
	case order.EventPaid:
		f.drop(About(OrderClose, o.ID), About(PaymentQuery, d.Attempt), About(ChannelClose, d.Attempt))
		f.owe(About(DeliveryNotify, order.DeliveryID(o.ID)), e.At)
		f.owe(About(DeliveryDeadline, order.DeliveryID(o.ID)), o.OverdueAt(order.OverdueReminded))
		f.closeOpenAttempts()
	case order.EventLatePayment, order.EventDuplicatePayment, order.EventMismatch:
		f.drop(About(PaymentQuery, d.Attempt), About(ChannelClose, d.Attempt))
		if e.Type == order.EventMismatch && d.Amount > 0 {
			f.owe(About(PaymentReturn, d.Attempt), e.At.Add(t.ReturnMismatch))
		}
	case order.EventMismatchAccepted:
		f.drop(About(PaymentReturn, d.Attempt))
	default:
		t.followDelivery(&f)
		t.followRefund(&f)
	}
	if m, rings := t.alert(o, e); rings {
		f.owed = append(f.owed, m)
	}
	return f.owed, f.moot
}

// followDelivery is about events after the payment.
func (t Terms) followDelivery(f *following) {
	o, e := f.order, f.event
	notify, deadline := About(DeliveryNotify, order.DeliveryID(o.ID)), About(DeliveryDeadline, order.DeliveryID(o.ID))
	revoke, remind := About(DeliveryRevoke, order.DeliveryID(o.ID)), About(MerchantNotify, order.ReminderID(o.ID))
	switch e.Type {
	case order.EventAccepted:
		f.drop(notify)
	case order.EventDelivered:
		f.drop(notify, deadline, remind, revoke, About(MerchantNotify, order.RevokeNoticeID(o.ID)))
		f.owe(About(OrderComplete, o.ID), e.At.Add(t.CompleteAfter))
	case order.EventDeliveryFailed:
		f.drop(notify, deadline, remind)
	case order.EventOverdue:
		if e.Detail.Level == order.OverdueReminded {
			f.owe(remind, e.At)
		}
		if e.Detail.Level < order.OverdueCalledOff {
			f.owe(deadline, o.OverdueAt(e.Detail.Level+1))
		}
	case order.EventReturning:
		f.drop(notify, deadline, remind)
		f.owe(revoke, o.Delivery.RevokeBy)
		f.owe(About(MerchantNotify, order.RevokeNoticeID(o.ID)), e.At)
	case order.EventRevoked:
		f.drop(revoke, About(MerchantNotify, order.RevokeNoticeID(o.ID)))
	case order.EventCompleted:
		f.drop(About(OrderComplete, o.ID))
		f.owe(About(MerchantNotify, order.CompletedNoticeID(o.ID)), e.At)
	case order.EventRefunded:
		f.drop(About(OrderComplete, o.ID))
	}
}

// followRefund is about money on its way back.
func (t Terms) followRefund(f *following) {
	o, e, d := f.order, f.event, f.event.Detail
	submit, query := About(RefundSubmit, d.Refund), About(RefundQuery, d.Refund)
	failed := About(MerchantNotify, order.RefundFailedNoticeID(d.Refund))
	tells := d.Disposition == order.Applied && !o.Delivery.Untold // money that moved no order is not the merchant's
	switch e.Type {
	case order.EventRefundCreated:
		f.owe(submit, e.At)
		f.drop(About(PaymentReturn, d.Attempt))
	case order.EventRefundRetried:
		f.drop(failed, query)
		f.owed = append(f.owed, ResubmitRefund(d.Refund, e.At))
	case order.EventRefundResumed: // who asked the channel how it stands goes on asking
		f.drop(failed)
	case order.EventRefundSucceeded, order.EventRefundPaidOut:
		f.drop(submit, query, failed)
		if tells {
			f.owe(About(MerchantNotify, d.Refund), e.At)
		}
	case order.EventRefundAbnormal:
		f.drop(submit, query)
		if tells {
			f.owe(failed, e.At)
		}
	case order.EventRefundClosed:
		f.drop(submit, query, failed)
	case order.EventRefundCanceled:
		f.drop(submit, query)
		if d.Disposition == order.Mismatch { // it waits for a decision again, and no longer than before
			f.owe(About(PaymentReturn, d.Attempt), e.At.Add(t.ReturnMismatch))
		}
	case order.EventConflictResolved:
		for _, r := range o.Refunds {
			if r.Status == order.RefundCreated { // it waited for the operator
				f.owe(About(RefundSubmit, r.ID), e.At)
			}
		}
	}
}

// following gathers what follows from an event.
type following struct {
	order *order.Order
	event order.Event
	owed  []Message
	moot  []Key
}

func (f *following) owe(k Key, due time.Time) { f.owed = append(f.owed, Message{Key: k, Due: due}) }

func (f *following) drop(keys ...Key) { f.moot = append(f.moot, keys...) }

func (f *following) closeOpenAttempts() {
	for _, a := range f.order.Attempts {
		if a.Status == order.AttemptPaying {
			f.owe(About(ChannelClose, a.ID), f.event.At)
		}
	}
}

// About is the key of a task about an order or a part of one.
func About[T any](k Kind, id ident.Of[T]) Key { return Key{k, ident.As[struct{}](id)} }
