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
	Type      order.EventType `json:"type"`
	Timestamp string          `json:"timestamp"`
	Data      data            `json:"data"`
}

type data struct {
	Order orderBody `json:"order"`
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

// OrderPaid is the body of the notice that an order is paid and waits for its
// delivery. The same order and time give the same bytes.
func OrderPaid(o *order.Order, at time.Time) []byte {
	var b bytes.Buffer
	b.Grow(1024)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(envelope{Type: order.EventPaid, Timestamp: stamp(at), Data: data{bodyOf(o)}}); err != nil {
		panic(fmt.Sprintf("merchant: notice of order %s: %v", o.ID, err)) // strings and integers always marshal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func bodyOf(o *order.Order) orderBody {
	items := make([]itemBody, len(o.Items))
	for i, it := range o.Items {
		items[i] = itemBody{SKU: it.SKU, Name: it.Name, Quantity: it.Quantity, UnitPrice: it.UnitPrice}
	}
	return orderBody{
		ID: o.ID.String(), MerchantID: o.MerchantID, BuyerID: o.BuyerID, MerchantOrderNo: o.MerchantOrderNo,
		Currency: o.Currency, Amount: o.Amount, Status: o.Status, Items: items, Metadata: o.Metadata,
		CreatedAt: stamp(o.CreatedAt), PaidAt: stamp(o.PaidAt), Payment: paymentOf(o),
	}
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
