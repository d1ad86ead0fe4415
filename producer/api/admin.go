package api

import (
	"encoding/json"
	"time"
)

// MerchantTerms are what an operator settles with a merchant.
type MerchantTerms struct {
	Name   string `json:"name" minLength:"1" maxLength:"128" example:"Tea House"`
	FeeBps int    `json:"fee_bps,omitempty" minimum:"0" maximum:"10000" example:"60" doc:"The platform's commission in 1/100 of a percent. Orders keep the one they were made with."`

	DeliverWithinSeconds int64 `json:"deliver_within_seconds,omitempty" minimum:"0" maximum:"7776000" example:"172800" doc:"How long it may take to deliver a paid order. 0, or left out: the usual 48 hours, 10 minutes for virtual goods. Orders keep the one they were made with."`
	RevokeWithinSeconds  int64 `json:"revoke_within_seconds,omitempty" minimum:"0" maximum:"7776000" example:"86400" doc:"How long it may take to answer when an order is called off. 0, or left out: the usual 24 hours, 10 minutes for virtual goods. Orders keep the one they were made with."`
}

// Merchant is who sells and delivers.
type Merchant struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	FeeBps    int       `json:"fee_bps"`
	CreatedAt time.Time `json:"created_at,omitzero"`

	DeliverWithinSeconds int64 `json:"deliver_within_seconds" doc:"0: the usual."`
	RevokeWithinSeconds  int64 `json:"revoke_within_seconds" doc:"0: the usual."`
}

// StockCount is what a merchant has of a SKU.
type StockCount struct {
	OnHand int64 `json:"on_hand" minimum:"0" maximum:"1000000000000" example:"100" doc:"All there is, what is held for unpaid orders included."`
}

// Stock is a SKU's stock as it stands.
type Stock struct {
	MerchantID string `json:"merchant_id"`
	SKU        string `json:"sku"`
	OnHand     int64  `json:"on_hand"`
	Held       int64  `json:"held" doc:"Promised to orders that are not yet paid."`
	Available  int64  `json:"available" doc:"on_hand less held: what new orders can have."`
}

// NewEndpoint says where an endpoint is, what it is told, and how that is signed.
type NewEndpoint struct {
	URL    string   `json:"url" minLength:"1" maxLength:"2048" example:"https://merchant.example/notices" doc:"Where notices are sent. https, unless the installation allows less."`
	Events []string `json:"events,omitempty" maxItems:"50" maxLength:"64" example:"[\"order.paid\"]" doc:"The types that it is told of, and families of them such as refund.*; all when left out. GET /v1/event-types lists them."`

	Ack           string  `json:"ack,omitempty" enum:"2xx,success,code-success" doc:"The answer that acknowledges a notice. 2xx: any, which is the usual. success: 2xx with the body success. code-success: 2xx with the JSON body {\"code\":\"SUCCESS\"}. By the last two, handlers written for Alipay or WeChat Pay take notices unchanged."`
	RetrySchedule []int64 `json:"retry_schedule,omitempty" maxItems:"20" example:"[5,60,3600]" doc:"The waits between tries in whole seconds, each 1 to 86400: 1 to 20 of them. The usual ones when left out."`

	Signature string `json:"signature,omitempty" enum:"v1,v1a" doc:"How its notices are signed: v1 (HMAC-SHA256 with a shared secret), which is the usual, or v1a (ed25519: verified with a public key)."`
}

// EndpointChange says where an endpoint is from now on, what it is told and how it
// acknowledges that; what is left out is as usual. Its secrets are changed by
// NewSecret.
type EndpointChange struct {
	URL    string   `json:"url" minLength:"1" maxLength:"2048" example:"https://merchant.example/notices" doc:"Where notices are sent. https, unless the installation allows less."`
	Events []string `json:"events,omitempty" maxItems:"50" maxLength:"64" example:"[\"order.paid\"]" doc:"The types that it is told of, and families of them such as refund.*; all when left out. GET /v1/event-types lists them."`

	Ack           string  `json:"ack,omitempty" enum:"2xx,success,code-success" doc:"The answer that acknowledges a notice. 2xx: any, which is the usual. success: 2xx with the body success. code-success: 2xx with the JSON body {\"code\":\"SUCCESS\"}. By the last two, handlers written for Alipay or WeChat Pay take notices unchanged."`
	RetrySchedule []int64 `json:"retry_schedule,omitempty" maxItems:"20" example:"[5,60,3600]" doc:"The waits between tries in whole seconds, each 1 to 86400: 1 to 20 of them. The usual ones when left out."`
}

// NewSecret says what an endpoint's new secret is to be. All of it may be left
// out.
type NewSecret struct {
	OverlapSeconds *int64 `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" example:"86400" doc:"How long the secrets before it go on signing: a day when left out, 0 for no longer, at most 7 days."`
	Signature      string `json:"signature,omitempty" enum:"v1,v1a" doc:"How the new secret signs; as the one before when left out."`
	Secret         string `json:"secret,omitempty" maxLength:"128" example:"whsec_…" doc:"The new secret, whsec_… or whsk_…; one is made when left out."`
}

// Endpoint is a URL of a merchant's that takes notices.
type Endpoint struct {
	ID         string    `json:"id" format:"uuid"`
	MerchantID string    `json:"merchant_id"`
	URL        string    `json:"url"`
	Events     []string  `json:"events,omitempty" doc:"What it is told of; absent: all."`
	Paused     bool      `json:"paused" doc:"By hand: what it should hear is held until it is resumed."`
	CreatedAt  time.Time `json:"created_at"`
	Signature  string    `json:"signature" enum:"v1,v1a" doc:"How the newest secret signs."`
	PublicKey  string    `json:"public_key,omitempty" example:"whpk_…" doc:"Verifies v1a signatures of the newest secret. Its private half is never shown."`
	Secret     string    `json:"secret,omitempty" example:"whsec_…" doc:"Signs the notices. Shown once: when the endpoint is made, and when it is rotated. Absent for v1a."`

	Ack           string    `json:"ack" enum:"2xx,success,code-success" doc:"The answer that acknowledges a notice."`
	RetrySchedule []int64   `json:"retry_schedule,omitempty" doc:"The waits between tries in seconds; absent: the usual ones."`
	State         string    `json:"state" enum:"healthy,slow,failing,paused,disabled" doc:"How it does. slow: told one at a time. failing: tried now and then. paused: for an hour nothing but failures; held, and probed. disabled: held until it is resumed."`
	Since         time.Time `json:"since,omitzero" doc:"Since when; absent: always."`
	LastError     string    `json:"last_error,omitempty" doc:"Why it is not healthy."`
	Verifies      string    `json:"verifies" enum:"true,false,unknown" doc:"Whether it refuses a test whose signature is forged. false: whoever knows its URL can tell it that an order is paid."`
	VerifiedAt    time.Time `json:"verified_at,omitzero" doc:"When that was found out."`

	PreviousUntil time.Time `json:"previous_until,omitzero" doc:"After a rotation: until when the secrets before go on signing, at the longest."`
}

// EndpointList is a merchant's endpoints.
type EndpointList struct {
	Endpoints []Endpoint `json:"endpoints"`
}

// EventType is one type of what merchants are told.
type EventType struct {
	Name        string          `json:"name" example:"order.paid"`
	Description string          `json:"description" doc:"When it is sent."`
	Sent        bool            `json:"sent" doc:"false: its form is settled, and nothing sends it yet."`
	Schema      json.RawMessage `json:"schema" doc:"The JSON Schema (2020-12) of the notice's body. Fields may be added to a body: pass over what you do not know."`
	Example     json.RawMessage `json:"example" doc:"A body."`
}

// EventTypeList is the catalogue of what merchants are told.
type EventTypeList struct {
	EventTypes []EventType `json:"event_types"`
}

// Task is work that is owed.
type Task struct {
	Kind       string    `json:"kind" example:"payment:query"`
	Subject    string    `json:"subject" format:"uuid" doc:"What it is about: an order, or a part of one; an alert has a number of its own."`
	OrderID    string    `json:"order_id,omitempty" format:"uuid" doc:"Absent for an alert."`
	DueAt      time.Time `json:"due_at"`
	PromotedAt time.Time `json:"promoted_at,omitzero" doc:"When it was handed to the queue."`
	DeadAt     time.Time `json:"dead_at,omitzero" doc:"Since when it waits for an operator."`
	CreatedAt  time.Time `json:"created_at"`
	Attempts   int       `json:"attempts" doc:"Tries that failed."`
	LastError  string    `json:"last_error,omitempty"`
	Generation int       `json:"generation"`
}

// TaskList is one page of the tasks in one state, those due first.
type TaskList struct {
	Tasks      []Task `json:"tasks"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Hand it back as cursor for the next page; absent on the last."`
}

// Note is why an operator steps in: it is on the order's timeline.
type Note struct {
	Note string `json:"note" minLength:"1" maxLength:"256" example:"agreed with the buyer on the phone"`
}

// PayOut says how an abnormal refund was paid out past its channel.
type PayOut struct {
	Voucher string `json:"voucher" minLength:"1" maxLength:"128" example:"BANK-20260301-17" doc:"What proves it, such as the transfer's number."`
	Note    string `json:"note" minLength:"1" maxLength:"256" example:"the card was closed; paid by bank transfer"`
}

// Resolution says what becomes of a delivery that was reported when its money
// was already on its way back.
type Resolution struct {
	Outcome string `json:"outcome" enum:"delivered,refunded" doc:"delivered: the refund is called back, as long as no channel was asked for it. refunded: the refund stands and the merchant's claim is noted."`
	Note    string `json:"note" minLength:"1" maxLength:"256" example:"the courier confirms the delivery"`
}
