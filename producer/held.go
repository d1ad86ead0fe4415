package producer

import (
	"context"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// What operators decide about orders that are held. Refunds are in refunds.go.

type paymentNoteInput struct {
	OrderPath
	Payment string `path:"payment" maxLength:"36" doc:"A payment's id: 32 hex digits, or the same as a UUID."`
	Body    api.Note
}

func (s *server) acceptPayment(ctx context.Context, in *paymentNoteInput) (*orderOutput, error) {
	return s.onPayment(ctx, in, (*order.Order).AcceptMismatch)
}

func (s *server) returnPayment(ctx context.Context, in *paymentNoteInput) (*orderOutput, error) {
	return s.onPayment(ctx, in, (*order.Order).ReturnMismatch)
}

// onPayment takes an operator's step of a payment and shows its order.
func (s *server) onPayment(ctx context.Context, in *paymentNoteInput,
	take func(o *order.Order, id order.AttemptID, by order.Actor, why string, now time.Time) error,
) (*orderOutput, error) {
	if err := oneLine(note(in.Body.Note)); err != nil {
		return nil, err
	}
	id, err := ident.Parse[order.Attempt](in.Payment)
	if err != nil {
		return nil, order.ErrNotFound
	}
	return s.step(ctx, in.OrderPath, func(o *order.Order, by order.Actor, now time.Time) error {
		if o.Attempt(id) == nil {
			return order.ErrNotFound
		}
		return take(o, id, by, in.Body.Note, now)
	})
}

type conflictInput struct {
	OrderPath
	Body api.Resolution
}

func (s *server) resolveConflict(ctx context.Context, in *conflictInput) (*orderOutput, error) {
	if err := oneLine(note(in.Body.Note)); err != nil {
		return nil, err
	}
	return s.step(ctx, in.OrderPath, func(o *order.Order, by order.Actor, now time.Time) error {
		return o.ResolveConflict(in.Body.Outcome == "delivered", by, in.Body.Note, now)
	})
}
