package merchant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/order"
)

// envelope is the form of every notice.
type envelope struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      data   `json:"data"`
}

type data struct {
	Order  orderBody   `json:"order"`
	Refund *refundBody `json:"refund,omitempty"`
}

// orderBody is an order as the merchant sees it. Times are strings because
// then nothing in it can fail to marshal.
type orderBody struct {
	ID              string            `json:"id"`
	MerchantID      string            `json:"merchant_id"`
	BuyerID         string            `json:"buyer_id"`
	MerchantOrderNo string            `json:"merchant_order_no,omitempty"`
	Currency        string            `json:"currency"`
	Amount          int64             `json:"amount"`
	Status          order.Status      `json:"status"`
	Items           []itemBody        `json:"items"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	CreatedAt       string            `json:"created_at"`
	PaidAt          string            `json:"paid_at,omitempty"`
	DeliverBy       string            `json:"deliver_by,omitempty"`
	RevokeBy        string            `json:"revoke_by,omitempty"`
	Payment         *paymentBody      `json:"payment,omitempty"`
}

type itemBody struct {
	SKU       string `json:"sku"`
	Name      string `json:"name,omitempty"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

type paymentBody struct {
	ID       string `json:"id"`
	Channel  string `json:"channel"`
	TradeNo  string `json:"trade_no"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	PaidAt   string `json:"paid_at"`
}

type refundBody struct {
	ID       string `json:"id"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Reason   string `json:"reason"`
	DoneAt   string `json:"done_at"`
}

// The types of notice.
const (
	OrderPaid       = "order.paid"             // it waits for its delivery
	RevokeRequested = "order.revoke_requested" // it was called off: stop its delivery, or prove it
	DeliveryOverdue = "order.delivery_overdue" // it should be delivered by now
	RefundSucceeded = "refund.succeeded"       // money of it is back with the buyer
)

// NoticeOf is what an event of o tells its merchant, and whether it tells
// anything. The same order and event give the same bytes.
func NoticeOf(o *order.Order, e order.Event) (n Notice, tells bool) {
	n = Notice{MerchantID: o.MerchantID}
	var refund *refundBody
	switch {
	case o.Delivery != nil && o.Delivery.Untold:
		return Notice{}, false
	case e.Type == order.EventPaid:
		n.ID, n.Type = order.DeliveryID(o.ID).String(), OrderPaid
	case e.Type == order.EventReturning:
		n.ID, n.Type = order.RevokeNoticeID(o.ID).String(), RevokeRequested
	case e.Type == order.EventOverdue && e.Detail.Level == order.OverdueReminded:
		n.ID, n.Type = order.ReminderID(o.ID).String(), DeliveryOverdue
	case e.Detail.Disposition == order.Applied && (e.Type == order.EventRefundSucceeded || e.Type == order.EventRefundPaidOut):
		n.ID, n.Type = e.Detail.Refund.String(), RefundSucceeded
		refund = &refundBody{
			ID: e.Detail.Refund.Compact(), Amount: e.Detail.Amount, Currency: e.Detail.Currency,
			Reason: o.Refund(e.Detail.Refund).Reason, DoneAt: stamp(e.At),
		}
	default:
		return Notice{}, false
	}
	n.Body = encode(envelope{Type: n.Type, Timestamp: stamp(e.At), Data: data{bodyOf(o), refund}})
	return n, true
}

func encode(e envelope) []byte {
	var b bytes.Buffer
	b.Grow(1024)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic(fmt.Sprintf("merchant: notice of order %s: %v", e.Data.Order.ID, err)) // strings and integers always marshal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func bodyOf(o *order.Order) orderBody {
	items := make([]itemBody, len(o.Items))
	for i, it := range o.Items {
		items[i] = itemBody{SKU: it.SKU, Name: it.Name, Quantity: it.Quantity, UnitPrice: it.UnitPrice}
	}
	b := orderBody{
		ID: o.ID.String(), MerchantID: o.MerchantID, BuyerID: o.BuyerID, MerchantOrderNo: o.MerchantOrderNo,
		Currency: o.Currency, Amount: o.Amount, Status: o.Status, Items: items, Metadata: o.Metadata,
		CreatedAt: stamp(o.CreatedAt), PaidAt: stamp(o.PaidAt), Payment: paymentOf(o),
	}
	if d := o.Delivery; d != nil {
		b.DeliverBy, b.RevokeBy = stamp(d.DeliverBy), stamp(d.RevokeBy)
	}
	return b
}

// paymentOf is the attempt whose money is the order's.
func paymentOf(o *order.Order) *paymentBody {
	for _, a := range o.Attempts {
		if a.Disposition == order.Applied {
			return &paymentBody{
				ID: a.ID.Compact(), Channel: a.Channel, TradeNo: a.TradeNo,
				Amount: a.PaidAmount, Currency: a.PaidCurrency, PaidAt: stamp(a.PaidAt),
			}
		}
	}
	return nil
}

// stamp is a time by RFC 3339 to the microsecond, as finely as it is kept, so
// that a notice and the API show the same.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}
