package order_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// steps is every step that moves an order's status: the order before, what
// arrives, and the rows of the table that are taken.
var steps = []struct {
	name   string
	before func(*testing.T) *order.Order // nil: none yet
	arrive func(*testing.T, *order.Order) error
	rows   []string
	events []order.EventType
	after  order.Status
}{
	{
		"an order is made", nil, nil,
		[]string{"O1"},
		[]order.EventType{order.EventCreated},
		order.PendingPay,
	},
	{
		"the time to pay is over and a payment is open", open,
		func(_ *testing.T, o *order.Order) error { return o.Expire(o.ExpireAt) },
		[]string{"O2"},
		[]order.EventType{order.EventClosing},
		order.Closing,
	},
	{
		"it is cancelled and nothing is open", fresh,
		func(_ *testing.T, o *order.Order) error { return o.Cancel("no longer", app, noon) },
		[]string{"O2", "O3"},
		[]order.EventType{order.EventClosing, order.EventClosed},
		order.Closed,
	},
	{
		"the last open payment of a closing order is closed", status(order.Closing),
		func(_ *testing.T, o *order.Order) error { return o.CloseAttempt(o.Attempts[0].ID, "closed", noon) },
		[]string{"O3"},
		[]order.EventType{order.EventAttemptClosed, order.EventClosed},
		order.Closed,
	},
	{
		"the last open payment of a closing order is refused", status(order.Closing),
		func(_ *testing.T, o *order.Order) error { return o.FailAttempt(o.Attempts[0].ID, "refused", noon) },
		[]string{"O3"},
		[]order.EventType{order.EventAttemptFailed, order.EventClosed},
		order.Closed,
	},
	{
		"the last open payment of a closing order is of the wrong sum", status(order.Closing),
		func(_ *testing.T, o *order.Order) error {
			r := receipt(o.Attempts[0])
			r.Amount--
			return o.Receive(r, noon)
		},
		[]string{"O3"},
		[]order.EventType{order.EventMismatch, order.EventClosed},
		order.Closed,
	},
	{
		"the buyer pays", open,
		func(_ *testing.T, o *order.Order) error { return o.Receive(receipt(o.Attempts[0]), noon) },
		[]string{"O4"},
		[]order.EventType{order.EventPaid},
		order.Paid,
	},
	{
		"the buyer was faster than the close", status(order.Closing),
		func(_ *testing.T, o *order.Order) error { return o.Receive(receipt(o.Attempts[0]), noon) },
		[]string{"O4"},
		[]order.EventType{order.EventPaid},
		order.Paid,
	},
	{
		"the merchant accepts", status(order.Paid),
		func(_ *testing.T, o *order.Order) error { return o.Accept(merchant, noon) },
		[]string{"O5"},
		[]order.EventType{order.EventAccepted},
		order.Delivering,
	},
	{
		"the merchant has delivered at once", status(order.Paid),
		func(_ *testing.T, o *order.Order) error { return o.Deliver("SF1", merchant, noon) },
		[]string{"O6"},
		[]order.EventType{order.EventDelivered},
		order.Delivered,
	},
	{
		"the merchant has delivered", status(order.Delivering),
		func(_ *testing.T, o *order.Order) error { return o.Deliver("SF1", merchant, noon) },
		[]string{"O6"},
		[]order.EventType{order.EventDelivered},
		order.Delivered,
	},
	{
		"the buyer confirms", status(order.Delivered),
		func(_ *testing.T, o *order.Order) error { return o.Complete(app, noon) },
		[]string{"O7"},
		[]order.EventType{order.EventCompleted},
		order.Completed,
	},
	{
		"the merchant cannot deliver", status(order.Paid),
		func(_ *testing.T, o *order.Order) error { return o.FailDelivery("sold out", merchant, noon) },
		[]string{"O11"},
		[]order.EventType{order.EventDeliveryFailed, order.EventRefundCreated},
		order.Refunding,
	},
	{
		"the merchant cannot deliver after all", status(order.Delivering),
		func(_ *testing.T, o *order.Order) error { return o.FailDelivery("lost", merchant, noon) },
		[]string{"O11"},
		[]order.EventType{order.EventDeliveryFailed, order.EventRefundCreated},
		order.Refunding,
	},
	{
		"it is called off after the payment", status(order.Paid),
		func(_ *testing.T, o *order.Order) error { return o.Cancel("changed my mind", app, noon) },
		[]string{"O8"},
		[]order.EventType{order.EventReturning},
		order.Returning,
	},
	{
		"the last delivery deadline passes", status(order.Delivering),
		func(_ *testing.T, o *order.Order) error {
			o.Delivery.Overdue = order.OverdueAlerted
			return o.Overdue(noon.Add(96 * time.Hour))
		},
		[]string{"O8"},
		[]order.EventType{order.EventOverdue, order.EventReturning},
		order.Returning,
	},
	{
		"the merchant has stopped the delivery", status(order.Returning),
		func(_ *testing.T, o *order.Order) error { return o.Revoke("back on the shelf", merchant, noon) },
		[]string{"O9"},
		[]order.EventType{order.EventRevoked, order.EventRefundCreated},
		order.Refunding,
	},
	{
		"the merchant does not answer", status(order.Returning),
		func(_ *testing.T, o *order.Order) error { return o.RevokeUnanswered(noon.Add(24 * time.Hour)) },
		[]string{"O9"},
		[]order.EventType{order.EventRevoked, order.EventRefundCreated},
		order.Refunding,
	},
	{
		"the cancel comes too late", status(order.Returning),
		func(_ *testing.T, o *order.Order) error { return o.Deliver("SF1", merchant, noon) },
		[]string{"O10"},
		[]order.EventType{order.EventDelivered, order.EventCancelTooLate},
		order.Delivered,
	},
	{
		"it is called off while it is being paid", open,
		func(t *testing.T, o *order.Order) error {
			require.NoError(t, o.Cancel("changed my mind", app, noon))
			return o.Receive(receipt(o.Attempts[0]), noon)
		},
		[]string{"O2", "O4", "O8", "O9"},
		[]order.EventType{order.EventClosing, order.EventPaid, order.EventReturning, order.EventRevoked, order.EventRefundCreated},
		order.Refunding,
	},
	{
		"all of a delivered order's money goes back", status(order.Delivered), refundAll,
		[]string{"O14"},
		[]order.EventType{order.EventRefundCreated, order.EventRefundSubmitted, order.EventRefundSucceeded, order.EventRefunded},
		order.Refunded,
	},
	{
		"all of a completed order's money goes back", status(order.Completed), refundAll,
		[]string{"O14"},
		[]order.EventType{order.EventRefundCreated, order.EventRefundSubmitted, order.EventRefundSucceeded, order.EventRefunded},
		order.Refunded,
	},
	{
		"it was delivered after all", status(order.Refunding),
		func(t *testing.T, o *order.Order) error {
			require.NoError(t, o.Deliver("SF1", merchant, noon))
			return o.ResolveConflict(true, operator, "the parcel is there", noon)
		},
		[]string{"D9"},
		[]order.EventType{order.EventConflict, order.EventRefundCanceled, order.EventDelivered},
		order.Delivered,
	},
	{
		"the money is back", status(order.Refunding),
		func(_ *testing.T, o *order.Order) error { return o.SucceedRefund(o.Refunds[0].ID, noon) },
		[]string{"O12"},
		[]order.EventType{order.EventRefundSucceeded, order.EventRefunded},
		order.Refunded,
	},
}

// A buyer who calls off an order that is closing by its timer has said what is
// wanted: should the money have been on its way, it goes back (decision 0009).
func TestCalledOffWhileItsTimeWasOver(t *testing.T) {
	t.Parallel()
	o := open(t)
	require.NoError(t, o.Expire(o.ExpireAt))
	require.Equal(t, order.Closing, o.Status)
	require.NoError(t, o.Cancel("changed my mind", app, noon))
	require.Equal(t, order.Closing, o.Status)
	asks(t, o, func(o *order.Order) error { return o.Cancel("again", app, noon) }, 'a', "said before")
	require.NoError(t, o.Receive(receipt(o.Attempts[0]), noon))
	require.Equal(t, order.Refunding, o.Status)
	require.True(t, o.Delivery.Untold)
	require.Equal(t, o.Received(), o.Refunds[0].Amount)
}

func refundAll(t *testing.T, o *order.Order) error {
	t.Helper()
	r, err := o.AskRefund(0, "broken", app, noon)
	require.NoError(t, err)
	require.NoError(t, o.SubmitRefund(r.ID, noon))
	return o.SucceedRefund(r.ID, noon)
}

func status(s order.Status) func(*testing.T) *order.Order {
	return func(t *testing.T) *order.Order { t.Helper(); return in(t, s) }
}

// open is an unpaid order with an open payment.
func open(t *testing.T) *order.Order {
	t.Helper()
	o := fresh(t)
	pay(t, o)
	o.Forget()
	return o
}

func TestStepsMoveTheOrder(t *testing.T) {
	t.Parallel()
	for _, tc := range steps {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o, taken := take(t, tc.before, tc.arrive)
			require.Equal(t, tc.after, o.Status)
			require.Equal(t, tc.events, happened(o))
			var rows []string
			for _, tr := range taken {
				rows = append(rows, tr.Row)
			}
			require.Equal(t, tc.rows, rows)
		})
	}
}

// A row that no step above takes is a promise that nothing keeps.
func TestEveryTransitionIsTaken(t *testing.T) {
	t.Parallel()
	var taken []order.Transition[order.Status]
	for _, tc := range steps {
		_, rows := take(t, tc.before, tc.arrive)
		taken = append(taken, rows...)
	}
	for _, tr := range order.Transitions() {
		require.Contains(t, taken, tr, "add a case to steps")
	}
}

// take lets a step happen and finds the rows that it took in the events.
func take(t *testing.T, before func(*testing.T) *order.Order, arrive func(*testing.T, *order.Order) error) (o *order.Order, rows []order.Transition[order.Status]) {
	t.Helper()
	var from order.Status
	if before == nil {
		var err error
		o, err = order.New(ident.New[order.Order](), draft(), app, noon)
		require.NoError(t, err)
	} else {
		o = before(t)
		from = o.Status
		require.NoError(t, arrive(t, o))
	}
	for _, e := range o.Events() {
		if e.Status != from {
			rows = append(rows, transition(t, from, e.Status))
			from = e.Status
		}
	}
	return o, rows
}

func transition(t *testing.T, from, to order.Status) order.Transition[order.Status] {
	t.Helper()
	i := slices.IndexFunc(order.Transitions(), func(tr order.Transition[order.Status]) bool { return tr.From == from && tr.To == to })
	require.GreaterOrEqual(t, i, 0, "%q to %q is not in the table", from, to)
	return order.Transitions()[i]
}

func TestWhatAStepWritesDown(t *testing.T) {
	t.Parallel()
	later := noon.Add(3 * 60e9)

	o := open(t)
	require.NoError(t, o.Receive(receipt(o.Attempts[0]), later))
	require.Equal(t, noon, o.PaidAt, "when the channel took it, not when we heard of it")
	require.Equal(t, &order.Delivery{Status: order.Notifying, DeliverBy: later.Add(48 * time.Hour)}, o.Delivery)

	require.NoError(t, o.Accept(merchant, later))
	require.NoError(t, o.Deliver("SF1", merchant, later.Add(1)))
	require.Equal(t, &order.Delivery{Status: order.DeliveryDone, AcceptedAt: later, DeliveredAt: later.Add(1), Proof: "SF1", DeliverBy: later.Add(48 * time.Hour)}, o.Delivery)
	require.Equal(t, later.Add(1), o.DeliveredAt)
	require.NoError(t, o.Complete(order.System, later.Add(2)))
	require.Equal(t, later.Add(2), o.CompletedAt)

	o = fresh(t)
	require.NoError(t, o.Cancel("no longer", app, later))
	require.Equal(t, later, o.ClosedAt)
	require.Equal(t, order.Event{Seq: 2, Type: order.EventClosing, Status: order.Closing, Actor: app, At: later, Detail: order.Detail{Reason: "no longer"}}, o.Events()[0])
	require.Equal(t, order.Event{Seq: 3, Type: order.EventClosed, Status: order.Closed, Actor: order.System, At: later}, o.Events()[1])
}
