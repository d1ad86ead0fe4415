package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

type cancelInput struct {
	OrderPath
	Body api.Cancel
}

func (s *server) cancelOrder(ctx context.Context, in *cancelInput) (*orderOutput, error) {
	if err := oneLine(map[string]string{"reason": in.Body.Reason}); err != nil {
		return nil, err
	}
	return s.step(ctx, in.OrderPath, func(o *order.Order, by order.Actor, now time.Time) error {
		return o.Cancel(in.Body.Reason, by, now)
	})
}

// oneLine refuses text that would do more than be read: it is shown in
// operators' terminals.
func oneLine(texts map[string]string) error {
	var faults order.Invalid
	for field, text := range texts {
		if !printable(text) {
			faults = append(faults, order.FieldError{Field: field, Message: "has control characters or is not UTF-8"})
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

type deliveryInput struct {
	OrderPath
	Body api.DeliveryReport
}

func (s *server) reportDelivery(ctx context.Context, in *deliveryInput) (*orderOutput, error) {
	if err := oneLine(map[string]string{"proof": in.Body.Proof, "reason": in.Body.Reason}); err != nil {
		return nil, err
	}
	return s.step(ctx, in.OrderPath, func(o *order.Order, by order.Actor, now time.Time) error {
		switch order.DeliveryStatus(in.Body.Status) {
		case order.Accepted:
			return o.Accept(by, now)
		case order.DeliveryDone:
			return o.Deliver(in.Body.Proof, by, now)
		case order.DeliveryFailed:
			return o.FailDelivery(in.Body.Reason, by, now)
		}
		return &order.Refusal{Step: "revoke the delivery of", Status: o.Status, Why: "only an order that is returning has its delivery revoked"}
	})
}

func (s *server) completeOrder(ctx context.Context, in *OrderPath) (*orderOutput, error) {
	return s.step(ctx, *in, (*order.Order).Complete)
}

// step takes a step of an order and shows where it stands. A step that was
// taken before is answered like the first time.
func (s *server) step(ctx context.Context, in OrderPath, take func(o *order.Order, by order.Actor, now time.Time) error) (*orderOutput, error) {
	c := callOf(ctx)
	id, err := in.orderID(c)
	if err != nil {
		return nil, err
	}
	out := &orderOutput{}
	err = s.opt.Store.Update(ctx, id, nil, func(o *order.Order) error {
		if err := c.sees(o.MerchantID); err != nil {
			return err
		}
		err := take(o, c.principal.Actor(), s.now())
		out.Body = orderView(o)
		return err
	})
	if err != nil && !errors.Is(err, order.ErrAlready) {
		return nil, fmt.Errorf("change order %s: %w", id, err)
	}
	return out, nil
}
