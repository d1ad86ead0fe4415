package api

import (
	"encoding/json"
	"time"
)

// Notice is one thing that a merchant is told, and how far it has got.
type Notice struct {
	ID         string    `json:"id" format:"uuid" doc:"The webhook-id."`
	MerchantID string    `json:"merchant_id"`
	Type       string    `json:"type" example:"order.paid"`
	CreatedAt  time.Time `json:"created_at" doc:"When it was written, in the same commit as what it tells of."`
	State      string    `json:"state" enum:"waiting,dead,delivered,dropped" doc:"waiting: an endpoint has yet to take it. dead: its tries are at their end, and an operator decides. delivered: whoever was to take it did. dropped: nobody took it, and it is told no more, because it became pointless or nobody wants it."`
	NextTryAt  time.Time `json:"next_try_at,omitzero" doc:"Of one that waits."`
	LastError  string    `json:"last_error,omitempty" doc:"Of one that waits or is dead: why the last try failed."`

	Body       json.RawMessage `json:"body,omitempty" doc:"What is sent, the same on every try; absent in a list."`
	Deliveries []Delivered     `json:"deliveries,omitempty" doc:"How it stands at each endpoint that subscribes to it, or was tried; absent in a list."`
}

// Delivered is how one endpoint has taken a notice so far.
type Delivered struct {
	EndpointID    string    `json:"endpoint_id" format:"uuid"`
	URL           string    `json:"url,omitempty" doc:"Absent when the endpoint was deleted."`
	State         string    `json:"state" enum:"waiting,dead,delivered,dropped" doc:"As of the notice, but of this endpoint alone."`
	Attempts      int       `json:"attempts" doc:"Tries so far."`
	LastAttemptAt time.Time `json:"last_attempt_at,omitzero"`
	LastStatus    int       `json:"last_status,omitempty" doc:"The HTTP status of the last answer; absent when there was none."`
	LastError     string    `json:"last_error,omitempty" doc:"Why the last try failed."`
	Reason        string    `json:"reason,omitempty" enum:"queued,recovery,retry,throttled,paused,held" doc:"Of one that waits in the endpoint's backlog: why. queued: there was no room yet. recovery: it is part of a recovery, and goes behind all others. retry: a try failed. throttled: the endpoint asked for a pause. paused: the endpoint fails, and is only probed. held: it is paused by hand, or disabled."`
	NextTryAt     time.Time `json:"next_try_at,omitzero" doc:"The same: when it is tried, if its endpoint may be told then."`
}

// Resend says to which endpoint a notice goes once more. All of it may be left out.
type Resend struct {
	EndpointID string `json:"endpoint_id,omitempty" maxLength:"36" example:"01970000-0000-7000-8000-000000000001" doc:"One of the merchant's endpoints; every one that subscribes to the notice's type when left out."`
}

// Resent is for whom a notice waits that was asked for once more.
type Resent struct {
	NoticeID string    `json:"notice_id" format:"uuid" doc:"The webhook-id: the same as before."`
	Waiting  []Waiting `json:"waiting" doc:"One for each endpoint that it goes to."`
}

// Waiting is a notice that waits for an endpoint.
type Waiting struct {
	EndpointID string    `json:"endpoint_id" format:"uuid"`
	Reason     string    `json:"reason" enum:"queued,recovery,retry,throttled,paused,held" doc:"queued: it goes now. held: the endpoint is paused by hand, or disabled: it goes when somebody resumes it. paused: the endpoint fails, and is only probed: it goes when a probe succeeds. throttled: the endpoint asked for a pause."`
	InFlight   bool      `json:"in_flight,omitempty" doc:"It is being told just now: that counts."`
	DueAt      time.Time `json:"due_at"`
}

// NoticePage is one page of a merchant's notices, newest first.
type NoticePage struct {
	Notices    []Notice `json:"notices"`
	NextCursor string   `json:"next_cursor,omitempty" doc:"Hand it back as cursor for the next page; absent on the last."`
}

// NoticeAttempt is one try to tell an endpoint of a notice.
type NoticeAttempt struct {
	EndpointID string    `json:"endpoint_id" format:"uuid"`
	At         time.Time `json:"at" doc:"When it began."`
	OK         bool      `json:"ok" doc:"The endpoint took it."`
	Pulled     bool      `json:"pulled,omitempty" doc:"Nobody was called: the merchant fetched it and acknowledged it by POST …/undelivered/ack."`
	Status     int       `json:"status,omitempty" doc:"The answer's HTTP status; absent when there was none."`
	Class      string    `json:"class,omitempty" enum:"stopped,blocked,secret,dns,refused,unreachable,tls,timeout,reset,redirect,status,unacknowledged" doc:"The kind of failure."`
	Error      string    `json:"error,omitempty" doc:"Why it failed, in words: the class, a colon and a sentence."`
	Remote     string    `json:"remote,omitempty" example:"203.0.113.7:443" doc:"Whom we connected to, or tried to."`
	Times      Times     `json:"times_ms" doc:"Where the time went, in milliseconds. Of a kept connection there are only the last two."`

	RequestHeaders map[string]string `json:"request_headers,omitempty" doc:"What was sent, without webhook-signature."`
	Answer         *Answer           `json:"answer,omitempty" doc:"What came back, as far as it is kept: of an answer that acknowledges the body alone."`
}

// Times are where an attempt's time went, in milliseconds.
type Times struct {
	DNS       float64 `json:"dns,omitempty"`
	Connect   float64 `json:"connect,omitempty"`
	TLS       float64 `json:"tls,omitempty"`
	FirstByte float64 `json:"first_byte,omitempty" doc:"From the beginning until the answer began."`
	Total     float64 `json:"total,omitempty" doc:"In the log in whole milliseconds, rounded down. Absent when it took less than one, or nobody was called."`
}

// Answer is what is kept of an endpoint's answer.
type Answer struct {
	Headers    map[string]string `json:"headers,omitempty" doc:"Of content-type, content-encoding, location, retry-after, server, date and x-request-id those that it had."`
	Body       string            `json:"body,omitempty" doc:"At most 16 KiB."`
	BodyBase64 string            `json:"body_base64,omitempty" doc:"In place of body when that is not UTF-8."`
	Truncated  bool              `json:"truncated,omitempty" doc:"There was more of it, or it broke off."`
}

// Undelivered is a notice that an endpoint has yet to acknowledge.
type Undelivered struct {
	ID        string          `json:"id" format:"uuid" doc:"The webhook-id."`
	Type      string          `json:"type" example:"order.paid"`
	CreatedAt time.Time       `json:"created_at" doc:"When it was written, in the same commit as what it tells of."`
	WaitsFrom time.Time       `json:"waits_from" doc:"Since when it waits: the list goes by this."`
	Reason    string          `json:"reason" enum:"queued,recovery,retry,throttled,paused,held,dead" doc:"Why it waits. queued: its turn is to come, or it is being sent for the first time. dead: its tries are at their end."`
	Attempts  int             `json:"attempts" doc:"Tries that failed, and count."`
	LastError string          `json:"last_error,omitempty" doc:"Why the last try failed."`
	Body      json.RawMessage `json:"body" doc:"What would be sent, to the byte."`
}

// UndeliveredPage is one page of what an endpoint has yet to acknowledge, what has
// waited longest first.
type UndeliveredPage struct {
	Notices    []Undelivered `json:"notices"`
	NextCursor string        `json:"next_cursor,omitempty" doc:"Hand it back as after for the next page; absent on the last."`
}

// Acknowledge names notices that were fetched, and are not to be told any more.
type Acknowledge struct {
	IDs []string `json:"ids" minItems:"1" maxItems:"200" maxLength:"36" doc:"Their ids."`
}

// Acknowledged says how many of the notices were new.
type Acknowledged struct {
	Acknowledged int `json:"acknowledged" doc:"How many the endpoint had not acknowledged before: 0 when it is asked twice."`
}

// NoticeAttemptPage is one page of the tries of a notice, newest first.
type NoticeAttemptPage struct {
	Attempts   []NoticeAttempt `json:"attempts"`
	NextCursor string          `json:"next_cursor,omitempty" doc:"Hand it back as cursor for the next page; absent on the last."`
}

// EndpointTest is what an endpoint made of a test.
type EndpointTest struct {
	NoticeID string          `json:"notice_id" format:"uuid" doc:"The webhook-id of the test."`
	Body     json.RawMessage `json:"body" doc:"What was sent."`
	Attempt  NoticeAttempt   `json:"attempt" doc:"To send it, signed as every notice is."`
	Verifies string          `json:"verifies" enum:"true,false,unknown" doc:"true: it refused a second test that carried a foreign signature. false: it took that, so anybody can tell it anything. unknown: it did not take the first, or did not answer the second in a way that tells."`
	Forged   *NoticeAttempt  `json:"forged,omitempty" doc:"To send the second test, with the foreign signature; absent when the first was not taken."`
}
