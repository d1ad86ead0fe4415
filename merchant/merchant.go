// Package merchant tells merchants what happened: it signs a notice, sends it,
// and judges the answer. Where the notices are kept and when they are due is
// not its business.
package merchant

import (
	"slices"
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
	Events     []string // types and families that it subscribes to; empty: all
	Secrets    []string // whsec_…, newest first; every live one signs
	Paused     bool
	CreatedAt  time.Time
}

// Subscribes says whether the endpoint is to hear of a type, paused or not.
func (e Endpoint) Subscribes(eventType string) bool {
	return len(e.Events) == 0 || slices.ContainsFunc(e.Events, func(s string) bool { return covers(s, eventType) })
}

// Wants says whether the endpoint takes notices of this type now.
func (e Endpoint) Wants(eventType string) bool { return !e.Paused && e.Subscribes(eventType) }

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
