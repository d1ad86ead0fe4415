package workers

import (
	"context"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// orderClose closes an order whose time to pay is over. Rows of paid orders
// never get here: they were deleted with the payment.
type orderClose struct{ Deps }

func (orderClose) Kind() tasks.Kind { return tasks.OrderClose }

func (w orderClose) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(_ context.Context, row tasks.Row) tasks.Settlement {
		now := w.Now()
		return done(row, func(o *order.Order) error { return o.Expire(now) })
	}, nil
}

// orderComplete settles a delivered order to its merchant when the time to
// complain is over.
type orderComplete struct{ Deps }

func (orderComplete) Kind() tasks.Kind { return tasks.OrderComplete }

func (w orderComplete) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(_ context.Context, row tasks.Row) tasks.Settlement {
		now := w.Now()
		return done(row, func(o *order.Order) error { return o.Complete(order.System, now) })
	}, nil
}
