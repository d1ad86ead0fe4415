package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

type createRefundInput struct {
	OrderPath
	Idempotent
	Body api.NewRefund
}

// createRefund opens a refund after the sale. The channel is asked for it by
// the task that follows.
func (s *server) createRefund(ctx context.Context, in *createRefundInput) (*created[api.Refund], error) {
	c := callOf(ctx)
	id, err := in.orderID(c)
	if err != nil {
		return nil, err
	}
	if err := oneLine(map[string]string{"reason": in.Body.Reason}); err != nil {
		return nil, err
	}
	var v api.Refund
	req, err := c.once(202, func() any { return v })
	if err != nil {
		return nil, err
	}
	err = s.opt.Store.Update(ctx, id, req, func(o *order.Order) error {
		if err := c.sees(o.MerchantID); err != nil {
			return err
		}
		r, err := o.AskRefund(in.Body.Amount, in.Body.Reason, c.principal.Actor(), s.now())
		if err == nil {
			v = refundView(o, r)
		}
		return err
	})
	var before *once.Replay
	switch {
	case errors.As(err, &before):
		return &created[api.Refund]{Replayed: "true", Body: verbatim[api.Refund]{bytes: before.Body}}, nil
	case err != nil:
		return nil, fmt.Errorf("open a refund of order %s: %w", id, err)
	}
	return &created[api.Refund]{Body: verbatim[api.Refund]{value: v}}, nil
}

// RefundPath names a refund.
type RefundPath struct {
	ID string `path:"id" maxLength:"36" doc:"A refund's id: 32 hex digits, or the same as a UUID."`
}

// refundID reads the refund of a path. What cannot be an id is not there.
func (in RefundPath) refundID(c *call) (order.RefundID, error) {
	id, err := ident.Parse[order.Refund](in.ID)
	if err != nil {
		return id, order.ErrNotFound
	}
	c.order = order.Family(id)
	return id, nil
}

type refundOutput struct{ Body api.Refund }

func (s *server) getRefund(ctx context.Context, in *RefundPath) (*refundOutput, error) {
	c := callOf(ctx)
	id, err := in.refundID(c)
	if err != nil {
		return nil, err
	}
	o, err := s.opt.Store.Order(ctx, order.Family(id))
	if err != nil {
		return nil, fmt.Errorf("show refund %s: %w", id.Compact(), err)
	}
	if o.Refund(id) == nil {
		return nil, order.ErrNotFound
	}
	return &refundOutput{refundView(o, o.Refund(id))}, c.sees(o.MerchantID)
}

type refundNoteInput struct {
	RefundPath
	Body api.Note
}

func (s *server) retryRefund(ctx context.Context, in *refundNoteInput) (*refundOutput, error) {
	return s.onRefund(ctx, in.RefundPath, note(in.Body.Note), func(o *order.Order, id order.RefundID, by order.Actor, now time.Time) error {
		return o.RetryRefund(id, by, in.Body.Note, now)
	})
}

func (s *server) cancelRefund(ctx context.Context, in *refundNoteInput) (*refundOutput, error) {
	return s.onRefund(ctx, in.RefundPath, note(in.Body.Note), func(o *order.Order, id order.RefundID, by order.Actor, now time.Time) error {
		return o.CancelRefund(id, by, in.Body.Note, now)
	})
}

type payOutInput struct {
	RefundPath
	Body api.PayOut
}

func (s *server) payOutRefund(ctx context.Context, in *payOutInput) (*refundOutput, error) {
	texts := map[string]string{"voucher": in.Body.Voucher, "note": in.Body.Note}
	return s.onRefund(ctx, in.RefundPath, texts, func(o *order.Order, id order.RefundID, by order.Actor, now time.Time) error {
		return o.PayOutRefund(id, in.Body.Voucher, by, in.Body.Note, now)
	})
}

// onRefund takes an operator's step of a refund and shows where it stands.
func (s *server) onRefund(ctx context.Context, in RefundPath, texts map[string]string,
	take func(o *order.Order, id order.RefundID, by order.Actor, now time.Time) error,
) (*refundOutput, error) {
	id, err := in.refundID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	if err := oneLine(texts); err != nil {
		return nil, err
	}
	out := &refundOutput{}
	err = s.change(ctx, order.Family(id), func(o *order.Order, by order.Actor, now time.Time) error {
		if o.Refund(id) == nil {
			return order.ErrNotFound
		}
		return take(o, id, by, now)
	}, func(o *order.Order) { out.Body = refundView(o, o.Refund(id)) })
	return out, err
}

func note(text string) map[string]string { return map[string]string{"note": text} }
