package simulation

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// told is what a timeline's event is to the merchant by the judge's own book,
// and after which events nobody need tell it any more.
var told = map[order.EventType]struct {
	eventType string
	pointless []order.EventType
}{
	order.EventPaid:            {merchant.OrderPaid, []order.EventType{order.EventAccepted, order.EventDelivered, order.EventDeliveryFailed, order.EventReturning}},
	order.EventClosed:          {merchant.OrderClosed, nil},
	order.EventOverdue:         {merchant.DeliveryOverdue, []order.EventType{order.EventDelivered, order.EventDeliveryFailed, order.EventReturning}},
	order.EventReturning:       {merchant.RevokeRequested, []order.EventType{order.EventDelivered, order.EventRevoked}},
	order.EventCompleted:       {merchant.OrderCompleted, nil},
	order.EventRefundSucceeded: {merchant.RefundSucceeded, nil},
	order.EventRefundPaidOut:   {merchant.RefundSucceeded, nil},
	order.EventRefundAbnormal:  {merchant.RefundFailed, []order.EventType{order.EventRefundRetried, order.EventRefundResumed, order.EventRefundSucceeded, order.EventRefundPaidOut, order.EventRefundClosed}},
}

// due is a notice of the merchant's.
type due struct {
	eventType string
	certain   bool // it must have been heard; otherwise it may
}

// due are the notices that a timeline makes, by id.
func (j *judgement) due(o *order.Order) map[string]due {
	list := map[string]due{}
	events := j.events[o.ID]
	for i, e := range events {
		t, is := told[e.Type]
		refund := !e.Detail.Refund.IsZero()
		if !is || o.Delivery != nil && o.Delivery.Untold || refund && e.Detail.Disposition != order.Applied ||
			e.Type == order.EventOverdue && e.Detail.Level != order.OverdueReminded {
			continue
		}
		over := slices.ContainsFunc(events[i+1:], func(later order.Event) bool {
			return slices.Contains(t.pointless, later.Type) && later.Detail.Refund == e.Detail.Refund
		})
		list[idOf(o, e, t.eventType)] = due{t.eventType, !over && o.Hold == ""}
	}
	return list
}

// idOf is the id of a notice: each part of the order has its own.
func idOf(o *order.Order, e order.Event, eventType string) string {
	part := map[string]byte{
		merchant.OrderPaid: 0x80, merchant.RevokeRequested: 0x81, merchant.DeliveryOverdue: 0x82, merchant.OrderClosed: 0x83, merchant.OrderCompleted: 0x84,
		merchant.RefundSucceeded: e.Detail.Refund.Part(), merchant.RefundFailed: e.Detail.Refund.Part() + 0x80,
	}[eventType]
	return ident.WithPart[order.Order](o.ID, part).String()
}

// notices looks whether each endpoint of the merchant's was told exactly what it
// subscribes to and what the history says.
func (j *judgement) notices(h *history, o *order.Order) {
	list := j.due(o)
	for at := range h.heard {
		d, is := list[at.id]
		var body struct{ Type string }
		require.NoError(j, json.Unmarshal([]byte(h.notices[at.id]), &body))
		switch {
		case !is:
			j.find(h, "%s was told of %s, notice %s, which has not happened", at.desk, body.Type, at.id)
		case d.eventType != body.Type:
			j.find(h, "%s was told of %s under the id of %s, %s", at.desk, body.Type, d.eventType, at.id)
		}
	}
	for n, events := range h.shop.desks {
		desk, e := fmt.Sprintf("/%d", n), merchant.Endpoint{Events: events}
		for id, d := range list {
			taken, was := h.heard[heard{desk, id}]
			switch {
			case was && !e.Subscribes(d.eventType):
				j.find(h, "%s was told of %s, and had subscribed to %v", desk, d.eventType, events)
			case !taken && d.certain && e.Subscribes(d.eventType):
				j.find(h, "%s was never told of %s, notice %s", desk, d.eventType, id)
			}
		}
	}
}
