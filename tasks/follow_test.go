package tasks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/order/ordertest"
	"github.com/orderflow/orderflow/tasks"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rings are the events that somebody must hear of.
var rings = []order.EventType{order.EventMismatch, order.EventRefundAbnormal, order.EventDeliveryFailed, order.EventOverdue, order.EventConflict}

func TestDefaultTerms(t *testing.T) {
	t.Parallel()
	require.Equal(t, tasks.Terms{FirstQuery: 5 * time.Second, CompleteAfter: 168 * time.Hour, PollAfterClose: 24 * time.Hour, ReturnMismatch: 30 * time.Minute}, tasks.DefaultTerms())
}

// What each event makes necessary and pointless, for an order with a payment
// that the event is about, one that is open beside it, and one that is over.
func TestFollow(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	mine, open, over := ident.WithPart[order.Attempt](id, 1), ident.WithPart[order.Attempt](id, 2), ident.WithPart[order.Attempt](id, 3)
	refund := ident.WithPart[order.Refund](id, 0x40)
	o := &order.Order{
		ID: id, ExpireAt: noon.Add(15 * time.Minute), DeliverWithin: 48 * time.Hour, Refunds: []*order.Refund{{ID: refund, Status: order.RefundCreated}},
		Delivery: &order.Delivery{DeliverBy: noon.Add(48 * time.Hour), RevokeBy: noon.Add(24 * time.Hour)},
		Attempts: []*order.Attempt{
			{ID: mine, Status: order.AttemptSuccess}, {ID: open, Status: order.AttemptPaying}, {ID: over, Status: order.AttemptClosed},
		},
	}
	due := func(k tasks.Key, after time.Duration) tasks.Message {
		return tasks.Message{Key: k, Due: noon.Add(after)}
	}
	var (
		closing  = tasks.About(tasks.OrderClose, id)
		complete = tasks.About(tasks.OrderComplete, id)
		query    = tasks.About(tasks.PaymentQuery, mine)
		shut     = tasks.About(tasks.ChannelClose, mine)
		shutOpen = tasks.About(tasks.ChannelClose, open)
		notify   = tasks.About(tasks.DeliveryNotify, order.DeliveryID(id))
		submit   = tasks.About(tasks.RefundSubmit, refund)
		ask      = tasks.About(tasks.RefundQuery, refund)
		back     = tasks.About(tasks.PaymentReturn, mine)
		deadline = tasks.About(tasks.DeliveryDeadline, order.DeliveryID(id))
		revoke   = tasks.About(tasks.DeliveryRevoke, order.DeliveryID(id))
		stop     = tasks.About(tasks.MerchantNotify, order.RevokeNoticeID(id))
		remind   = tasks.About(tasks.MerchantNotify, order.ReminderID(id))
		tell     = tasks.About(tasks.MerchantNotify, refund)
		again    = tasks.ResubmitRefund(refund, noon)
		failed   = tasks.About(tasks.MerchantNotify, order.RefundFailedNoticeID(refund))
		closed   = tasks.About(tasks.MerchantNotify, order.ClosedNoticeID(id))
		settled  = tasks.About(tasks.MerchantNotify, order.CompletedNoticeID(id))
	)
	for _, tc := range []struct {
		event order.EventType
		owed  []tasks.Message
		moot  []tasks.Key
	}{
		{order.EventCreated, []tasks.Message{due(closing, 15*time.Minute)}, nil},
		{order.EventAttemptOpened, []tasks.Message{due(query, 5*time.Second)}, nil},
		{order.EventClosing, []tasks.Message{due(shutOpen, 0)}, []tasks.Key{closing}},
		{order.EventClosed, []tasks.Message{due(closed, 0)}, nil},
		{order.EventAttemptAsked, nil, nil},
		{order.EventAttemptVoid, nil, nil},
		{order.EventPaid, []tasks.Message{due(notify, 0), due(deadline, 48*time.Hour), due(shutOpen, 0)}, []tasks.Key{closing, query, shut}},
		{order.EventLatePayment, nil, []tasks.Key{query, shut}},
		{order.EventDuplicatePayment, nil, []tasks.Key{query, shut}},
		{order.EventMismatch, []tasks.Message{due(back, 30*time.Minute)}, []tasks.Key{query, shut}},
		{order.EventMismatchAccepted, nil, []tasks.Key{back}},
		{order.EventAttemptFailed, nil, []tasks.Key{shut}}, // and the query goes on
		{order.EventAttemptClosed, nil, []tasks.Key{shut}}, // and the query goes on
		{order.EventAccepted, nil, []tasks.Key{notify}},
		{order.EventDelivered, []tasks.Message{due(complete, 7*24*time.Hour)}, []tasks.Key{notify, deadline, remind, revoke, stop}},
		{order.EventDeliveryFailed, nil, []tasks.Key{notify, deadline, remind}},
		{order.EventOverdue, []tasks.Message{due(remind, 0), due(deadline, 72*time.Hour)}, nil}, // level 1
		{order.EventReturning, []tasks.Message{due(revoke, 24*time.Hour), due(stop, 0)}, []tasks.Key{notify, deadline, remind}},
		{order.EventRevoked, nil, []tasks.Key{revoke, stop}},
		{order.EventCancelTooLate, nil, nil},
		{order.EventConflict, nil, nil},
		{order.EventConflictResolved, []tasks.Message{due(submit, 0)}, nil},
		{order.EventCompleted, []tasks.Message{due(settled, 0)}, []tasks.Key{complete}},
		{order.EventRefundCreated, []tasks.Message{due(submit, 0)}, []tasks.Key{back}},
		{order.EventRefundSubmitted, nil, nil},
		{order.EventRefundSucceeded, []tasks.Message{due(tell, 0)}, []tasks.Key{submit, ask, failed}},
		{order.EventRefundPaidOut, []tasks.Message{due(tell, 0)}, []tasks.Key{submit, ask, failed}},
		{order.EventRefundAbnormal, []tasks.Message{due(failed, 0)}, []tasks.Key{submit, ask}},
		{order.EventRefundRetried, []tasks.Message{again}, []tasks.Key{failed, ask}},
		{order.EventRefundResumed, nil, []tasks.Key{failed}},
		{order.EventRefundClosed, nil, []tasks.Key{submit, ask, failed}},
		{order.EventRefundCanceled, nil, []tasks.Key{submit, ask}},
		{order.EventRefunded, nil, []tasks.Key{complete}},
		{order.EventRequeued, nil, nil},
	} {
		t.Run(string(tc.event), func(t *testing.T) {
			t.Parallel()
			owed, moot := tasks.DefaultTerms().Follow(o, order.Event{Type: tc.event, At: noon, Detail: order.Detail{Attempt: mine, Refund: refund, Amount: 1, Level: 1, Disposition: order.Applied}})
			for i := range owed {
				if owed[i].Kind == tasks.AlertSend { // what it says is looked at elsewhere
					require.Contains(t, rings, tc.event)
					owed = slices.Delete(owed, i, i+1)
					break
				}
			}
			require.ElementsMatch(t, tc.owed, owed)
			require.ElementsMatch(t, tc.moot, moot)
		})
	}
}

// A payment of the wrong sum whose return was called back waits for a decision
// again, and not for ever.
func TestAReturnThatWasCalledBackIsOwedAgain(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	mine, refund := ident.WithPart[order.Attempt](id, 1), ident.WithPart[order.Refund](id, 0x40)
	owed, _ := tasks.DefaultTerms().Follow(&order.Order{ID: id}, order.Event{
		Type: order.EventRefundCanceled, At: noon, Detail: order.Detail{Attempt: mine, Refund: refund, Amount: 1, Disposition: order.Mismatch},
	})
	require.Equal(t, []tasks.Message{{Key: tasks.About(tasks.PaymentReturn, mine), Due: noon.Add(30 * time.Minute)}}, owed)
}

// Whatever happens to an order, the rows that its events leave are those that
// its state needs: no less, or it would stand still, and no more. So it is when
// several steps share one commit and their events are followed at its end.
func TestWhatIsOwedIsWhatTheStateNeeds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := map[tasks.Key]time.Time{}
		var together []order.Event
		ordertest.Live(t, func(s ordertest.Step) {
			if !s.Moved() {
				return
			}
			together = append(together, s.After.Events()...)
			if s.Before != nil && rapid.Bool().Draw(t, "more in this commit") {
				return
			}
			for _, e := range together {
				follow(t, rows, s.After, e)
			}
			together = nil
			compare(t, s, rows, needed(s.After))
		})
	})
}

// follow does what the store does with an event's tasks.
func follow(t *rapid.T, rows map[tasks.Key]time.Time, o *order.Order, e order.Event) {
	owed, moot := tasks.DefaultTerms().Follow(o, e)
	for _, k := range moot {
		delete(rows, k)
	}
	for _, m := range owed {
		if m.Kind == tasks.AlertSend {
			continue
		}
		if m.Due.IsZero() || m.Order() != o.ID {
			t.Fatalf("%s owes %s at %s", e.Type, m.Key, m.Due)
		}
		rows[m.Key] = m.Due
	}
}

// needed is what must be owed, from the state alone. What workers owe each
// other on the way (refund:query), and what merchants are told, comes on top.
func needed(o *order.Order) map[tasks.Key]bool {
	rows := map[tasks.Key]bool{
		tasks.About(tasks.OrderClose, o.ID):                       o.Status == order.PendingPay,
		tasks.About(tasks.DeliveryNotify, order.DeliveryID(o.ID)): o.Status == order.Paid,
		tasks.About(tasks.OrderComplete, o.ID):                    o.Status == order.Delivered,

		tasks.About(tasks.DeliveryDeadline, order.DeliveryID(o.ID)): o.Status == order.Paid || o.Status == order.Delivering,
		tasks.About(tasks.DeliveryRevoke, order.DeliveryID(o.ID)):   o.Status == order.Returning,
	}
	for _, a := range o.Attempts {
		paying := a.Status == order.AttemptPaying
		rows[tasks.About(tasks.PaymentQuery, a.ID)] = paying || a.Status == order.AttemptClosed || a.Status == order.AttemptFailed // money can come late
		rows[tasks.About(tasks.ChannelClose, a.ID)] = paying && o.Status != order.PendingPay
		rows[tasks.About(tasks.PaymentReturn, a.ID)] = waits(o, a) // for a decision that nobody may take
	}
	for _, r := range o.Refunds {
		rows[tasks.About(tasks.RefundSubmit, r.ID)] = r.Status == order.RefundCreated || r.Status == order.RefundProcessing
	}
	return rows
}

// waits says that a's money is of the wrong sum, and not on its way back.
func waits(o *order.Order, a *order.Attempt) bool {
	back := slices.ContainsFunc(o.Refunds, func(r *order.Refund) bool {
		return r.Attempt == a.ID && r.Status != order.RefundClosed && r.Status != order.RefundCanceled
	})
	return a.Disposition == order.Mismatch && a.PaidAmount > 0 && !back
}

func compare(t *rapid.T, s ordertest.Step, rows map[tasks.Key]time.Time, need map[tasks.Key]bool) {
	for k, want := range need {
		if _, owed := rows[k]; owed != want {
			t.Fatalf("after %s the order is %s and %s is owed: %t, want %t", s.Name, s.After.Status, k, owed, want)
		}
	}
	for k := range rows {
		late := s.After.Status != order.Paid && s.After.Status != order.Delivering
		if !need[k] && k.Kind != tasks.MerchantNotify || k.Subject == tasks.Subject(order.ReminderID(s.After.ID)) && late {
			t.Fatalf("after %s the order is %s and owes %s", s.Name, s.After.Status, k)
		}
	}
	if at, owed := rows[tasks.About(tasks.OrderClose, s.After.ID)]; owed && !at.Equal(s.After.ExpireAt) {
		t.Fatalf("the close is due at %s, the order may be paid until %s", at, s.After.ExpireAt)
	}
}
