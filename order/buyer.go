package order

// TellBuyer is what the buyer should know beyond the status, in a sentence or
// two; "" when there is nothing to tell. It follows from the order as it stands,
// so whoever asks later is told how it went on.
func (o *Order) TellBuyer() string {
	stray, back := o.stray()
	switch {
	case o.Status == Returning:
		return o.why() + " The merchant has been asked to stop the delivery; unless the goods are with you already, your money comes back."
	case o.Status == Refunding:
		return o.why() + " Your money is on its way back."
	case stray != nil && !back:
		return o.tellStray(stray, back)
	case o.Status == Refunded:
		return "All of your money has come back."
	case o.tooLate():
		return "The cancel came too late: the goods were already delivered."
	case stray != nil:
		return o.tellStray(stray, back)
	case o.reserved() > 0:
		return "Part of your money is on its way back."
	case o.refunded() > 0:
		return "Part of your money has come back."
	case o.Status == Closed && o.CancelAt.IsZero():
		return "The order was not paid in time and is closed."
	case o.Status == Closed:
		return "The order was called off before it was paid, and is closed."
	}
	return ""
}

// why is why an order that was paid is not delivered.
func (o *Order) why() string {
	switch {
	case o.Delivery.Status == DeliveryFailed:
		return "The merchant could not deliver."
	case o.CancelAt.IsZero():
		return "The goods were not delivered in time."
	}
	return "The order was called off."
}

// tooLate says that somebody called the order off and it was delivered all the
// same (O10).
func (o *Order) tooLate() bool {
	return !o.CancelAt.IsZero() && (o.Status == Delivered || o.Status == Completed)
}

// stray is a payment whose money is not the order's, and whether all of it is
// back: the latest one that is not, else the latest.
func (o *Order) stray() (found *Attempt, back bool) {
	back = true
	for _, a := range o.Attempts {
		if a.Disposition == "" || a.Disposition == Applied || a.PaidAmount == 0 {
			continue
		}
		if home := o.back(a) == a.PaidAmount; !home || back {
			found, back = a, home
		}
	}
	return found, back
}

// back is what of a's money is with the buyer again.
func (o *Order) back(a *Attempt) (sum int64) {
	for _, r := range o.Refunds {
		if r.Attempt == a.ID && r.Status == RefundSuccess {
			sum += r.Amount
		}
	}
	return sum
}

func (o *Order) tellStray(a *Attempt, back bool) string {
	switch {
	case a.Disposition == Late && back:
		return "Your payment came after the order was closed; the money has come back."
	case a.Disposition == Late:
		return "Your payment came after the order was closed; the money is on its way back."
	case a.Disposition == Duplicate && back:
		return "The order was paid twice; the second payment has come back."
	case a.Disposition == Duplicate:
		return "The order was paid twice; the second payment is on its way back."
	case back:
		return "A payment was not of the sum that was asked for; the money has come back."
	case o.unplaced(a):
		return "A payment was not of the sum that was asked for; it is being looked into."
	}
	return "A payment was not of the sum that was asked for; the money is on its way back."
}
