package simulation

import (
	"slices"
	"sync"

	"github.com/orderflow/orderflow/order"
)

// arrows are the steps of the state machines that were taken in all worlds
// together: what no history ever does, no history tests.
type arrows struct {
	mu    sync.Mutex
	taken map[string]bool
}

var seen = arrows{taken: map[string]bool{}}

// becomes is where an event leaves the payment or the refund that it is about.
var becomes = map[order.EventType]string{
	order.EventAttemptAsked:     "payment init",
	order.EventAttemptOpened:    "payment paying",
	order.EventAttemptVoid:      "payment void",
	order.EventAttemptFailed:    "payment failed",
	order.EventAttemptClosed:    "payment closed",
	order.EventPaid:             "payment success",
	order.EventLatePayment:      "payment success",
	order.EventDuplicatePayment: "payment success",
	order.EventMismatch:         "payment success",
	order.EventRefundCreated:    "refund created",
	order.EventRefundSubmitted:  "refund processing",
	order.EventRefundRetried:    "refund processing",
	order.EventRefundResumed:    "refund processing",
	order.EventRefundSucceeded:  "refund success",
	order.EventRefundPaidOut:    "refund success",
	order.EventRefundAbnormal:   "refund abnormal",
	order.EventRefundClosed:     "refund closed",
	order.EventRefundCanceled:   "refund canceled",
}

// follow notes the arrows of one timeline.
func (a *arrows) follow(events []order.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	status, parts := order.Status(""), map[string]string{}
	for _, e := range events {
		if e.Status != status {
			a.taken["order "+string(status)+" → "+string(e.Status)] = true
			status = e.Status
		}
		to := becomes[e.Type]
		if to == "" {
			continue
		}
		part := e.Detail.Attempt.String()
		if !e.Detail.Refund.IsZero() {
			part = e.Detail.Refund.String()
		}
		if to == "payment paying" && parts[part] == "" { // alone, it is opened in the same step
			a.taken[" → payment init"], parts[part] = true, "payment init"
		}
		a.taken[parts[part]+" → "+to] = true
		parts[part] = to
	}
}

// missing are the arrows of the tables that nobody has taken.
func (a *arrows) missing() (list []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	want := func(arrow string) {
		if !a.taken[arrow] {
			list = append(list, arrow)
		}
	}
	for _, t := range order.Transitions() {
		want("order " + string(t.From) + " → " + string(t.To))
	}
	for _, t := range order.AttemptTransitions() {
		want(statusOf("payment", string(t.From)) + " → payment " + string(t.To))
	}
	for _, t := range order.RefundTransitions() {
		want(statusOf("refund", string(t.From)) + " → refund " + string(t.To))
	}
	return slices.DeleteFunc(list, func(arrow string) bool { return notHere[arrow] != "" })
}

func statusOf(of, status string) string {
	if status == "" {
		return ""
	}
	return of + " " + status
}

// notHere are arrows that this channel gives no occasion for, and why.
var notHere = map[string]string{
	"payment paying → payment failed":  "the sandbox makes its links without a call: it refuses none",
	"payment failed → payment success": "so none is paid after all",
	"refund created → refund success":  "the sandbox knows nothing of a refund that it was not asked for",
	"refund abnormal → refund closed":  "the sandbox closes none that is abnormal",
}
