package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// oneLine refuses text that would do more than be read, for it is shown in
// operators' terminals, and text that says nothing.
func oneLine(texts map[string]string) error {
	var faults order.Invalid
	for field, text := range texts {
		switch {
		case !printable(text):
			faults = append(faults, order.FieldError{Field: field, Message: "has control characters or is not UTF-8"})
		case text != "" && strings.TrimSpace(text) == "":
			faults = append(faults, order.FieldError{Field: field, Message: "is blank"})
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
		default: // revoked: the contract knows no other
			return o.Revoke(in.Body.Reason, by, now)
		}
	})
}

func (s *server) completeOrder(ctx context.Context, in *OrderPath) (*orderOutput, error) {
	return s.step(ctx, *in, (*order.Order).Complete)
}

// step is a step of an order that somebody asks for.
type step func(o *order.Order, by order.Actor, now time.Time) error

// step takes a step of an order and shows where it stands.
func (s *server) step(ctx context.Context, in OrderPath, take step) (*orderOutput, error) {
	id, err := in.orderID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &orderOutput{}
	err = s.change(ctx, id, take, func(o *order.Order) { out.Body = orderView(o) })
	return out, err
}

// change takes a step of an order, if the caller may see it, and lets show
// look at it as it then stands. A step that was taken before is answered like
// the first time.
func (s *server) change(ctx context.Context, id order.ID, take step, show func(*order.Order)) error {
	c := callOf(ctx)
	err := s.opt.Store.Update(ctx, id, nil, func(o *order.Order) error {
		if err := c.sees(o.MerchantID); err != nil {
			return err
		}
		err := take(o, c.principal.Actor(), s.now())
		if err == nil || errors.Is(err, order.ErrAlready) {
			show(o)
		}
		return err
	})
	if err != nil && !errors.Is(err, order.ErrAlready) {
		return fmt.Errorf("change order %s: %w", id, err)
	}
	return nil
}
