package merchant

import "strings"

// The types of notice.
const (
	OrderPaid       = "order.paid"
	OrderClosed     = "order.closed"
	DeliveryOverdue = "order.delivery_overdue"
	RevokeRequested = "order.revoke_requested"
	OrderCompleted  = "order.completed"
	RefundSucceeded = "refund.succeeded"
	RefundFailed    = "refund.failed"

	EndpointFailing   = "endpoint.failing"
	EndpointPaused    = "endpoint.paused"
	EndpointDisabled  = "endpoint.disabled"
	EndpointRecovered = "endpoint.recovered"
)

// EventType is one type of what merchants are told: an entry of the catalogue.
type EventType struct {
	Name    string // "order.paid"
	When    string // is it sent: a sentence
	Sent    bool   // by this release; of what it does not send, only the form is settled
	Form    any    // a zero value of its body's Go type
	Example []byte // a body
}

// Catalogue lists every type, in the order in which a trade meets them.
func Catalogue() []EventType {
	list, bodies := eventTypes(), examples()
	for i := range list {
		list[i].Example = bodies[list[i].Name]
	}
	return list
}

// eventTypes is the catalogue without its examples.
func eventTypes() []EventType {
	return []EventType{
		{Name: OrderPaid, When: "An order is paid and waits for its delivery.", Sent: true, Form: envelope[orderData]{}},
		{Name: OrderClosed, When: "An order ended without money, because its time to pay ran out or it was called off; its stock is released.", Sent: true, Form: envelope[orderData]{}},
		{Name: DeliveryOverdue, When: "An order should be delivered by now, and neither a delivery nor a failure was reported.", Sent: true, Form: envelope[orderData]{}},
		{Name: RevokeRequested, When: "A paid order was called off: stop its delivery, or prove it.", Sent: true, Form: envelope[orderData]{}},
		{Name: OrderCompleted, When: "A delivered order is settled: the buyer confirmed it, or the time to complain is over.", Sent: true, Form: envelope[completedData]{}},
		{Name: RefundSucceeded, When: "Money of an order is back with the buyer.", Sent: true, Form: envelope[refundData]{}},
		{Name: RefundFailed, When: "The channel cannot give money of an order back; an operator finds another way.", Sent: true, Form: envelope[failedRefundData]{}},

		{Name: EndpointFailing, When: "An endpoint of yours has begun to fail.", Sent: true, Form: envelope[endpointData]{}},
		{Name: EndpointPaused, When: "An endpoint of yours fails so often that its notices are held and it is only probed.", Sent: true, Form: envelope[endpointData]{}},
		{Name: EndpointDisabled, When: "An endpoint of yours has done nothing but fail for days: nothing is sent to it any more.", Sent: true, Form: envelope[endpointData]{}},
		{Name: EndpointRecovered, When: "An endpoint of yours takes notices again.", Sent: true, Form: envelope[endpointData]{}},
	}
}

// Asks says that a type asks its merchant for something. Such a notice is
// written whoever takes it now. What only informs is not even written where no
// endpoint of the merchant's subscribes to it.
func Asks(eventType string) bool {
	return eventType == OrderPaid || eventType == DeliveryOverdue || eventType == RevokeRequested
}

// anyOf ends a subscription to every type of a family: order.* is all that
// begin with "order.".
const anyOf = ".*"

// Subscriptions lists all that an endpoint can subscribe to: the types, then
// their families.
func Subscriptions() (list []string) {
	var families []string
	for _, t := range eventTypes() {
		list = append(list, t.Name)
		family, _, _ := strings.Cut(t.Name, ".")
		if n := len(families); n == 0 || families[n-1] != family+anyOf {
			families = append(families, family+anyOf)
		}
	}
	return append(list, families...)
}

// covers says whether a subscription is to an event type.
func covers(subscription, eventType string) bool {
	if family, ok := strings.CutSuffix(subscription, anyOf); ok {
		return strings.HasPrefix(eventType, family+".")
	}
	return subscription == eventType
}
