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
	Virtual          bool              `json:"virtual,omitempty" doc:"No parcel is sent: delivered, or stopped, in minutes. Unless the merchant's terms say otherwise it has 10 minutes for either, instead of 48 and 24 hours."`
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
	Hold            string            `json:"hold,omitempty" enum:"payment_mismatch,refund_abnormal,delivery_conflict" doc:"Why an operator must look at it; absent when nobody must. A held order is not completed."`
	BuyerNote       string            `json:"buyer_note,omitempty" example:"The cancel came too late: the goods were already delivered." doc:"What the buyer should know beyond the status, in a sentence or two, as it stands now; absent when there is nothing to tell."`

	CreatedAt   time.Time `json:"created_at"`
	ExpireAt    time.Time `json:"expire_at" doc:"Not paid by then, it is closed."`
	PaidAt      time.Time `json:"paid_at,omitzero"`
	CancelAt    time.Time `json:"cancel_at,omitzero" doc:"When somebody called it off."`
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
	ID           string    `json:"id" example:"01939b1c5f4a7c3e9a00c0ffee00ab01" doc:"32 hex digits: the out_trade_no at the channel."`
	Status       string    `json:"status" enum:"init,paying,success,failed,closed,void"`
	Disposition  string    `json:"disposition,omitempty" enum:"applied,late,duplicate,mismatch" doc:"Of a success: what its money was good for. Only applied pays the order; late and duplicate go back to the buyer."`
	Channel      string    `json:"channel"`
	Amount       int64     `json:"amount"`
	Currency     string    `json:"currency"`
	CreatedAt    time.Time `json:"created_at"`
	ExpireAt     time.Time `json:"expire_at" doc:"The channel takes no money after it."`
	TradeNo      string    `json:"trade_no,omitempty" doc:"The channel's own number."`
	PaidAmount   int64     `json:"paid_amount,omitempty"`
	PaidCurrency string    `json:"paid_currency,omitempty" doc:"Of paid_amount. Of a mismatch it may differ from currency; XXX when the channel named none."`
	PaidAt       time.Time `json:"paid_at,omitzero"`
	Reason       string    `json:"reason,omitempty" doc:"Why it failed or was closed."`

	Action *Action `json:"action,omitempty" doc:"What the buyer must do to pay. Only in the answer to the call that opened the payment."`
	Hint   string  `json:"hint,omitempty" doc:"What to do when there is no action."`
}

// Action is what the buyer must do to pay.
type Action struct {
	Type string `json:"type" example:"redirect" doc:"redirect: open url in a browser."`
	URL  string `json:"url"`
}

// NewRefund asks for money of a delivered order to be given back.
type NewRefund struct {
	Amount int64  `json:"amount" minimum:"1" maximum:"1000000000000000" example:"500" doc:"Minor units of the order's currency, at most what has not gone back yet and is not on its way."`
	Reason string `json:"reason" minLength:"1" maxLength:"256" example:"one cup was broken"`
}

// Refund is money on its way back to the buyer.
type Refund struct {
	ID        string    `json:"id" doc:"32 hex digits: the out_refund_no at the channel."`
	OrderID   string    `json:"order_id" format:"uuid"`
	PaymentID string    `json:"payment_id" doc:"The payment whose money it gives back."`
	Status    string    `json:"status" enum:"created,processing,success,abnormal,closed,canceled" doc:"abnormal: the channel cannot, and an operator finds another way. closed: the channel moved no money, another refund takes its place. canceled: called back before the channel was asked."`
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency" doc:"That of the payment."`
	Reason    string    `json:"reason,omitempty"`
	Problem   string    `json:"problem,omitempty" doc:"Of abnormal and closed: what the channel says."`
	Voucher   string    `json:"voucher,omitempty" doc:"Of one that was paid out past the channel: the proof."`
	CreatedAt time.Time `json:"created_at"`
	DoneAt    time.Time `json:"done_at,omitzero"`
}

// Delivery is the merchant's side of a paid order.
type Delivery struct {
	Status      string    `json:"status" enum:"notifying,accepted,delivered,failed,revoking,revoked"`
	AcceptedAt  time.Time `json:"accepted_at,omitzero"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	DeliverBy   time.Time `json:"deliver_by,omitzero" doc:"Later is overdue."`
	Overdue     int       `json:"overdue,omitempty" minimum:"0" maximum:"3" doc:"1: the merchant was reminded. 2: the operators were told. 3: it was called off."`
	RevokeBy    time.Time `json:"revoke_by,omitzero" doc:"Of one that was called off: the merchant may answer until then, after it the money goes back."`
	Proof       string    `json:"proof,omitempty"`
	Reason      string    `json:"reason,omitempty" doc:"Why it failed, or was called off."`
	Claim       string    `json:"claim,omitempty" doc:"The proof of a delivery that was reported when the money was already on its way back."`
	ClaimAt     time.Time `json:"claim_at,omitzero" doc:"When that was reported. Until an operator decides, the order is held."`
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

	Disposition string `json:"disposition,omitempty" enum:"applied,late,duplicate,mismatch" doc:"Of a refund's events: that of the payment which it gives back."`
	Level       int    `json:"level,omitempty" doc:"Of delivery.overdue: 1 to 3."`
	Task        string `json:"task,omitempty" example:"payment:query/01939b1c-5f4a-7c3e-9a00-c0ffee00ab01" doc:"Of task.requeued."`
}

// Cancel says why an order is called off.
type Cancel struct {
	Reason string `json:"reason" minLength:"1" maxLength:"256" example:"changed my mind"`
}

// DeliveryReport is what the merchant says of a delivery.
type DeliveryReport struct {
	Status string `json:"status" enum:"accepted,delivered,failed,revoked"`
	Proof  string `json:"proof,omitempty" maxLength:"256" doc:"Of delivered: a parcel or voucher number. Of an order that was called off it is required."`
	Reason string `json:"reason,omitempty" maxLength:"256" doc:"Of failed and revoked: why."`
}
