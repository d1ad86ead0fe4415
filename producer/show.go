package producer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// OrderPath names an order.
type OrderPath struct {
	ID string `path:"id" maxLength:"36" doc:"An order's id."`
}

// orderID reads the order of a path. What cannot be an id is not there.
func (in OrderPath) orderID(c *call) (order.ID, error) {
	id, err := order.ParseID(in.ID)
	if refusal := (*order.Refusal)(nil); errors.As(err, &refusal) {
		return id, fault(api.NotFound, sentence(refusal.Error()))
	}
	if err != nil {
		return id, order.ErrNotFound
	}
	c.order = id
	return id, nil
}

type orderOutput struct{ Body api.Order }

func (s *server) getOrder(ctx context.Context, in *OrderPath) (*orderOutput, error) {
	o, err := s.order(ctx, in)
	if err != nil {
		return nil, err
	}
	return &orderOutput{orderView(o)}, nil
}

// order reads the order of a path, if the caller may see it.
func (s *server) order(ctx context.Context, in *OrderPath) (*order.Order, error) {
	c := callOf(ctx)
	id, err := in.orderID(c)
	if err != nil {
		return nil, err
	}
	o, err := s.opt.Store.Order(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("show order %s: %w", id, err)
	}
	return o, c.sees(o.MerchantID)
}

type eventsOutput struct{ Body api.Timeline }

func (s *server) listEvents(ctx context.Context, in *OrderPath) (*eventsOutput, error) {
	o, err := s.order(ctx, in)
	if err != nil {
		return nil, err
	}
	events, err := s.opt.Store.Events(ctx, o.ID)
	if err != nil {
		return nil, fmt.Errorf("show events of order %s: %w", o.ID, err)
	}
	out := &eventsOutput{api.Timeline{Events: make([]api.Event, len(events))}}
	for i, e := range events {
		out.Body.Events[i] = eventView(e)
		if callOf(ctx).principal.Role == access.Merchant {
			out.Body.Events[i] = withoutOperator(out.Body.Events[i])
		}
	}
	return out, nil
}

type listOrdersInput struct {
	MerchantID string `query:"merchant_id" maxLength:"128"`
	BuyerID    string `query:"buyer_id" maxLength:"128"`
	Status     string `query:"status" enum:"pending_pay,closing,closed,paid,delivering,delivered,completed,returning,refunding,refunded"`
	Held       bool   `query:"held" doc:"true: only those that an operator must look at. For operators."`
	Hold       string `query:"hold" enum:"payment_mismatch,refund_abnormal,delivery_conflict" doc:"Only those held for this reason. For operators."`
	Limit      int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor     string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before."`
}

type ordersOutput struct{ Body api.OrderPage }

func (s *server) listOrders(ctx context.Context, in *listOrdersInput) (*ordersOutput, error) {
	c := callOf(ctx)
	before, err := readCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	if (in.Held || in.Hold != "") && !c.principal.May(access.Operator) {
		return nil, fault(api.Forbidden, "What is held is for the role operator; your key has the role "+string(c.principal.Role)+".")
	}
	f := order.Filter{
		MerchantID: in.MerchantID, BuyerID: in.BuyerID, Status: order.Status(in.Status), Held: in.Held, Hold: in.Hold,
		Before: before, Limit: in.Limit + 1,
	}
	if f.MerchantID == "" {
		f.MerchantID = c.principal.MerchantID
	}
	if f.MerchantID != "" && !c.principal.Sees(f.MerchantID) {
		return &ordersOutput{api.OrderPage{Orders: []api.Order{}}}, nil
	}
	list, err := s.opt.Store.Orders(ctx, f)
	if errors.Is(err, order.ErrBusy) {
		c.err = err
		return nil, fault(api.Unavailable, "Not found in time. Narrow the list to one merchant or one buyer.")
	}
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return &ordersOutput{pageOf(list, in.Limit)}, nil
}

// pageOf is the first limit orders; one more than that says that there is a
// next page.
func pageOf(list []*order.Order, limit int) api.OrderPage {
	page := api.OrderPage{Orders: []api.Order{}}
	if len(list) > limit {
		list = list[:limit]
		page.NextCursor = cursor(list[limit-1].ID)
	}
	for _, o := range list {
		page.Orders = append(page.Orders, orderView(o))
	}
	return page
}

func cursor(id order.ID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func readCursor(s string) (id order.ID, err error) {
	if s == "" {
		return id, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, invalid("query.cursor", "want the next_cursor of an answer, as it was")
	}
	return order.ID(b), nil
}
