package producer

import (
	"time"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

func orderView(o *order.Order) api.Order {
	v := api.Order{
		ID: o.ID.String(), Status: string(o.Status), MerchantID: o.MerchantID, BuyerID: o.BuyerID,
		MerchantOrderNo: o.MerchantOrderNo, Currency: o.Currency, Amount: o.Amount, Metadata: o.Metadata, Hold: o.Hold,
		CreatedAt: utc(o.CreatedAt), ExpireAt: utc(o.ExpireAt), PaidAt: utc(o.PaidAt),
		ClosedAt: utc(o.ClosedAt), DeliveredAt: utc(o.DeliveredAt), CompletedAt: utc(o.CompletedAt),
		Items: make([]api.Item, len(o.Items)),
	}
	for i, it := range o.Items {
		v.Items[i] = api.Item{SKU: it.SKU, Name: it.Name, Quantity: it.Quantity, UnitPrice: it.UnitPrice}
	}
	for _, a := range o.Attempts {
		v.Attempts = append(v.Attempts, paymentView(a))
	}
	for _, r := range o.Refunds {
		v.Refunds = append(v.Refunds, api.Refund{
			ID: r.ID.Compact(), PaymentID: r.Attempt.Compact(), Status: string(r.Status), Amount: r.Amount,
			Reason: r.Reason, CreatedAt: utc(r.CreatedAt), DoneAt: utc(r.DoneAt),
		})
	}
	if d := o.Delivery; d != nil {
		v.Delivery = &api.Delivery{
			Status: string(d.Status), AcceptedAt: utc(d.AcceptedAt), DeliveredAt: utc(d.DeliveredAt), Proof: d.Proof, Reason: d.Reason,
		}
	}
	return v
}

func paymentView(a *order.Attempt) api.Payment {
	return api.Payment{
		ID: a.ID.Compact(), Status: string(a.Status), Disposition: string(a.Disposition), Channel: a.Channel,
		Amount: a.Amount, Currency: a.Currency, CreatedAt: utc(a.CreatedAt), ExpireAt: utc(a.ExpireAt),
		TradeNo: a.TradeNo, PaidAmount: a.PaidAmount, PaidAt: utc(a.PaidAt), Reason: a.Reason,
	}
}

func eventView(e order.Event) api.Event {
	d := e.Detail
	v := api.Event{
		Seq: e.Seq, Type: string(e.Type), Status: string(e.Status), Actor: string(e.Actor), At: utc(e.At),
		Channel: d.Channel, TradeNo: d.TradeNo, Amount: d.Amount, Currency: d.Currency, Reason: d.Reason, Proof: d.Proof,
	}
	if !d.Attempt.IsZero() {
		v.PaymentID = d.Attempt.Compact()
	}
	if !d.Refund.IsZero() {
		v.RefundID = d.Refund.Compact()
	}
	return v
}

// utc keeps a time that was never set unset.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
