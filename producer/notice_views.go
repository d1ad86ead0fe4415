package producer

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/api"
)

// NoticeView is a notice as a list has it.
func NoticeView(r merchant.NoticeRecord) api.Notice {
	return api.Notice{
		ID: r.ID, MerchantID: r.MerchantID, Type: r.Type, CreatedAt: utc(r.CreatedAt),
		State: string(r.State), NextTryAt: utc(r.NextTryAt), LastError: r.LastError,
	}
}

// NoticeDetail is a notice by itself. attempts are all of its, newest first, waits
// is what endpoints have yet to take of it.
func NoticeDetail(r merchant.NoticeRecord, endpoints []merchant.Endpoint, attempts []merchant.Attempt, waits []merchant.Delivery) api.Notice {
	view := NoticeView(r)
	view.Body = r.Body
	for _, seen := range merchant.Receptions(r, endpoints, attempts, waits) {
		view.Deliveries = append(view.Deliveries, receptionView(seen))
	}
	return view
}

func receptionView(r merchant.Reception) api.Delivered {
	return api.Delivered{
		EndpointID: r.EndpointID.String(), URL: r.URL, State: string(r.State), Attempts: r.Tries,
		LastAttemptAt: utc(r.Last.At), LastStatus: r.Last.HTTPStatus, LastError: r.Last.Error,
		Reason: string(r.Waits.Reason), NextTryAt: utc(r.Waits.DueAt),
	}
}

// ResentView is for whom a notice waits that was asked for once more.
func ResentView(noticeID string, waits []merchant.Delivery) api.Resent {
	v := api.Resent{NoticeID: noticeID, Waiting: make([]api.Waiting, len(waits))}
	for i, d := range waits {
		v.Waiting[i] = api.Waiting{EndpointID: d.EndpointID.String(), Reason: string(d.Reason), InFlight: d.InFlight, DueAt: utc(d.DueAt)}
	}
	return v
}

// AttemptView is a try of a notice.
func AttemptView(noticeID string, a merchant.Attempt) api.NoticeAttempt {
	v := api.NoticeAttempt{
		EndpointID: a.EndpointID.String(), At: utc(a.At), OK: a.OK, Pulled: a.Pulled, Status: a.HTTPStatus, Class: string(a.Class()), Error: a.Error,
		Times: api.Times{
			DNS: milliseconds(a.Timing.DNS), Connect: milliseconds(a.Timing.Connect), TLS: milliseconds(a.Timing.TLS),
			FirstByte: milliseconds(a.Timing.FirstByte), Total: milliseconds(a.Duration),
		},
		Answer: answerView(a.Answer),
	}
	if !a.Pulled {
		v.RequestHeaders = merchant.RequestHeaders(noticeID, a.At)
	}
	if a.Remote.IsValid() {
		v.Remote = a.Remote.String()
	}
	return v
}

// milliseconds are exact to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// answerView is nil when nothing is known of an answer.
func answerView(a merchant.Answer) *api.Answer {
	v := &api.Answer{Headers: map[string]string{}, Truncated: a.Truncated}
	for name, value := range map[string]string{
		"content-type": a.ContentType, "content-encoding": a.ContentEncoding, "location": a.Location, "retry-after": a.RetryAfter,
		"server": a.Server, "date": a.Date, "x-request-id": a.RequestID,
	} {
		if value != "" {
			v.Headers[name] = value
		}
	}
	if utf8.Valid(a.Body) {
		v.Body = string(a.Body)
	} else {
		v.BodyBase64 = base64.StdEncoding.EncodeToString(a.Body)
	}
	if len(a.Body) == 0 && len(v.Headers) == 0 && !v.Truncated {
		return nil
	}
	return v
}
