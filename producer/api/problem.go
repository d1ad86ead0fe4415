package api

import "fmt"

// ProblemType says what kind of problem an answer is. The strings are stable.
type ProblemType string

// The problem types.
const (
	Malformed        ProblemType = "urn:orderflow:problem:malformed"
	Unauthenticated  ProblemType = "urn:orderflow:problem:unauthenticated"
	Forbidden        ProblemType = "urn:orderflow:problem:forbidden"
	NotFound         ProblemType = "urn:orderflow:problem:not-found"
	MethodNotAllowed ProblemType = "urn:orderflow:problem:method-not-allowed"
	NotAcceptable    ProblemType = "urn:orderflow:problem:not-acceptable"
	TooSlow          ProblemType = "urn:orderflow:problem:too-slow"
	OutOfStock       ProblemType = "urn:orderflow:problem:out-of-stock"
	NumberTaken      ProblemType = "urn:orderflow:problem:number-taken"
	NotAllowed       ProblemType = "urn:orderflow:problem:not-allowed"
	KeyReused        ProblemType = "urn:orderflow:problem:key-reused"
	RecoveryRunning  ProblemType = "urn:orderflow:problem:recovery-running"
	TooLarge         ProblemType = "urn:orderflow:problem:too-large"
	NotJSON          ProblemType = "urn:orderflow:problem:not-json"
	Invalid          ProblemType = "urn:orderflow:problem:invalid"
	TooSoon          ProblemType = "urn:orderflow:problem:too-soon"
	Internal         ProblemType = "urn:orderflow:problem:internal"
	Unavailable      ProblemType = "urn:orderflow:problem:unavailable"
	Overloaded       ProblemType = "urn:orderflow:problem:overloaded"
)

// Problem is every answer that is not a success (RFC 9457).
type Problem struct {
	Type     ProblemType `json:"type" example:"urn:orderflow:problem:out-of-stock" doc:"Stable: decide by it."`
	Title    string      `json:"title" doc:"The same for every problem of a type."`
	Status   int         `json:"status"`
	Detail   string      `json:"detail,omitempty" doc:"What happened here and what to do."`
	Instance string      `json:"instance,omitempty" example:"urn:orderflow:request:01939b1c-5f4a-7c3e-9a00-c0ffee00ab00" doc:"This very request: quote it when you ask for help."`

	Errors      []FieldError `json:"errors,omitempty" doc:"Of invalid: every field that is wrong."`
	OrderStatus string       `json:"order_status,omitempty" doc:"Of not-allowed: where the order stands."`
	RecoveryID  string       `json:"recovery_id,omitempty" doc:"Of recovery-running."`
	SKU         string       `json:"sku,omitempty" doc:"Of out-of-stock."`
	Available   *int64       `json:"available,omitempty" doc:"Of out-of-stock: what there still is."`
}

// FieldError is one thing that is wrong with a request.
type FieldError struct {
	Location string `json:"location" example:"body.items[0].quantity"`
	Message  string `json:"message" example:"want at least 1"`
}

func (p *Problem) Error() string {
	s := p.Detail
	if s == "" {
		s = p.Title
	}
	if len(p.Errors) > 0 {
		s += fmt.Sprintf(" (%s: %s)", p.Errors[0].Location, p.Errors[0].Message)
	}
	if s == "" {
		s = fmt.Sprintf("HTTP status %d", p.Status)
	}
	return s
}
