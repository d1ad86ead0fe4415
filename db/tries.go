package db

import (
	"encoding/json"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// tryRow is one try to tell an endpoint of a notice, as it is logged.
type tryRow struct {
	notice tasks.Subject
	merchant.Attempt
}

// logTries logs tries; its parameters are tryColumns. What statement it is a
// part of says which of them, and what of those that are there.
const logTries = `INSERT INTO notice_attempts (notice_id, endpoint_id, at, ok, http_status, duration_ms, error,
		first_byte_us, remote, answer, dns_us, connect_us, tls_us, headers, truncated)
	SELECT id, endpoint, at, ok, status, took, error, first_byte, remote, answer, dns, connect, tls, headers::jsonb, truncated
	FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::boolean[], $5::int[], $6::int[], $7::text[],
		$8::int[], $9::text[], $10::bytea[], $11::int[], $12::int[], $13::int[], $14::text[], $15::boolean[])
	AS t (id, endpoint, at, ok, status, took, error, first_byte, remote, answer, dns, connect, tls, headers, truncated)`

// tryColumns are the tries by columns. Those of which no try has anything are
// nil: most tries find their connection open and succeed, and pay for nothing
// that they have not.
func tryColumns(list []tryRow) []any {
	return []any{
		col(list, func(t tryRow) [16]byte { return t.notice }), col(list, func(t tryRow) [16]byte { return t.EndpointID }),
		col(list, func(t tryRow) time.Time { return t.At }), col(list, func(t tryRow) bool { return t.OK }),
		col(list, func(t tryRow) int { return t.HTTPStatus }), col(list, func(t tryRow) int { return int(t.Duration.Milliseconds()) }),
		col(list, func(t tryRow) string { return t.Error }),
		sparse(list, func(t tryRow) int32 { return microseconds(t.Timing.FirstByte) }), sparse(list, tryRow.remote), answers(list),
		sparse(list, func(t tryRow) int32 { return microseconds(t.Timing.DNS) }),
		sparse(list, func(t tryRow) int32 { return microseconds(t.Timing.Connect) }),
		sparse(list, func(t tryRow) int32 { return microseconds(t.Timing.TLS) }),
		sparse(list, tryRow.headers),
		sparse(list, func(t tryRow) bool { return t.Answer.Truncated }),
	}
}

// sparse is a column whose zero values are NULL; nil when it has nothing else.
func sparse[R any, V comparable](rows []R, value func(R) V) (out []*V) {
	var none V
	for i, r := range rows {
		v := value(r)
		if v == none {
			continue
		}
		if out == nil {
			out = make([]*V, len(rows))
		}
		kept := v // of its own: most values are not kept
		out[i] = &kept
	}
	return out
}

// answers is the column of the answers' bodies.
func answers(list []tryRow) (out [][]byte) {
	for i, t := range list {
		if len(t.Answer.Body) == 0 {
			continue
		}
		if out == nil {
			out = make([][]byte, len(list))
		}
		out[i] = t.Answer.Body
	}
	return out
}

// microseconds are at least one of what took any time at all.
func microseconds(d time.Duration) int32 {
	if d <= 0 {
		return 0
	}
	return int32(min(max(d.Microseconds(), 1), 1<<31-1))
}

func (t tryRow) remote() string {
	if !t.Remote.IsValid() {
		return ""
	}
	return t.Remote.String()
}

// answerHeaders is what is kept of an answer's headers, as it is in the row.
type answerHeaders struct {
	ContentType     string `json:"content_type,omitempty"`
	ContentEncoding string `json:"content_encoding,omitempty"`
	Location        string `json:"location,omitempty"`
	RetryAfter      string `json:"retry_after,omitempty"`
	Server          string `json:"server,omitempty"`
	Date            string `json:"date,omitempty"`
	RequestID       string `json:"request_id,omitempty"`
}

// headers are kept of an answer that needs explaining: not of an acknowledgement.
func (t tryRow) headers() string {
	a := t.Answer
	h := answerHeaders{a.ContentType, a.ContentEncoding, a.Location, a.RetryAfter, a.Server, a.Date, a.RequestID}
	if t.OK || h == (answerHeaders{}) {
		return ""
	}
	b, err := json.Marshal(h)
	if err != nil {
		panic("db: strings always have a JSON form: " + err.Error())
	}
	return string(b)
}

// onto puts the headers where they belong.
func (h answerHeaders) onto(a *merchant.Answer) {
	a.ContentType, a.ContentEncoding, a.Location, a.RetryAfter = h.ContentType, h.ContentEncoding, h.Location, h.RetryAfter
	a.Server, a.Date, a.RequestID = h.Server, h.Date, h.RequestID
}
