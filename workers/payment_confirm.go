package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// paymentConfirm applies a verified callback. One that did not carry all there
// is to know only brings the question to the channel forward.
type paymentConfirm struct{ Deps }

func (paymentConfirm) Kind() tasks.Kind { return tasks.PaymentConfirm }

func (w paymentConfirm) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(_ context.Context, row tasks.Row) tasks.Settlement {
		attempt := ident.As[order.Attempt](row.Subject)
		if row.Payload == nil {
			s := done(row, nil)
			s.Owes = []tasks.Message{{Key: tasks.About(tasks.PaymentQuery, attempt), Due: w.Now()}}
			return s
		}
		var p payment.Payment
		if err := json.Unmarshal(row.Payload, &p); err != nil {
			return never(row, fmt.Errorf("payload of %s: %w", row.Key, err))
		}
		if p.State != payment.Paid {
			return never(row, fmt.Errorf("payload of %s says %s: only a payment that was made is confirmed", row.Key, p.State))
		}
		return done(row, receive(attempt, p, w.Now()))
	}, nil
}

// receive books money that the attempt's own channel says it took.
func receive(id order.AttemptID, p payment.Payment, now time.Time) func(*order.Order) error {
	return func(o *order.Order) error {
		a := o.Attempt(id)
		if a == nil {
			return fmt.Errorf("attempt %s: %w", id.Compact(), order.ErrNotFound)
		}
		return o.Receive(order.Receipt{
			Attempt: id, Channel: a.Channel, TradeNo: p.TradeNo, Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt,
		}, now)
	}
}
