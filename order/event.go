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
	EventReturning        EventType = "order.returning"
	EventCancelTooLate    EventType = "order.cancel_too_late"
	EventOverdue          EventType = "delivery.overdue"
	EventRevoked          EventType = "delivery.revoked"
	EventConflict         EventType = "delivery.conflict"
	EventConflictResolved EventType = "delivery.conflict_resolved"
	EventAttemptAsked     EventType = "payment.asked"
	EventAttemptVoid      EventType = "payment.void"
	EventAttemptOpened    EventType = "payment.opened"
	EventAttemptFailed    EventType = "payment.failed"
	EventAttemptClosed    EventType = "payment.closed"
	EventLatePayment      EventType = "payment.late"
	EventDuplicatePayment EventType = "payment.duplicate"
	EventMismatch         EventType = "payment.mismatch"
	EventMismatchAccepted EventType = "payment.mismatch_accepted"
	EventRefundCreated    EventType = "refund.created"
	EventRefundSubmitted  EventType = "refund.submitted"
	EventRefundSucceeded  EventType = "refund.succeeded"
	EventRefundAbnormal   EventType = "refund.abnormal"
	EventRefundRetried    EventType = "refund.retried"
	EventRefundResumed    EventType = "refund.resumed"
	EventRefundPaidOut    EventType = "refund.paid_out"
	EventRefundClosed     EventType = "refund.closed"
	EventRefundCanceled   EventType = "refund.canceled"
	EventRequeued         EventType = "task.requeued"
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
	// Disposition is that of the payment which a refund gives back.
	Disposition Disposition `json:"disposition,omitempty"`
	Level       int         `json:"level,omitempty"` // of delivery.overdue: 1 to 3
	Task        string      `json:"task,omitempty"`  // of task.requeued
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
		add("amount", strings.TrimSpace(Money(d.Amount, d.Currency)))
	}
	if !d.Attempt.IsZero() {
		add("payment", d.Attempt.Compact())
	}
	if !d.Refund.IsZero() {
		add("refund", d.Refund.Compact())
	}
	add("channel", d.Channel)
	add("trade_no", d.TradeNo)
	add("task", d.Task)
	add("proof", d.Proof)
	if d.Level != 0 {
		add("level", strconv.Itoa(d.Level))
	}
	add("reason", d.Reason)
	return strings.Join(parts, " ")
}
