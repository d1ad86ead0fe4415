package demo

import "hash/fnv"

// Order is what the merchant reads of an order.
type Order struct {
	ID       string            `json:"id"`
	Metadata map[string]string `json:"metadata"`
}

// Behaviour is what the merchant does with a paid order.
type Behaviour string

// The behaviours; an order chooses its own by metadata.demo.
const (
	Deliver Behaviour = "deliver" // accept, then deliver with a proof
	Fail    Behaviour = "fail"    // say that it cannot be delivered: the buyer is refunded
	Accept  Behaviour = "accept"  // accept, and leave it there
	Ignore  Behaviour = "ignore"  // do nothing: the deadlines run
)

// Usual delivers all but one order in twenty, which fails. It is always the
// same for the same order.
func Usual(o Order) Behaviour {
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.ID))
	if h.Sum32()%20 == 0 {
		return Fail
	}
	return Deliver
}

// chosen is the order's own wish, else what behave says.
func chosen(o Order, behave func(Order) Behaviour) Behaviour {
	switch b := Behaviour(o.Metadata["demo"]); b {
	case Deliver, Fail, Accept, Ignore:
		return b
	}
	return behave(o)
}
