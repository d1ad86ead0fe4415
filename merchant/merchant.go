// Package merchant tells merchants what happened: it signs a notice, sends it,
// and judges the answer. Where the notices are kept and when they are due is
// not its business.
package merchant

import (
	"time"

	"github.com/orderflow/orderflow/internal/ident"
)

// Merchant is who sells and delivers.
type Merchant struct {
	ID     string
	Name   string
	FeeBps int // the platform's commission, 1/100 of a percent
	// How long a delivery may take, and how long stopping one; whole seconds, 0
	// for the usual time.
	DeliverWithin, RevokeWithin time.Duration
	CreatedAt                   time.Time
}

// EndpointID identifies an endpoint.
type EndpointID = ident.Of[Endpoint]

// Endpoint is a URL of a merchant's that takes notices.
type Endpoint struct {
	ID         EndpointID
	MerchantID string
	URL        string
	Events     []string // types it wants; empty: all
	// Secrets are whsec_… or whsk_…, newest first; every one signs. They are there
	// where they are needed: an endpoint that is listed has none.
	Secrets []string
	// PublicKey is the merchant's to verify with, when the newest secret signs
	// v1a: whpk_….
	PublicKey string
	Paused    bool
	CreatedAt time.Time
}

// Scheme is how the newest secret signs.
func (e Endpoint) Scheme() Scheme {
	if e.PublicKey != "" {
		return V1A
	}
	return V1
}

// Wants says whether the endpoint takes notices of this type now.
func (e Endpoint) Wants(eventType string) bool {
	if e.Paused {
		return false
	}
	for _, t := range e.Events {
		if t == eventType {
			return true
		}
	}
	return len(e.Events) == 0
}

// Notice is one thing to tell a merchant. ID and Body stay the same on every
// try.
type Notice struct {
	ID         string // the webhook-id
	MerchantID string
	Type       string // "order.paid"
	Body       []byte // JSON, sent as it is
}

// Attempt is one try to deliver a notice to one endpoint, as it is logged.
type Attempt struct {
	EndpointID EndpointID
	At         time.Time
	OK         bool
	HTTPStatus int // 0: there was no answer
	Duration   time.Duration
	Error      string // why it is not OK: a Class, a colon and a sentence

	RetryAfter time.Duration // what the merchant asked for, at most MaxRetryAfter; 0: nothing
	Gone       bool          // it answered 410: it wants no more of this
}
