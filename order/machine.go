package order

import "time"

// Transition is one arrow of a state machine. Row names the line of the table
// in docs/state-machine.md, which a test compares with these.
type Transition struct {
	Row      string
	From, To Status
	On       string
}

// Transitions is every step an order's status may take: what is not listed
// cannot happen.
func Transitions() []Transition {
	return []Transition{
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

var allowed = func() map[[2]Status]bool {
	m := map[[2]Status]bool{}
	for _, t := range Transitions() {
		m[[2]Status{t.From, t.To}] = true
	}
	return m
}()

// move changes the status along an arrow of the table. Asking for any other
// arrow is a fault of this package, not of the caller.
func (o *Order) move(to Status) {
	if !allowed[[2]Status{o.Status, to}] {
		panic("order: no transition from " + string(o.Status) + " to " + string(to))
	}
	o.Status = to
}

// record appends an event in the status that the order has now. Whether it is
// held follows from its parts.
func (o *Order) record(t EventType, by Actor, at time.Time, d Detail) {
	o.Version++
	o.Hold = o.hold()
	o.events = append(o.events, Event{Seq: o.Version, Type: t, Status: o.Status, Actor: by, At: at, Detail: d})
}
