package order

import (
	"fmt"
	"time"
)

// Accept notes that the merchant has taken the order on (O5).
func (o *Order) Accept(by Actor, now time.Time) error {
	switch o.Status {
	case Delivering, Delivered, Completed:
		return ErrAlready
	case Paid:
	case Returning:
		return &Refusal{"accept", o.Status, "it was called off: report revoked, or delivered with a proof"}
	default:
		return &Refusal{"accept", o.Status, ""}
	}
	o.Delivery.move(Accepted)
	o.Delivery.AcceptedAt = now
	o.move(Delivering)
	o.record(EventAccepted, by, now, Detail{})
	return nil
}

// Deliver notes that the goods are with the buyer (O6). For an order that was
// called off meanwhile it takes a proof: then the cancel came too late (O10).
// When the money is already on its way back, the claim is noted and an operator
// decides (D9).
func (o *Order) Deliver(proof string, by Actor, now time.Time) error {
	d := Detail{Proof: proof}
	switch o.Status {
	case Delivered, Completed:
		return ErrAlready
	case Paid, Delivering:
		o.delivered(proof, by, now, d)
		return nil
	case Returning:
		if proof == "" {
			return &Refusal{"deliver", o.Status, "it was called off: a delivery that was faster needs a proof"}
		}
		o.delivered(proof, by, now, d)
		if !o.CancelAt.IsZero() {
			o.record(EventCancelTooLate, System, now, Detail{Reason: "the goods were already delivered"})
		}
		return nil
	case Refunding, Refunded:
		if !o.Delivery.ClaimAt.IsZero() || o.Delivery.Status == DeliveryDone {
			return ErrAlready
		}
		o.Delivery.Claim, o.Delivery.ClaimAt = proof, now
		o.record(EventConflict, by, now, d)
		return nil
	}
	return &Refusal{"deliver", o.Status, ""}
}

func (o *Order) delivered(proof string, by Actor, now time.Time, d Detail) {
	o.Delivery.move(DeliveryDone)
	o.Delivery.DeliveredAt, o.Delivery.Proof = now, proof
	o.move(Delivered)
	o.DeliveredAt = now
	o.record(EventDelivered, by, now, d)
}

// FailDelivery notes that the merchant cannot deliver; the buyer gets the
// money back (O11, R1). Of an order that was called off, it is the answer that
// was asked for (O9).
func (o *Order) FailDelivery(reason string, by Actor, now time.Time) error {
	switch {
	case o.stopped():
		return ErrAlready
	case o.Status == Returning:
		o.revoked(reason, by, now)
		return nil
	case o.Status != Paid && o.Status != Delivering:
		return &Refusal{"fail the delivery of", o.Status, ""}
	}
	o.Delivery.move(DeliveryFailed)
	o.Delivery.Reason = reason
	o.move(Refunding)
	o.record(EventDeliveryFailed, by, now, Detail{Reason: reason})
	o.refund(o.applied(), o.room(), "the merchant could not deliver", System, now)
	return nil
}

// callOff takes O8: the merchant is asked to stop the delivery (D5).
func (o *Order) callOff(reason string, by Actor, now time.Time) {
	o.Delivery.move(DeliveryRevoking)
	o.Delivery.Reason, o.Delivery.RevokeBy = reason, ceilSecond(now.Add(o.RevokeWithin))
	o.move(Returning)
	o.record(EventReturning, by, now, Detail{Reason: reason})
}

// Revoke notes that the merchant has stopped a delivery that was called off;
// the buyer gets the money back (O9).
func (o *Order) Revoke(reason string, by Actor, now time.Time) error {
	const step = "revoke the delivery of"
	switch {
	case o.Status == Returning:
		o.revoked(reason, by, now)
		return nil
	case o.stopped():
		return ErrAlready
	case o.Status == Paid, o.Status == Delivering:
		return &Refusal{step, o.Status, "nobody has called it off; report failed when you cannot deliver"}
	}
	return &Refusal{step, o.Status, "only an order that is returning has its delivery revoked"}
}

// RevokeUnanswered takes O9 when the merchant's time to answer has passed.
// Whether the goods are gone is then not known.
func (o *Order) RevokeUnanswered(now time.Time) error {
	switch {
	case o.Status != Returning:
		return ErrAlready
	case now.Before(o.Delivery.RevokeBy):
		return &Refusal{"take back", o.Status, "its merchant may answer until " + o.Delivery.RevokeBy.Format(time.RFC3339)}
	}
	o.Delivery.Unanswered = true
	o.revoked("the merchant did not answer in time", System, now)
	return nil
}

// stopped says that the delivery came to nothing and the money goes back. One
// that was refunded after its delivery was not stopped.
func (o *Order) stopped() bool {
	return (o.Status == Refunding || o.Status == Refunded) && o.Delivery.Status != DeliveryDone
}

func (o *Order) revoked(reason string, by Actor, now time.Time) {
	why := o.Delivery.Reason // that of the cancel
	o.Delivery.move(DeliveryRevoked)
	o.Delivery.Reason = reason
	o.move(Refunding)
	o.record(EventRevoked, by, now, Detail{Reason: reason})
	o.refund(o.applied(), o.room(), why, System, now)
}

// The levels of a delivery that is late (D8).
const (
	OverdueReminded  = 1 // at deliver_by: the merchant is reminded
	OverdueAlerted   = 2 // half as much later: the operators are told
	OverdueCalledOff = 3 // as much later: called off
)

// OverdueAt is when a delivery that is not done reaches a level.
func (o *Order) OverdueAt(level int) time.Time {
	return o.Delivery.DeliverBy.Add(o.DeliverWithin / 2 * time.Duration(level-1)).Truncate(time.Second)
}

// Overdue takes a late delivery to its next level (D8): the merchant is
// reminded, then the operators are told, then it is called off (O8).
func (o *Order) Overdue(now time.Time) error {
	if o.Status != Paid && o.Status != Delivering {
		return ErrAlready
	}
	d, level := o.Delivery, o.Delivery.Overdue+1
	if now.Before(o.OverdueAt(level)) {
		return &Refusal{"press for", o.Status, fmt.Sprintf("level %d is reached at %s", level, o.OverdueAt(level).Format(time.RFC3339))}
	}
	d.Overdue = level
	o.record(EventOverdue, System, now, Detail{Level: level})
	if level == OverdueCalledOff {
		o.callOff("not delivered in time", System, now)
	}
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
	case o.reserved() > 0:
		return &Refusal{"complete", o.Status, "a refund is open"}
	}
	o.move(Completed)
	o.CompletedAt = now
	o.record(EventCompleted, by, now, Detail{Amount: o.Received() - o.refunded(), Currency: o.Currency})
	return nil
}
