package order

import "time"

// Accept notes that the merchant has taken the order on (O5).
func (o *Order) Accept(by Actor, now time.Time) error {
	switch o.Status {
	case Delivering, Delivered, Completed:
		return ErrAlready
	case Paid:
	default:
		return &Refusal{"accept", o.Status, ""}
	}
	o.Delivery.Status, o.Delivery.AcceptedAt = Accepted, now
	o.move(Delivering)
	o.record(EventAccepted, by, now, Detail{})
	return nil
}

// Deliver notes that the goods are with the buyer (O6).
func (o *Order) Deliver(proof string, by Actor, now time.Time) error {
	switch o.Status {
	case Delivered, Completed:
		return ErrAlready
	case Paid, Delivering:
	default:
		return &Refusal{"deliver", o.Status, ""}
	}
	o.Delivery.Status, o.Delivery.DeliveredAt, o.Delivery.Proof = DeliveryDone, now, proof
	o.move(Delivered)
	o.DeliveredAt = now
	o.record(EventDelivered, by, now, Detail{Proof: proof})
	return nil
}

// FailDelivery notes that the merchant cannot deliver; the buyer gets the
// money back (O11, R1).
func (o *Order) FailDelivery(reason string, by Actor, now time.Time) error {
	switch o.Status {
	case Refunding, Refunded:
		return ErrAlready
	case Paid, Delivering:
	default:
		return &Refusal{"fail the delivery of", o.Status, ""}
	}
	o.Delivery.Status, o.Delivery.Reason = DeliveryFailed, reason
	o.move(Refunding)
	o.record(EventDeliveryFailed, by, now, Detail{Reason: reason})
	o.refund(o.applied(), o.Received(), "the merchant could not deliver", now)
	return nil
}

// Complete settles a delivered order to its merchant (O7).
func (o *Order) Complete(by Actor, now time.Time) error {
	switch {
	case o.Status == Completed:
		return ErrAlready
	case o.Status != Delivered:
		return &Refusal{"complete", o.Status, "it is complete only after its delivery"}
	case o.Hold != "":
		return &Refusal{"complete", o.Status, "it is held: " + o.Hold}
	case o.refunding():
		return &Refusal{"complete", o.Status, "a refund is open"}
	}
	o.move(Completed)
	o.CompletedAt = now
	o.record(EventCompleted, by, now, Detail{Amount: o.Received() - o.refunded()})
	return nil
}
