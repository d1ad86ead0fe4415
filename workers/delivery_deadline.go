package workers

import (
	"context"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// deliveryDeadline presses for a delivery that is late: the merchant is
// reminded, then the operators are told, then it is called off.
type deliveryDeadline struct{ Deps }

func (deliveryDeadline) Kind() tasks.Kind { return tasks.DeliveryDeadline }

func (w deliveryDeadline) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(_ context.Context, row tasks.Row) tasks.Settlement {
		now := w.Now()
		return done(row, func(o *order.Order) error { return o.Overdue(now) })
	}, nil
}

// deliveryRevoke ends the wait for a merchant who was asked to stop a delivery
// and did not answer.
type deliveryRevoke struct{ Deps }

func (deliveryRevoke) Kind() tasks.Kind { return tasks.DeliveryRevoke }

func (w deliveryRevoke) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(_ context.Context, row tasks.Row) tasks.Settlement {
		now := w.Now()
		return done(row, func(o *order.Order) error { return o.RevokeUnanswered(now) })
	}, nil
}
