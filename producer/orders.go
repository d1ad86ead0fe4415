package producer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

type createOrderInput struct {
	Idempotent
	Body api.NewOrder
}

// Idempotent is read by call.once; here it is declared and checked. It is
// exported because huma passes over what is embedded and is not.
type Idempotent struct {
	Key string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" patternDescription:"printable ASCII" doc:"The same key with the same body gets the same answer and makes nothing new."`
}

// created is the answer to a POST that made something, or had made it before.
type created[T any] struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true when the answer was given before."`
	Body     verbatim[T]
}

// Resolve adds what only the order itself knows to what the schema found, so
// that every fault is named at once.
func (in *createOrderInput) Resolve(huma.Context) (wrong []error) {
	var faults order.Invalid
	if _, err := order.New(order.ID{}, in.draft(), "", time.Time{}); errors.As(err, &faults) {
		for _, f := range inBody(faults) {
			wrong = append(wrong, misfit(f))
		}
	}
	return wrong
}

func (in *createOrderInput) draft() order.Draft {
	b := in.Body
	d := order.Draft{
		MerchantID: b.MerchantID, BuyerID: b.BuyerID, MerchantOrderNo: b.MerchantOrderNo, Currency: b.Currency,
		Metadata: b.Metadata, PayWithin: time.Duration(b.PayWithinSeconds) * time.Second, Virtual: b.Virtual, Items: make([]order.Item, len(b.Items)),
	}
	for i, it := range b.Items {
		d.Items[i] = order.Item{SKU: it.SKU, Name: it.Name, Quantity: it.Quantity, UnitPrice: it.UnitPrice}
	}
	return d
}

// createOrder makes an order and, when a channel is named, opens its first
// payment in the same commit.
func (s *server) createOrder(ctx context.Context, in *createOrderInput) (*created[api.Order], error) {
	c := callOf(ctx)
	o, a, err := s.newOrder(ctx, c, in)
	if err != nil {
		return nil, err
	}
	c.order = o.ID
	answer := func() api.Order { return newOrderView(o, a) }
	req, err := c.once(201, func() any { return answer() })
	if err != nil {
		return nil, err
	}
	err = s.opt.Store.Create(ctx, o, req)
	var before *once.Replay
	switch {
	case errors.As(err, &before):
		return s.replayOrder(ctx, before)
	case err != nil:
		return nil, fmt.Errorf("create order %s: %w", o.ID, err)
	}
	v := answer()
	if a != nil {
		s.start(ctx, o, a, v.Payment)
	}
	return &created[api.Order]{Body: verbatim[api.Order]{value: v}}, nil
}

// newOrder is the order as it is to be written; its attempt is nil when no
// channel is named.
func (s *server) newOrder(ctx context.Context, c *call, in *createOrderInput) (*order.Order, *order.Attempt, error) {
	m, err := s.merchants.find(ctx, in.Body.MerchantID)
	if errors.Is(err, order.ErrNotFound) {
		return nil, nil, invalid("body.merchant_id", "there is no such merchant")
	}
	if err != nil {
		return nil, nil, err
	}
	d, now, by := in.draft(), s.now(), c.principal.Actor()
	d.FeeBps, d.DeliverWithin, d.RevokeWithin = m.FeeBps, m.DeliverWithin, m.RevokeWithin
	o, err := order.New(ident.New[order.Order](), d, by, now)
	if err != nil || in.Body.Channel == "" {
		return o, nil, err
	}
	if err := s.knowsChannel(in.Body.Channel); err != nil {
		return nil, nil, err
	}
	a, err := o.Pay(in.Body.Channel, by, now)
	return o, a, err
}

func newOrderView(o *order.Order, a *order.Attempt) api.Order {
	v := orderView(o)
	if a != nil {
		p := paymentView(a)
		v.Payment, v.Attempts = &p, nil
	}
	return v
}

// replayOrder gives the first answer again. Of the payment in it the buyer may
// still need the action, which is not kept: the channel is asked once more.
func (s *server) replayOrder(ctx context.Context, before *once.Replay) (*created[api.Order], error) {
	out := &created[api.Order]{Replayed: "true", Body: verbatim[api.Order]{bytes: before.Body}}
	var v api.Order
	if err := json.Unmarshal(before.Body, &v); err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	id, err := order.ParseID(v.ID)
	if err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	callOf(ctx).order = id
	if v.Payment == nil {
		return out, nil
	}
	if v.Payment, err = s.paymentNow(ctx, v.Payment.ID); err != nil {
		return nil, err
	}
	out.Body = verbatim[api.Order]{value: v}
	return out, nil
}
