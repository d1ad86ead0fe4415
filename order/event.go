package order

import (
	"strconv"
	"strings"
	"time"
)

// EventType names what happened to an order, as the timeline shows it.
type EventType string

// The events of an order's life.
const (
	EventCreated          EventType = "order.created"
	EventClosing          EventType = "order.closing"
	EventClosed           EventType = "order.closed"
	EventPaid             EventType = "order.paid"
	EventAccepted         EventType = "delivery.accepted"
	EventDelivered        EventType = "delivery.delivered"
	EventDeliveryFailed   EventType = "delivery.failed"
	EventCompleted        EventType = "order.completed"
	EventRefunded         EventType = "order.refunded"
	EventAttemptOpened    EventType = "payment.opened"
	EventAttemptFailed    EventType = "payment.failed"
	EventAttemptClosed    EventType = "payment.closed"
	EventLatePayment      EventType = "payment.late"
	EventDuplicatePayment EventType = "payment.duplicate"
	EventMismatch         EventType = "payment.mismatch"
	EventRefundCreated    EventType = "refund.created"
	EventRefundSubmitted  EventType = "refund.submitted"
	EventRefundSucceeded  EventType = "refund.succeeded"
	EventRefundAbnormal   EventType = "refund.abnormal"
)

// Event is one line of an order's timeline.
type Event struct {
	Seq    int
	Type   EventType
	Status Status // the order's status after it
	Actor  Actor
	At     time.Time
	Detail Detail
}

// Detail is what an event is about; only what applies is set. The JSON form is
// both the stored and the shown one.
type Detail struct {
	Attempt  AttemptID `json:"attempt,omitzero"`
	Refund   RefundID  `json:"refund,omitzero"`
	Channel  string    `json:"channel,omitempty"`
	TradeNo  string    `json:"trade_no,omitempty"`
	Amount   int64     `json:"amount,omitempty"`
	Currency string    `json:"currency,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Proof    string    `json:"proof,omitempty"`
}

// Actor is who took a step.
type Actor string

// System is the actor of steps that nobody asked for: timers.
const System Actor = "system"

// ByChannel is a payment channel as an actor.
func ByChannel(name string) Actor { return Actor("channel:" + name) }

// String is the detail on one line, for people.
func (d Detail) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	if d.Amount != 0 {
		add("amount", strings.TrimSpace(strconv.FormatInt(d.Amount, 10)+" "+d.Currency))
	}
	if !d.Attempt.IsZero() {
		add("payment", d.Attempt.Compact())
	}
	if !d.Refund.IsZero() {
		add("refund", d.Refund.Compact())
	}
	add("channel", d.Channel)
	add("trade_no", d.TradeNo)
	add("proof", d.Proof)
	add("reason", d.Reason)
	return strings.Join(parts, " ")
}
