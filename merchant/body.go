package merchant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/order"
)

// The bodies of notices. The doc of each field is shown in the catalogue's
// schemas. Times are strings because then nothing in them can fail to marshal.

// envelope is the form of every notice; D is what its type is about.
type envelope[D any] struct {
	Type      string `json:"type" doc:"What happened."`
	Timestamp string `json:"timestamp" format:"date-time" doc:"When it happened. Notices may come in another order."`
	Data      D      `json:"data"`
}

type orderData struct {
	Order orderBody `json:"order"`
}

type completedData struct {
	Order      orderBody      `json:"order"`
	Settlement settlementBody `json:"settlement"`
}

type refundData struct {
	Order  orderBody  `json:"order"`
	Refund refundBody `json:"refund"`
}

type failedRefundData struct {
	Order  orderBody        `json:"order"`
	Refund failedRefundBody `json:"refund"`
}

type endpointData struct {
	Endpoint endpointBody `json:"endpoint"`
}

// orderBody is an order as the merchant sees it.
type orderBody struct {
	ID              string            `json:"id" format:"uuid" doc:"The order's id."`
	MerchantID      string            `json:"merchant_id" doc:"You."`
	BuyerID         string            `json:"buyer_id" doc:"The buyer, as the app knows them."`
	MerchantOrderNo string            `json:"merchant_order_no,omitempty" doc:"Your own number of it, when it was made with one."`
	Currency        string            `json:"currency" doc:"ISO 4217."`
	Amount          int64             `json:"amount" doc:"Minor units: the sum of quantity × unit_price."`
	Status          order.Status      `json:"status" doc:"Where it stood when the notice was written; GET /v1/orders/{id} shows where it stands."`
	Items           []itemBody        `json:"items" doc:"What is bought."`
	Metadata        map[string]string `json:"metadata,omitempty" doc:"The app's, as it was sent."`
	CreatedAt       string            `json:"created_at" format:"date-time" doc:"When it was made."`
	PaidAt          string            `json:"paid_at,omitempty" format:"date-time" doc:"When the buyer paid."`
	DeliverBy       string            `json:"deliver_by,omitempty" format:"date-time" doc:"Delivered later, it is overdue."`
	RevokeBy        string            `json:"revoke_by,omitempty" format:"date-time" doc:"Of one that was called off: no answer by then gives the money back."`
	CancelAt        string            `json:"cancel_at,omitempty" format:"date-time" doc:"When somebody called it off; absent when its time ran out."`
	ClosedAt        string            `json:"closed_at,omitempty" format:"date-time" doc:"When it ended without money."`
	DeliveredAt     string            `json:"delivered_at,omitempty" format:"date-time" doc:"When the goods were with the buyer."`
	CompletedAt     string            `json:"completed_at,omitempty" format:"date-time" doc:"When it was settled."`
	Payment         *paymentBody      `json:"payment,omitempty" doc:"The payment whose money is the order's; absent until it is paid."`
}

type itemBody struct {
	SKU       string `json:"sku"`
	Name      string `json:"name,omitempty" doc:"What the buyer read."`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price" doc:"Minor units."`
}

type paymentBody struct {
	ID       string `json:"id" doc:"32 hex digits: the out_trade_no at the channel."`
	Channel  string `json:"channel"`
	TradeNo  string `json:"trade_no" doc:"The channel's own number."`
	Amount   int64  `json:"amount" doc:"Minor units."`
	Currency string `json:"currency"`
	PaidAt   string `json:"paid_at" format:"date-time"`
}

type settlementBody struct {
	Amount   int64  `json:"amount" doc:"Minor units: what was received, less what went back."`
	Fee      int64  `json:"fee" doc:"The platform's commission on it."`
	Net      int64  `json:"net" doc:"What is yours: amount less fee."`
	Currency string `json:"currency"`
}

type refundBody struct {
	ID       string `json:"id" doc:"32 hex digits: the out_refund_no at the channel."`
	Amount   int64  `json:"amount" doc:"Minor units."`
	Currency string `json:"currency"`
	Reason   string `json:"reason" doc:"Why it is given back."`
	DoneAt   string `json:"done_at" format:"date-time" doc:"When the money was back with the buyer."`
}

type failedRefundBody struct {
	ID       string `json:"id" doc:"32 hex digits: the out_refund_no at the channel."`
	Amount   int64  `json:"amount" doc:"Minor units."`
	Currency string `json:"currency"`
	Reason   string `json:"reason" doc:"Why it is given back."`
	Problem  string `json:"problem,omitempty" doc:"What the channel says."`
	FailedAt string `json:"failed_at" format:"date-time" doc:"When the channel said so."`
}

type endpointBody struct {
	ID        string `json:"id" format:"uuid" doc:"The endpoint's id."`
	URL       string `json:"url" doc:"Where notices are sent."`
	State     string `json:"state" enum:"healthy,failing,paused,disabled" doc:"What became of it."`
	Since     string `json:"since" format:"date-time" doc:"Since when."`
	LastError string `json:"last_error,omitempty" doc:"Why the last try failed."`
	Waiting   int64  `json:"waiting" doc:"How many notices wait for it."`
}

// TypeOf is the type of the notice that an event of o is to its merchant; ""
// when it is none.
func TypeOf(o *order.Order, e order.Event) string {
	if o.Delivery != nil && o.Delivery.Untold {
		return ""
	}
	ours := e.Detail.Disposition == order.Applied // of a refund: of the order's own money
	switch {
	case e.Type == order.EventPaid:
		return OrderPaid
	case e.Type == order.EventClosed:
		return OrderClosed
	case e.Type == order.EventReturning:
		return RevokeRequested
	case e.Type == order.EventOverdue && e.Detail.Level == order.OverdueReminded:
		return DeliveryOverdue
	case e.Type == order.EventCompleted:
		return OrderCompleted
	case ours && (e.Type == order.EventRefundSucceeded || e.Type == order.EventRefundPaidOut):
		return RefundSucceeded
	case ours && e.Type == order.EventRefundAbnormal:
		return RefundFailed
	}
	return ""
}

// NoticeOf is what an event of o tells its merchant, and whether it tells
// anything. The same order and event give the same bytes. A refund can fail
// again, by an operator's retry: that is the same notice.
func NoticeOf(o *order.Order, e order.Event) (n Notice, tells bool) {
	eventType := TypeOf(o, e)
	if eventType == "" {
		return Notice{}, false
	}
	return Notice{ID: noticeID(eventType, o, e), MerchantID: o.MerchantID, Type: eventType, Body: body(eventType, o, e)}, true
}

func noticeID(eventType string, o *order.Order, e order.Event) string {
	switch eventType {
	case OrderClosed:
		return order.ClosedNoticeID(o.ID).String()
	case RevokeRequested:
		return order.RevokeNoticeID(o.ID).String()
	case DeliveryOverdue:
		return order.ReminderID(o.ID).String()
	case OrderCompleted:
		return order.CompletedNoticeID(o.ID).String()
	case RefundSucceeded:
		return e.Detail.Refund.String()
	case RefundFailed:
		return order.RefundFailedNoticeID(e.Detail.Refund).String()
	}
	return order.DeliveryID(o.ID).String()
}

func body(eventType string, o *order.Order, e order.Event) []byte {
	b, d := orderBodyOf(o), e.Detail
	switch eventType {
	case OrderCompleted:
		fee := o.Fee(d.Amount)
		return encode(eventType, e.At, completedData{b, settlementBody{d.Amount, fee, d.Amount - fee, d.Currency}})
	case RefundSucceeded:
		return encode(eventType, e.At, refundData{b, refundBody{d.Refund.Compact(), d.Amount, d.Currency, o.Refund(d.Refund).Reason, stamp(e.At)}})
	case RefundFailed:
		return encode(eventType, e.At, failedRefundData{b, failedRefundBody{d.Refund.Compact(), d.Amount, d.Currency, o.Refund(d.Refund).Reason, d.Reason, stamp(e.At)}})
	}
	return encode(eventType, e.At, orderData{b})
}

func encode[D any](eventType string, at time.Time, data D) []byte {
	var b bytes.Buffer
	b.Grow(1024)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(envelope[D]{eventType, stamp(at), data}); err != nil {
		panic(fmt.Sprintf("merchant: a notice of type %s: %v", eventType, err)) // strings and integers always marshal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func orderBodyOf(o *order.Order) orderBody {
	items := make([]itemBody, len(o.Items))
	for i, it := range o.Items {
		items[i] = itemBody{SKU: it.SKU, Name: it.Name, Quantity: it.Quantity, UnitPrice: it.UnitPrice}
	}
	b := orderBody{
		ID: o.ID.String(), MerchantID: o.MerchantID, BuyerID: o.BuyerID, MerchantOrderNo: o.MerchantOrderNo,
		Currency: o.Currency, Amount: o.Amount, Status: o.Status, Items: items, Metadata: o.Metadata,
		CreatedAt: stamp(o.CreatedAt), PaidAt: stamp(o.PaidAt), CancelAt: stamp(o.CancelAt), ClosedAt: stamp(o.ClosedAt),
		DeliveredAt: stamp(o.DeliveredAt), CompletedAt: stamp(o.CompletedAt), Payment: paymentOf(o),
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
