package workers

import (
	"context"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// paymentReturn gives a payment of the wrong sum back: no operator has accepted
// it in time.
type paymentReturn struct{ Deps }

func (paymentReturn) Kind() tasks.Kind { return tasks.PaymentReturn }

func (w paymentReturn) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(_ context.Context, row tasks.Row) tasks.Settlement {
		now := w.Now()
		return done(row, func(o *order.Order) error {
			return o.ReturnMismatch(ident.As[order.Attempt](row.Subject), order.System, "paid with the wrong sum, and nobody accepted it", now)
		})
	}, nil
}
