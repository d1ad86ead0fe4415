package order

import "slices"

// Clone is a copy that shares nothing with o that a step could change.
func (o *Order) Clone() *Order {
	c := *o
	c.Attempts = copies(o.Attempts)
	c.Refunds = copies(o.Refunds)
	if o.Delivery != nil {
		d := *o.Delivery
		c.Delivery = &d
	}
	c.events = slices.Clone(o.events)
	return &c
}

func copies[T any](list []*T) []*T {
	if list == nil {
		return nil
	}
	out := make([]*T, len(list))
	for i, p := range list {
		v := *p
		out[i] = &v
	}
	return out
}
