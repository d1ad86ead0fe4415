// Package api is Orderflow's HTTP API as Go sees it: the shapes that travel,
// and a Client that speaks them. It needs nothing but the standard library, so
// an upstream app can take it as it is.
//
// Amounts are whole minor units of their currency (1999 is 19.99 CNY). Times
// are RFC 3339 in UTC. The tags doc, example, minimum and so on are read by the
// server, which checks by them and describes itself with them in /openapi.json.
package api

import "time"

// NewOrder asks for an order.
type NewOrder struct {
	MerchantID       string            `json:"merchant_id" minLength:"1" maxLength:"128" example:"m_demo" doc:"Who sells and delivers."`
	BuyerID          string            `json:"buyer_id" minLength:"1" maxLength:"128" example:"b_17" doc:"Who buys, as your app knows them."`
	Currency         string            `json:"currency" pattern:"^[A-Z]{3}$" patternDescription:"an ISO 4217 code such as CNY" example:"CNY" doc:"ISO 4217."`
	Items            []Item            `json:"items" minItems:"1" maxItems:"200" doc:"What is bought. The order's amount is the sum of quantity × unit_price."`
	MerchantOrderNo  string            `json:"merchant_order_no,omitempty" maxLength:"128" doc:"Your own number, unique per merchant."`
	Channel          string            `json:"channel,omitempty" maxLength:"64" example:"sandbox" doc:"Opens a payment through this channel in the same call."`
	PayWithinSeconds int64             `json:"pay_within_seconds,omitempty" minimum:"1" maximum:"2592000" doc:"How long the order may be paid; 900 when left out."`
	Metadata         map[string]string `json:"metadata,omitempty" maxProperties:"20" doc:"Yours; kept and shown, never read. Keys up to 128 bytes, values up to 512."`
}

// Item is one line of an order.
type Item struct {
	SKU       string `json:"sku" minLength:"1" maxLength:"128" example:"TEA-100" doc:"Stock is held for it when the merchant keeps stock of it here."`
	Name      string `json:"name,omitempty" maxLength:"128" example:"Green tea, 100 g" doc:"What the buyer reads."`
	Quantity  int64  `json:"quantity" minimum:"1" maximum:"1000000000" example:"2"`
	UnitPrice int64  `json:"unit_price" minimum:"0" maximum:"1000000000000000" example:"1999" doc:"Minor units."`
}

// Order is an order as it stands.
type Order struct {
	ID              string            `json:"id" format:"uuid"`
	Status          string            `json:"status" enum:"pending_pay,closing,closed,paid,delivering,delivered,completed,returning,refunding,refunded"`
	MerchantID      string            `json:"merchant_id"`
	BuyerID         string            `json:"buyer_id"`
	MerchantOrderNo string            `json:"merchant_order_no,omitempty"`
	Currency        string            `json:"currency"`
	Amount          int64             `json:"amount" doc:"Minor units."`
	Items           []Item            `json:"items"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	Hold            string            `json:"hold,omitempty" doc:"Why an operator must look at it; absent when nobody must."`

	CreatedAt   time.Time `json:"created_at"`
	ExpireAt    time.Time `json:"expire_at" doc:"Not paid by then, it is closed."`
	PaidAt      time.Time `json:"paid_at,omitzero"`
	ClosedAt    time.Time `json:"closed_at,omitzero"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	CompletedAt time.Time `json:"completed_at,omitzero"`

	Payment  *Payment  `json:"payment,omitempty" doc:"The payment opened by this very call."`
	Attempts []Payment `json:"attempts,omitempty" doc:"Every payment opened so far."`
	Refunds  []Refund  `json:"refunds,omitempty"`
	Delivery *Delivery `json:"delivery,omitempty" doc:"Absent until the order is paid."`
}

// OrderPage is one page of a list of orders, newest first.
type OrderPage struct {
	Orders     []Order `json:"orders"`
	NextCursor string  `json:"next_cursor,omitempty" doc:"Hand it back as cursor for the next page; absent on the last."`
}

// NewPayment asks for a payment of an order.
type NewPayment struct {
	Channel string `json:"channel" minLength:"1" maxLength:"64" example:"sandbox"`
}

// Payment is one try to pay an order through one channel.
type Payment struct {
	ID          string    `json:"id" example:"01939b1c5f4a7c3e9a00c0ffee00ab01" doc:"32 hex digits: the out_trade_no at the channel."`
	Status      string    `json:"status" enum:"init,paying,success,failed,closed,void"`
	Disposition string    `json:"disposition,omitempty" enum:"applied,late,duplicate,mismatch" doc:"Of a success: what its money was good for. Only applied pays the order; late and duplicate go back to the buyer."`
	Channel     string    `json:"channel"`
	Amount      int64     `json:"amount"`
	Currency    string    `json:"currency"`
	CreatedAt   time.Time `json:"created_at"`
	ExpireAt    time.Time `json:"expire_at" doc:"The channel takes no money after it."`
	TradeNo     string    `json:"trade_no,omitempty" doc:"The channel's own number."`
	PaidAmount  int64     `json:"paid_amount,omitempty"`
	PaidAt      time.Time `json:"paid_at,omitzero"`
	Reason      string    `json:"reason,omitempty" doc:"Why it failed or was closed."`

	Action *Action `json:"action,omitempty" doc:"What the buyer must do to pay. Only in the answer to the call that opened the payment."`
	Hint   string  `json:"hint,omitempty" doc:"What to do when there is no action."`
}

// Action is what the buyer must do to pay.
type Action struct {
	Type string `json:"type" example:"redirect" doc:"redirect: open url in a browser."`
	URL  string `json:"url"`
}

// Refund is money on its way back to the buyer.
type Refund struct {
	ID        string    `json:"id" doc:"32 hex digits: the out_refund_no at the channel."`
	PaymentID string    `json:"payment_id"`
	Status    string    `json:"status" enum:"created,processing,success,abnormal"`
	Amount    int64     `json:"amount"`
	Reason    string    `json:"reason,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	DoneAt    time.Time `json:"done_at,omitzero"`
}

// Delivery is the merchant's side of a paid order.
type Delivery struct {
	Status      string    `json:"status" enum:"notifying,accepted,delivered,failed,revoking,revoked"`
	AcceptedAt  time.Time `json:"accepted_at,omitzero"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	Proof       string    `json:"proof,omitempty"`
	Reason      string    `json:"reason,omitempty"`
}

// Timeline is what has happened to an order, oldest first.
type Timeline struct {
	Events []Event `json:"events"`
}

// Event is one line of a timeline; only what applies is set.
type Event struct {
	Seq       int       `json:"seq"`
	Type      string    `json:"type" example:"order.paid"`
	Status    string    `json:"status" doc:"The order's status after it."`
	Actor     string    `json:"actor" example:"channel:sandbox"`
	At        time.Time `json:"at"`
	PaymentID string    `json:"payment_id,omitempty"`
	RefundID  string    `json:"refund_id,omitempty"`
	Channel   string    `json:"channel,omitempty"`
	TradeNo   string    `json:"trade_no,omitempty"`
	Amount    int64     `json:"amount,omitempty"`
	Currency  string    `json:"currency,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Proof     string    `json:"proof,omitempty"`
}

// Cancel says why an order is called off.
type Cancel struct {
	Reason string `json:"reason" minLength:"1" maxLength:"256" example:"changed my mind"`
}

// DeliveryReport is what the merchant says of a delivery.
type DeliveryReport struct {
	Status string `json:"status" enum:"accepted,delivered,failed,revoked"`
	Proof  string `json:"proof,omitempty" maxLength:"256" doc:"Of delivered: a parcel or voucher number."`
	Reason string `json:"reason,omitempty" maxLength:"256" doc:"Of failed: why."`
}
