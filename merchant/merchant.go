// Package merchant tells merchants what happened: it signs a notice, sends it,
// and judges the answer. Where the notices are kept and when they are due is
// not its business.
package merchant

import (
	"net/netip"
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
	// Secrets are whsec_… or whsk_…, newest first; every one signs. They are there
	// where they are needed: an endpoint that is listed has none.
	Secrets []string
	// PublicKey is the merchant's to verify with, when the newest secret signs
	// v1a: whpk_….
	PublicKey string
	Ack       AckMode
	Paused    bool     // by hand: what it subscribes to is held
	Schedule  Schedule // empty: the usual
	Health    Health

	Verifies   Verification // signatures, when it was last found out
	VerifiedAt time.Time    // zero: it was not
	CreatedAt  time.Time
}

// Direct says whether the endpoint is told at once, and not by its backlog.
func (e Endpoint) Direct(now time.Time) bool { return !e.Paused && e.Health.Direct(now) }

// Scheme is how the newest secret signs.
func (e Endpoint) Scheme() Scheme {
	if e.PublicKey != "" {
		return V1A
	}
	return V1
}

// AckMode is the answer by which an endpoint acknowledges a notice.
type AckMode string

// The modes; the zero value is Ack2xx. By the others, handlers that were
// written for Alipay or WeChat Pay take notices unchanged.
const (
	Ack2xx         AckMode = "2xx"
	AckSuccess     AckMode = "success"      // 2xx and the body success, in small or capital letters
	AckCodeSuccess AckMode = "code-success" // 2xx and the JSON body {"code":"SUCCESS"}
)

// Valid says whether there is such a mode.
func (m AckMode) Valid() bool {
	return m == "" || slices.Contains(AckModes(), m)
}

// AckModes lists the modes.
func AckModes() []AckMode { return []AckMode{Ack2xx, AckSuccess, AckCodeSuccess} }

// Subscribes says whether the endpoint is to hear of a type, paused or not.
func (e Endpoint) Subscribes(eventType string) bool {
	return len(e.Events) == 0 || slices.ContainsFunc(e.Events, func(s string) bool { return covers(s, eventType) })
}

// Notice is one thing to tell a merchant. ID and Body stay the same on every
// try.
type Notice struct {
	ID         string // the webhook-id
	MerchantID string
	Type       string // "order.paid"
	Body       []byte // JSON, sent as it is
	CreatedAt  time.Time
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
	Pulled     bool          // the merchant fetched it, and said so: nobody was called

	Remote netip.AddrPort // whom we connected to, or tried to; zero when nobody, or when it is blocked
	Timing Timing
	Answer Answer
}

// Timing is where an attempt's time went. A part that did not take place is 0:
// on a kept connection only FirstByte is left.
type Timing struct {
	DNS, Connect, TLS time.Duration
	FirstByte         time.Duration // of the answer, from the beginning of the attempt
}

// Answer is what is kept of a merchant's answer. It is a stranger's: its
// headers are made fit to be shown, its body is as it came.
type Answer struct {
	Body      []byte // at most 16 KiB, never decompressed
	Truncated bool   // there was more of it, or it broke off

	ContentType, ContentEncoding, Location, RetryAfter, Server, Date, RequestID string
}
