package producer

import (
	"strings"
	"time"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

func orderView(o *order.Order) api.Order {
	v := api.Order{
		ID: o.ID.String(), Status: string(o.Status), MerchantID: o.MerchantID, BuyerID: o.BuyerID,
		MerchantOrderNo: o.MerchantOrderNo, Currency: o.Currency, Amount: o.Amount, Metadata: o.Metadata, Hold: o.Hold, BuyerNote: o.TellBuyer(),
		CreatedAt: utc(o.CreatedAt), ExpireAt: utc(o.ExpireAt), PaidAt: utc(o.PaidAt), CancelAt: utc(o.CancelAt),
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
		v.Refunds = append(v.Refunds, refundView(o, r))
	}
	if d := o.Delivery; d != nil {
		v.Delivery = &api.Delivery{
			Status: string(d.Status), AcceptedAt: utc(d.AcceptedAt), DeliveredAt: utc(d.DeliveredAt), Proof: d.Proof, Reason: d.Reason,
			DeliverBy: utc(d.DeliverBy), Overdue: d.Overdue, RevokeBy: utc(d.RevokeBy), Claim: d.Claim, ClaimAt: utc(d.ClaimAt),
		}
	}
	return v
}

func refundView(o *order.Order, r *order.Refund) api.Refund {
	return api.Refund{
		ID: r.ID.Compact(), OrderID: o.ID.String(), PaymentID: r.Attempt.Compact(), Status: string(r.Status),
		Amount: r.Amount, Currency: o.Attempt(r.Attempt).PaidCurrency, Reason: r.Reason, Problem: r.Problem, Voucher: r.Voucher,
		CreatedAt: utc(r.CreatedAt), DoneAt: utc(r.DoneAt),
	}
}

func paymentView(a *order.Attempt) api.Payment {
	return api.Payment{
		ID: a.ID.Compact(), Status: string(a.Status), Disposition: string(a.Disposition), Channel: a.Channel,
		Amount: a.Amount, Currency: a.Currency, CreatedAt: utc(a.CreatedAt), ExpireAt: utc(a.ExpireAt),
		TradeNo: a.TradeNo, PaidAmount: a.PaidAmount, PaidCurrency: a.PaidCurrency, PaidAt: utc(a.PaidAt), Reason: a.Reason,
	}
}

func eventView(e order.Event) api.Event {
	d := e.Detail
	v := api.Event{
		Seq: e.Seq, Type: string(e.Type), Status: string(e.Status), Actor: string(e.Actor), At: utc(e.At),
		Channel: d.Channel, TradeNo: d.TradeNo, Amount: d.Amount, Currency: d.Currency, Reason: d.Reason, Proof: d.Proof,
		Disposition: string(d.Disposition), Level: d.Level, Task: d.Task,
	}
	if !d.Attempt.IsZero() {
		v.PaymentID = d.Attempt.Compact()
	}
	if !d.Refund.IsZero() {
		v.RefundID = d.Refund.Compact()
	}
	return v
}

// withoutOperator is an event as a merchant sees it: which operator acted, and
// why, is the platform's own.
func withoutOperator(e api.Event) api.Event {
	if role, _, _ := strings.Cut(e.Actor, ":"); role == string(access.Operator) {
		e.Actor, e.Reason = role, ""
	}
	return e
}

// utc keeps a time that was never set unset.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func merchantView(m merchant.Merchant) api.Merchant {
	return api.Merchant{
		ID: m.ID, Name: m.Name, FeeBps: m.FeeBps, CreatedAt: utc(m.CreatedAt),
		DeliverWithinSeconds: int64(m.DeliverWithin / time.Second), RevokeWithinSeconds: int64(m.RevokeWithin / time.Second),
	}
}
