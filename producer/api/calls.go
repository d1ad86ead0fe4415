package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// CallOption changes one call.
type CallOption func(*request)

// IdempotencyKey makes a call once, however often it is made with this key and
// the same body: across restarts of your app, say. Without it each call of
// CreateOrder, Pay and AskRefund takes a fresh key, which covers its own
// retries.
func IdempotencyKey(key string) CallOption { return func(r *request) { r.key = key } }

func call[T any](ctx context.Context, c *Client, r request, opts ...CallOption) (*T, error) {
	for _, o := range opts {
		o(&r)
	}
	out := new(T)
	if err := c.do(ctx, r, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CreateOrder makes an order and, when o names a channel, opens its payment.
func (c *Client) CreateOrder(ctx context.Context, o NewOrder, opts ...CallOption) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders"}, body: o, key: freshKey()}, opts...)
}

// Order shows an order.
func (c *Client) Order(ctx context.Context, id string) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodGet, path: []string{"v1", "orders", id}})
}

// OrderFilter chooses orders; what is zero does not narrow.
type OrderFilter struct {
	MerchantID string
	BuyerID    string
	Status     string
	Held       bool   // only those that an operator must look at; for operators
	Hold       string // only those held for this reason; for operators
	Limit      int    // 1 to 100; 0 means 20
	Cursor     string // NextCursor of the page before
}

// Orders lists orders, newest first.
func (c *Client) Orders(ctx context.Context, f OrderFilter) (*OrderPage, error) {
	q := query("merchant_id", f.MerchantID, "buyer_id", f.BuyerID, "status", f.Status, "held", yes(f.Held), "hold", f.Hold,
		"limit", number(f.Limit), "cursor", f.Cursor)
	return call[OrderPage](ctx, c, request{method: http.MethodGet, path: []string{"v1", "orders"}, query: q})
}

// Events shows an order's timeline, oldest first.
func (c *Client) Events(ctx context.Context, id string) (*Timeline, error) {
	return call[Timeline](ctx, c, request{method: http.MethodGet, path: []string{"v1", "orders", id, "events"}})
}

// Pay opens a payment of an order through a channel.
func (c *Client) Pay(ctx context.Context, id, channel string, opts ...CallOption) (*Payment, error) {
	r := request{method: http.MethodPost, path: []string{"v1", "orders", id, "payments"}, body: NewPayment{Channel: channel}, key: freshKey()}
	return call[Payment](ctx, c, r, opts...)
}

// Cancel calls an order off. Unpaid, it closes; money that was already on its
// way comes back. Paid and not yet delivered, its merchant is asked to stop the
// delivery, and the money comes back unless the merchant was faster.
func (c *Client) Cancel(ctx context.Context, id, reason string) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders", id, "cancel"}, body: Cancel{Reason: reason}})
}

// ReportDelivery is the merchant's word on an order's delivery.
func (c *Client) ReportDelivery(ctx context.Context, id string, d DeliveryReport) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders", id, "delivery"}, body: d})
}

// Complete notes that the buyer confirms the delivery.
func (c *Client) Complete(ctx context.Context, id string) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders", id, "complete"}})
}

// AskRefund asks for money of a delivered order to be given back.
func (c *Client) AskRefund(ctx context.Context, orderID string, r NewRefund, opts ...CallOption) (*Refund, error) {
	return call[Refund](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders", orderID, "refunds"}, body: r, key: freshKey()}, opts...)
}

// Refund shows a refund.
func (c *Client) Refund(ctx context.Context, id string) (*Refund, error) {
	return call[Refund](ctx, c, request{method: http.MethodGet, path: []string{"v1", "refunds", id}})
}

// AcceptPayment makes a payment of the wrong sum the order's after all.
func (c *Client) AcceptPayment(ctx context.Context, orderID, paymentID, note string) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders", orderID, "payments", paymentID, "accept"}, body: Note{note}})
}

// ReturnPayment gives a payment of the wrong sum back at once.
func (c *Client) ReturnPayment(ctx context.Context, orderID, paymentID, note string) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders", orderID, "payments", paymentID, "return"}, body: Note{note}})
}

// ResolveConflict decides a delivery that was reported when its money was
// already on its way back.
func (c *Client) ResolveConflict(ctx context.Context, orderID string, r Resolution) (*Order, error) {
	return call[Order](ctx, c, request{method: http.MethodPost, path: []string{"v1", "orders", orderID, "conflict"}, body: r})
}

// RetryRefund has an abnormal refund asked for once more, with its number.
func (c *Client) RetryRefund(ctx context.Context, id, note string) (*Refund, error) {
	return call[Refund](ctx, c, request{method: http.MethodPost, path: []string{"v1", "refunds", id, "retry"}, body: Note{note}})
}

// PayOutRefund notes that an abnormal refund was paid out past its channel.
func (c *Client) PayOutRefund(ctx context.Context, id string, p PayOut) (*Refund, error) {
	return call[Refund](ctx, c, request{method: http.MethodPost, path: []string{"v1", "refunds", id, "paid-out"}, body: p})
}

// CancelRefund calls a refund back that no channel was asked for yet.
func (c *Client) CancelRefund(ctx context.Context, id, note string) (*Refund, error) {
	return call[Refund](ctx, c, request{method: http.MethodPost, path: []string{"v1", "refunds", id, "cancel"}, body: Note{note}})
}

// PutMerchant makes a merchant, or changes one.
func (c *Client) PutMerchant(ctx context.Context, id string, terms MerchantTerms) (*Merchant, error) {
	return call[Merchant](ctx, c, request{method: http.MethodPut, path: []string{"v1", "merchants", id}, body: terms})
}

// SetStock sets how much a merchant has of a SKU.
func (c *Client) SetStock(ctx context.Context, merchantID, sku string, onHand int64) (*Stock, error) {
	return call[Stock](ctx, c, request{method: http.MethodPut, path: stockPath(merchantID, sku), body: StockCount{OnHand: onHand}})
}

// Stock shows a SKU's stock.
func (c *Client) Stock(ctx context.Context, merchantID, sku string) (*Stock, error) {
	return call[Stock](ctx, c, request{method: http.MethodGet, path: stockPath(merchantID, sku)})
}

func stockPath(merchantID, sku string) []string {
	return []string{"v1", "merchants", merchantID, "stock", sku}
}

// CreateEndpoint makes an endpoint. Its Secret is in this answer and in no
// later one. It is not made again on failure: look at Endpoints first.
func (c *Client) CreateEndpoint(ctx context.Context, merchantID string, e NewEndpoint) (*Endpoint, error) {
	return call[Endpoint](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID), body: e, once: true})
}

// Endpoints lists a merchant's endpoints.
func (c *Client) Endpoints(ctx context.Context, merchantID string) (*EndpointList, error) {
	return call[EndpointList](ctx, c, request{method: http.MethodGet, path: endpointPath(merchantID)})
}

// ChangeEndpoint gives an endpoint all that e has, and what is usual where it has
// nothing; its secrets stay.
func (c *Client) ChangeEndpoint(ctx context.Context, merchantID, id string, e EndpointChange) (*Endpoint, error) {
	return call[Endpoint](ctx, c, request{method: http.MethodPut, path: endpointPath(merchantID, id), body: e})
}

// RotateEndpoint gives an endpoint a new Secret; the one before goes on signing
// for a day. It is not made again on failure.
func (c *Client) RotateEndpoint(ctx context.Context, merchantID, id string) (*Endpoint, error) {
	return call[Endpoint](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID, id, "rotate"), once: true})
}

// RotateEndpointTo is RotateEndpoint with a say in what the secret is, and in
// how long the one before goes on.
func (c *Client) RotateEndpointTo(ctx context.Context, merchantID, id string, s NewSecret) (*Endpoint, error) {
	return call[Endpoint](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID, id, "rotate"), body: s, once: true})
}

// PauseEndpoint stops notices to an endpoint.
func (c *Client) PauseEndpoint(ctx context.Context, merchantID, id string) (*Endpoint, error) {
	return call[Endpoint](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID, id, "pause")})
}

// ResumeEndpoint lets notices go to an endpoint again.
func (c *Client) ResumeEndpoint(ctx context.Context, merchantID, id string) (*Endpoint, error) {
	return call[Endpoint](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID, id, "resume")})
}

// DeleteEndpoint takes an endpoint away.
func (c *Client) DeleteEndpoint(ctx context.Context, merchantID, id string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: endpointPath(merchantID, id)}, nil)
}

func endpointPath(merchantID string, more ...string) []string {
	return append([]string{"v1", "merchants", merchantID, "endpoints"}, more...)
}

// TestEndpoint sends an endpoint a test now. It is not sent again on failure.
func (c *Client) TestEndpoint(ctx context.Context, merchantID, id string) (*EndpointTest, error) {
	return call[EndpointTest](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID, id, "test"), once: true})
}

// NoticeFilter chooses notices of a merchant; what is zero does not narrow.
type NoticeFilter struct {
	Since, Until time.Time // when it was written; Until is not in it
	Type         string
	State        string // undelivered or delivered
	Order        string // about this one
	Endpoint     string // tried at this one, waiting for it, or yet to be told to it
	Limit        int    // 1 to 199; 0 means 50
	Cursor       string
}

// Notices lists what a merchant is told, newest first.
func (c *Client) Notices(ctx context.Context, merchantID string, f NoticeFilter) (*NoticePage, error) {
	q := query("since", moment(f.Since), "until", moment(f.Until), "type", f.Type, "state", f.State, "order", f.Order, "endpoint", f.Endpoint,
		"limit", number(f.Limit), "cursor", f.Cursor)
	return call[NoticePage](ctx, c, request{method: http.MethodGet, path: []string{"v1", "merchants", merchantID, "notices"}, query: q})
}

// Notice shows a notice with its body, and how it stands at each endpoint.
func (c *Client) Notice(ctx context.Context, id string) (*Notice, error) {
	return call[Notice](ctx, c, request{method: http.MethodGet, path: []string{"v1", "notices", id}})
}

// Undelivered fetches a page of what an endpoint has yet to acknowledge, oldest
// first: the first when after is "". limit is 1 to 199; 0 means 50.
func (c *Client) Undelivered(ctx context.Context, merchantID, endpointID string, limit int, after string) (*UndeliveredPage, error) {
	q := query("limit", number(limit), "after", after)
	return call[UndeliveredPage](ctx, c, request{method: http.MethodGet, path: endpointPath(merchantID, endpointID, "undelivered"), query: q})
}

// AckUndelivered acknowledges notices that were fetched: up to 200 at once. They
// wait for the endpoint no more.
func (c *Client) AckUndelivered(ctx context.Context, merchantID, endpointID string, ids ...string) (*Acknowledged, error) {
	return call[Acknowledged](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID, endpointID, "undelivered", "ack"), body: Acknowledge{IDs: ids}})
}

// RecoverEndpoint has an endpoint told once more what it should have heard in some
// time. It has one recovery at a time: a second is a *Problem of the type
// RecoveryRunning, with the RecoveryID of the first.
func (c *Client) RecoverEndpoint(ctx context.Context, merchantID, endpointID string, r NewRecovery) (*Recovery, error) {
	return call[Recovery](ctx, c, request{method: http.MethodPost, path: endpointPath(merchantID, endpointID, "recover"), body: r, once: true})
}

// Recovery shows how far a recovery is.
func (c *Client) Recovery(ctx context.Context, id string) (*Recovery, error) {
	return call[Recovery](ctx, c, request{method: http.MethodGet, path: []string{"v1", "recoveries", id}})
}

// CancelRecovery ends a recovery: what waits only because of it is told no more.
func (c *Client) CancelRecovery(ctx context.Context, id string) (*Recovery, error) {
	return call[Recovery](ctx, c, request{method: http.MethodPost, path: []string{"v1", "recoveries", id, "cancel"}})
}

// Recoveries lists a page of a merchant's recoveries, newest first: the first when
// cursor is "". limit is 1 to 199; 0 means 50.
func (c *Client) Recoveries(ctx context.Context, merchantID string, limit int, cursor string) (*RecoveryPage, error) {
	q := query("limit", number(limit), "cursor", cursor)
	return call[RecoveryPage](ctx, c, request{method: http.MethodGet, path: []string{"v1", "merchants", merchantID, "recoveries"}, query: q})
}

// ResendNotice has a notice told once more, taken or not: to one endpoint or, when
// endpointID is "", to all that subscribe to its type.
func (c *Client) ResendNotice(ctx context.Context, id, endpointID string) (*Resent, error) {
	r := request{method: http.MethodPost, path: []string{"v1", "notices", id, "resend"}}
	if endpointID != "" {
		r.body = Resend{EndpointID: endpointID}
	}
	return call[Resent](ctx, c, r)
}

// NoticeAttempts shows a page of the tries of a notice, newest first: of the
// first when cursor is "". limit is 1 to 199; 0 means 50.
func (c *Client) NoticeAttempts(ctx context.Context, id string, limit int, cursor string) (*NoticeAttemptPage, error) {
	q := query("limit", number(limit), "cursor", cursor)
	return call[NoticeAttemptPage](ctx, c, request{method: http.MethodGet, path: []string{"v1", "notices", id, "attempts"}, query: q})
}

// EventTypes lists what endpoints can be told.
func (c *Client) EventTypes(ctx context.Context) (*EventTypeList, error) {
	return call[EventTypeList](ctx, c, request{method: http.MethodGet, path: []string{"v1", "event-types"}})
}

// EventType shows one type of notice.
func (c *Client) EventType(ctx context.Context, name string) (*EventType, error) {
	return call[EventType](ctx, c, request{method: http.MethodGet, path: []string{"v1", "event-types", name}})
}

// TaskFilter chooses tasks; what is zero does not narrow.
type TaskFilter struct {
	State  string // waiting, overdue or dead; "" means waiting
	Kind   string
	Limit  int // 1 to 199; 0 means 50
	Cursor string
}

// Tasks shows the work that is owed.
func (c *Client) Tasks(ctx context.Context, f TaskFilter) (*TaskList, error) {
	q := query("state", f.State, "kind", f.Kind, "limit", number(f.Limit), "cursor", f.Cursor)
	return call[TaskList](ctx, c, request{method: http.MethodGet, path: []string{"v1", "tasks"}, query: q})
}

// Requeue makes a task due now, dead or alive. note says why, on the order's
// timeline; it may be "".
func (c *Client) Requeue(ctx context.Context, kind, subject, note string) error {
	r := request{method: http.MethodPost, path: []string{"v1", "tasks", kind, subject, "requeue"}}
	if note != "" {
		r.body = Note{note}
	}
	return c.do(ctx, r, nil)
}

// query leaves out what is empty.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
