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
}

// DefaultTerms are 5 seconds, 7 days and 24 hours.
func DefaultTerms() Terms {
	return Terms{FirstQuery: 5 * time.Second, CompleteAfter: 7 * 24 * time.Hour, PollAfterClose: 24 * time.Hour}
}

// Follow says which tasks an event of o makes necessary and which it makes
// pointless.
func (t Terms) Follow(o *order.Order, e order.Event) (owed []Message, moot []Key) {
	d := e.Detail
	switch e.Type {
	case order.EventCreated:
		owed = append(owed, Message{Key: About(OrderClose, o.ID), Due: o.ExpireAt})
	case order.EventAttemptOpened:
		owed = append(owed, Message{Key: About(PaymentQuery, d.Attempt), Due: e.At.Add(t.FirstQuery)})
	case order.EventClosing:
		moot = append(moot, About(OrderClose, o.ID))
		owed = append(owed, closeOpenAttempts(o, e.At)...)
	case order.EventPaid:
		moot = append(moot, About(OrderClose, o.ID), About(PaymentQuery, d.Attempt), About(ChannelClose, d.Attempt))
		owed = append(owed, Message{Key: About(DeliveryNotify, order.DeliveryID(o.ID)), Due: e.At})
		owed = append(owed, closeOpenAttempts(o, e.At)...)
	case order.EventLatePayment, order.EventDuplicatePayment, order.EventMismatch:
		moot = append(moot, About(PaymentQuery, d.Attempt), About(ChannelClose, d.Attempt))
	case order.EventAttemptFailed, order.EventAttemptClosed: // the channel goes on being asked: money can come late
		moot = append(moot, About(ChannelClose, d.Attempt))
	case order.EventAccepted, order.EventDelivered, order.EventDeliveryFailed:
		moot = append(moot, About(DeliveryNotify, order.DeliveryID(o.ID)))
		if e.Type == order.EventDelivered {
			owed = append(owed, Message{Key: About(OrderComplete, o.ID), Due: e.At.Add(t.CompleteAfter)})
		}
	case order.EventCompleted:
		moot = append(moot, About(OrderComplete, o.ID))
	case order.EventRefundCreated:
		owed = append(owed, Message{Key: About(RefundSubmit, d.Refund), Due: e.At})
	case order.EventRefundSucceeded, order.EventRefundAbnormal:
		moot = append(moot, About(RefundSubmit, d.Refund), About(RefundQuery, d.Refund))
	}
	return owed, moot
}

// About is the key of a task about an order or a part of one.
func About[T any](k Kind, id ident.Of[T]) Key { return Key{k, ident.As[struct{}](id)} }

func closeOpenAttempts(o *order.Order, due time.Time) (owed []Message) {
	for _, a := range o.Attempts {
		if a.Status == order.AttemptPaying {
			owed = append(owed, Message{Key: About(ChannelClose, a.ID), Due: due})
		}
	}
	return owed
}
