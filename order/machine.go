package order

import "time"

// Transition is one arrow of a state machine. Row names the line of the table
// in docs/state-machine.md, which a test compares with these.
type Transition[S ~string] struct {
	Row      string
	From, To S
	On       string
}

// Transitions is every step an order's status may take: what is not listed
// cannot happen.
func Transitions() []Transition[Status] {
	return []Transition[Status]{
		{"O1", "", PendingPay, "created"},
		{"O2", PendingPay, Closing, "timer, cancel"},
		{"O3", Closing, Closed, "last open attempt settled"},
		{"O4", PendingPay, Paid, "payment applied"},
		{"O4", Closing, Paid, "payment applied"},
		{"O5", Paid, Delivering, "merchant accepted"},
		{"O6", Paid, Delivered, "delivered"},
		{"O6", Delivering, Delivered, "delivered"},
		{"O7", Delivered, Completed, "buyer confirms, or due"},
		{"O8", Paid, Returning, "cancel, last delivery deadline"},
		{"O8", Delivering, Returning, "cancel, last delivery deadline"},
		{"O9", Returning, Refunding, "merchant stopped it, or its time to answer passed"},
		{"O10", Returning, Delivered, "delivered already, with proof"},
		{"O11", Paid, Refunding, "delivery failed"},
		{"O11", Delivering, Refunding, "delivery failed"},
		{"O12", Refunding, Refunded, "refund done"},
		{"O14", Delivered, Refunded, "refund done"},
		{"O14", Completed, Refunded, "refund done"},
		{"D9", Refunding, Delivered, "operator: delivered after all"},
	}
}

// AttemptTransitions is every step a payment attempt may take.
func AttemptTransitions() []Transition[AttemptStatus] {
	return []Transition[AttemptStatus]{
		{"P1", "", AttemptInit, "the app asks to pay"},
		{"P2", AttemptInit, AttemptPaying, "claimed: the channel may be called"},
		{"P3", AttemptInit, AttemptVoid, "the order closes, or a sibling paid"},
		{"P4", AttemptPaying, AttemptFailed, "the channel definitely refused"},
		{"P5", AttemptPaying, AttemptSuccess, "the channel took money"},
		{"P5", AttemptFailed, AttemptSuccess, "the channel took money"},
		{"P5", AttemptClosed, AttemptSuccess, "the channel took money"},
		{"P9", AttemptPaying, AttemptClosed, "closed at the channel"},
	}
}

// RefundTransitions is every step a refund may take.
func RefundTransitions() []Transition[RefundStatus] {
	return []Transition[RefundStatus]{
		{"R1", "", RefundCreated, "owed back"},
		{"R2", RefundCreated, RefundProcessing, "claimed: the channel may be asked"},
		{"R4", RefundCreated, RefundSuccess, "the channel says done"},
		{"R4", RefundProcessing, RefundSuccess, "the channel says done"},
		{"R5", RefundProcessing, RefundAbnormal, "the channel cannot"},
		{"R6", RefundAbnormal, RefundProcessing, "once more, by an operator or the channel"},
		{"R6", RefundAbnormal, RefundSuccess, "done after all, or operator: paid out"},
		{"R7", RefundProcessing, RefundClosed, "closed by the channel"},
		{"R7", RefundAbnormal, RefundClosed, "closed by the channel"},
		{"R8", RefundCreated, RefundCanceled, "operator: called back"},
	}
}

// DeliveryTransitions is every step a delivery may take.
func DeliveryTransitions() []Transition[DeliveryStatus] {
	return []Transition[DeliveryStatus]{
		{"D1", "", Notifying, "order paid"},
		{"D2", Notifying, Accepted, "merchant accepted"},
		{"D3", Notifying, DeliveryDone, "delivered"},
		{"D3", Accepted, DeliveryDone, "delivered"},
		{"D4", Notifying, DeliveryFailed, "cannot deliver"},
		{"D4", Accepted, DeliveryFailed, "cannot deliver"},
		{"D5", Notifying, DeliveryRevoking, "called off"},
		{"D5", Accepted, DeliveryRevoking, "called off"},
		{"D6", DeliveryRevoking, DeliveryRevoked, "stopped, or no answer in time"},
		{"D7", DeliveryRevoking, DeliveryDone, "delivered already, with proof"},
		{"D9", DeliveryFailed, DeliveryDone, "operator: delivered after all"},
		{"D9", DeliveryRevoked, DeliveryDone, "operator: delivered after all"},
	}
}

// machine is a table that is asked at each step.
type machine[S ~string] struct {
	of      string
	allowed map[[2]S]bool
}

func machineOf[S ~string](of string, table []Transition[S]) machine[S] {
	m := machine[S]{of, map[[2]S]bool{}}
	for _, t := range table {
		m.allowed[[2]S{t.From, t.To}] = true
	}
	return m
}

// move changes the status along an arrow of the table. Asking for any other
// arrow is a fault of this package, not of the caller.
func (m machine[S]) move(status *S, to S) {
	if !m.allowed[[2]S{*status, to}] {
		panic("order: no transition of " + m.of + " from " + string(*status) + " to " + string(to))
	}
	*status = to
}

var (
	orders     = machineOf("an order", Transitions())
	attempts   = machineOf("an attempt", AttemptTransitions())
	refunds    = machineOf("a refund", RefundTransitions())
	deliveries = machineOf("a delivery", DeliveryTransitions())
)

func (o *Order) move(to Status)            { orders.move(&o.Status, to) }
func (a *Attempt) move(to AttemptStatus)   { attempts.move(&a.Status, to) }
func (r *Refund) move(to RefundStatus)     { refunds.move(&r.Status, to) }
func (d *Delivery) move(to DeliveryStatus) { deliveries.move(&d.Status, to) }

// record appends an event in the status that the order has now. Whether it is
// held follows from its parts.
func (o *Order) record(t EventType, by Actor, at time.Time, d Detail) {
	o.Version++
	o.Hold = o.hold()
	o.events = append(o.events, Event{Seq: o.Version, Type: t, Status: o.Status, Actor: by, At: at, Detail: d})
}
