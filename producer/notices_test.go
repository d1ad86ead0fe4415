package producer_test

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// told gives m_demo three notices, the last of which an endpoint took at the
// second try, and another notice to m_other.
func (d *door) told() (e api.Endpoint, notices []merchant.NoticeRecord) {
	d.t.Helper()
	e = want[api.Endpoint](d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints", `{"url":"https://m.example/n"}`), 201)
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	id, _ := ident.Parse[merchant.Endpoint](e.ID)
	record := func(merchantID string, age time.Duration, state merchant.NoticeState) merchant.NoticeRecord {
		return merchant.NoticeRecord{
			Notice:    merchant.Notice{ID: ident.New[merchant.Notice]().String(), MerchantID: merchantID, Type: merchant.OrderPaid, Body: []byte(`{"type":"order.paid"}`)},
			CreatedAt: at.Add(-age), State: state,
		}
	}
	d.store.notices = []merchant.NoticeRecord{
		record("m_demo", 0, merchant.NoticeDelivered), record("m_demo", time.Minute, merchant.NoticeWaiting),
		record("m_demo", time.Hour, merchant.NoticeDropped), record("m_other", 0, merchant.NoticeDead),
	}
	d.store.notices[1].NextTryAt, d.store.notices[1].LastError = at.Add(time.Hour), "refused: nobody listens"
	d.store.tries = []merchant.Attempt{
		{
			EndpointID: id, At: at.Add(5 * time.Second), OK: true, HTTPStatus: 200, Duration: 12 * time.Millisecond, Remote: netip.MustParseAddrPort("203.0.113.7:443"),
			Timing: merchant.Timing{FirstByte: 11_250 * time.Microsecond}, Answer: merchant.Answer{Body: []byte("success <b>\n")},
		},
		{
			EndpointID: id, At: at, HTTPStatus: 503, Duration: 40 * time.Millisecond, Error: "status: it answered 503 Service Unavailable",
			Timing: merchant.Timing{DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 30 * time.Millisecond, FirstByte: 39 * time.Millisecond},
			Answer: merchant.Answer{Body: []byte{0x1f, 0x8b}, Truncated: true, ContentEncoding: "gzip", RetryAfter: "30"},
		},
	}
	return e, d.store.notices
}

func TestNoticesAreListed(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	e, told := d.told()
	const path = "/v1/merchants/m_demo/notices"
	first := want[api.NoticePage](d.call("merchant", "GET", path+"?limit=2", ""), 200)
	require.Equal(t, []api.Notice{
		{ID: told[0].ID, MerchantID: "m_demo", Type: "order.paid", CreatedAt: told[0].CreatedAt, State: "delivered"},
		{ID: told[1].ID, MerchantID: "m_demo", Type: "order.paid", CreatedAt: told[1].CreatedAt, State: "waiting", NextTryAt: told[1].NextTryAt, LastError: "refused: nobody listens"},
	}, first.Notices)
	rest := want[api.NoticePage](d.call("operator", "GET", path+"?limit=2&cursor="+first.NextCursor, ""), 200)
	require.Len(t, rest.Notices, 1)
	require.Equal(t, told[2].ID, rest.Notices[0].ID)
	require.Empty(t, rest.NextCursor)
	require.Equal(t, merchant.Place{At: told[1].CreatedAt, ID: told[1].ID}, d.store.asked.Before)
	d.store.merchants["m_silent"] = merchant.Merchant{ID: "m_silent"}
	require.NotNil(t, want[map[string]any](d.call("operator", "GET", "/v1/merchants/m_silent/notices", ""), 200)["notices"], "an empty list is a list")
	d.call("operator", "GET", "/v1/merchants/m_none/notices", "").problem(api.NotFound)
	d.call("operator", "GET", "/v1/merchants/m_none/endpoints", "").problem(api.NotFound)

	part := ident.WithPart[order.Order](ident.New[order.Order](), 0x40)
	q := url.Values{
		"since": {"2026-03-01T00:00:00+08:00"}, "until": {"2026-03-02T00:00:00.5Z"}, "type": {"order.paid"},
		"order": {part.Compact()}, "endpoint": {e.ID}, "state": {"undelivered"},
	}
	d.call("merchant", "GET", path+"?"+q.Encode(), "")
	asked := d.store.asked
	require.True(t, asked.Since.Equal(time.Date(2026, 2, 28, 16, 0, 0, 0, time.UTC)) && asked.Until.Equal(time.Date(2026, 3, 2, 0, 0, 0, 5e8, time.UTC)))
	require.Equal(t, merchant.NoticeFilter{
		MerchantID: "m_demo", Since: asked.Since, Until: asked.Until, Type: "order.paid", Order: order.Family(part), Endpoint: d.store.endpoints[0].ID,
		Undelivered: true, Limit: 51,
	}, asked, "a payment's number will do for the order")
	d.call("merchant", "GET", path+"?state=delivered", "")
	require.True(t, d.store.asked.Delivered)

	for query, where := range map[string]string{
		"since=yesterday": "query.since", "until=1": "query.until", "state=lost": "query.state", "order=x": "query.order", "endpoint=x": "query.endpoint",
		"limit=200": "query.limit", "cursor=abc": "query.cursor", "cursor=" + first.NextCursor[2:]: "query.cursor", "colour=red": "query.colour",
	} {
		require.Equal(t, where, d.call("merchant", "GET", path+"?"+query, "").problem(api.Invalid).Errors[0].Location, query)
	}
}

func TestANoticeIsShown(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	e, told := d.told()
	n := want[api.Notice](d.call("merchant", "GET", "/v1/notices/"+told[0].ID, ""), 200)
	require.JSONEq(t, `{"type":"order.paid"}`, string(n.Body))
	require.Equal(t, []api.Delivered{{
		EndpointID: e.ID, URL: e.URL, State: "delivered", Attempts: 2, LastAttemptAt: d.store.tries[0].At, LastStatus: 200,
	}}, n.Deliveries)

	path := "/v1/notices/" + told[0].ID + "/attempts"
	page := want[api.NoticeAttemptPage](d.call("merchant", "GET", path, ""), 200)
	require.Equal(t, []api.NoticeAttempt{
		{
			EndpointID: e.ID, At: d.store.tries[0].At, OK: true, Status: 200, Remote: "203.0.113.7:443", Times: api.Times{FirstByte: 11.25, Total: 12},
			RequestHeaders: merchant.RequestHeaders(told[0].ID, d.store.tries[0].At), Answer: &api.Answer{Body: "success <b>\n"},
		},
		{
			EndpointID: e.ID, At: d.store.tries[1].At, Status: 503, Class: "status", Error: "status: it answered 503 Service Unavailable",
			Times:          api.Times{DNS: 1, Connect: 2, TLS: 30, FirstByte: 39, Total: 40},
			RequestHeaders: merchant.RequestHeaders(told[0].ID, d.store.tries[1].At),
			Answer:         &api.Answer{Headers: map[string]string{"content-encoding": "gzip", "retry-after": "30"}, BodyBase64: "H4s=", Truncated: true},
		},
	}, page.Attempts)
	require.Equal(t, told[0].ID, page.Attempts[0].RequestHeaders["webhook-id"])
	require.NotContains(t, page.Attempts[0].RequestHeaders, "webhook-signature")

	one := want[api.NoticeAttemptPage](d.call("merchant", "GET", path+"?limit=1", ""), 200)
	require.Equal(t, page.Attempts[:1], one.Attempts)
	two := want[api.NoticeAttemptPage](d.call("merchant", "GET", path+"?limit=1&cursor="+one.NextCursor, ""), 200)
	require.Equal(t, page.Attempts[1:], two.Attempts)
	require.Empty(t, two.NextCursor)
	d.store.tries[0].Duration, d.store.tries[0].Timing.FirstByte = 0, 311*time.Microsecond // in the log whole milliseconds are left of it
	require.Contains(t, d.call("merchant", "GET", path+"?limit=1", "").Body.String(), `"times_ms":{"first_byte":0.311}`)
	d.store.tries = nil
	require.NotNil(t, want[map[string]any](d.call("operator", "GET", path, ""), 200)["attempts"])
	require.Empty(t, want[api.Notice](d.call("merchant", "GET", "/v1/notices/"+told[2].ID, ""), 200).Deliveries[0].LastAttemptAt)
}

func TestANoticeIsResent(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	e, told := d.told()
	other := want[api.Endpoint](d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints", `{"url":"https://m.example/o"}`), 201)
	d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints/"+other.ID+"/pause", "")
	path := "/v1/notices/" + told[0].ID + "/resend"

	all := want[api.Resent](d.call("merchant", "POST", path, ""), 202)
	require.Equal(t, told[0].ID, all.NoticeID)
	require.Len(t, all.Waiting, 2)
	require.Equal(t, "queued", all.Waiting[0].Reason)
	require.Equal(t, "held", all.Waiting[1].Reason, "and the answer says so")
	require.Len(t, want[api.Resent](d.call("operator", "POST", path, `{}`), 202).Waiting, 2)
	one := want[api.Resent](d.call("operator", "POST", path, `{"endpoint_id":"`+e.ID+`"}`), 202)
	require.Len(t, one.Waiting, 1)
	require.Equal(t, e.ID, one.Waiting[0].EndpointID)
	shown := want[api.Notice](d.call("merchant", "GET", "/v1/notices/"+told[0].ID, ""), 200)
	require.Equal(t, []string{"waiting", "queued"}, []string{shown.Deliveries[0].State, shown.Deliveries[0].Reason})

	before := d.store.waits
	d.call("other", "POST", path, "").problem(api.NotFound)
	d.call("app", "POST", path, "").problem(api.Forbidden)
	d.call("merchant", "POST", "/v1/notices/"+ident.New[merchant.Notice]().String()+"/resend", "").problem(api.NotFound)
	d.call("merchant", "POST", path, `{"endpoint_id":"`+ident.New[merchant.Endpoint]().String()+`"}`).problem(api.NotFound)
	require.Equal(t, "body.endpoint_id", d.call("merchant", "POST", path, `{"endpoint_id":"x"}`).problem(api.Invalid).Errors[0].Location)
	require.Equal(t, before, d.store.waits, "nothing has changed")
	require.Contains(t, d.call("operator", "POST", "/v1/notices/"+told[3].ID+"/resend", "").problem(api.NotAllowed).Detail, "nobody wants it")
}

// What a merchant is told is for no other merchant's eyes, nor for an app's, and
// nothing tells it from what is not there.
func TestAnothersNoticesAreNotThere(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	_, told := d.told()
	d.store.tries[0].Answer.Body = []byte("hush")
	for _, path := range []string{"/v1/notices/N", "/v1/notices/N/attempts"} {
		theirs := d.call("other", "GET", strings.Replace(path, "N", told[0].ID, 1), "", "X-Request-Id", "same")
		theirs.problem(api.NotFound)
		for _, missing := range []string{ident.New[merchant.Notice]().String(), "x"} {
			gone := d.call("other", "GET", strings.Replace(path, "N", missing, 1), "", "X-Request-Id", "same")
			require.Equal(t, gone.Body.String(), theirs.Body.String())
		}
		d.call("app", "GET", strings.Replace(path, "N", told[0].ID, 1), "").problem(api.Forbidden)
	}
	d.call("other", "GET", "/v1/merchants/m_demo/notices", "").problem(api.NotFound)
	require.Len(t, want[api.NoticePage](d.call("other", "GET", "/v1/merchants/m_other/notices", ""), 200).Notices, 1)
}

// FuzzNoticeQueries: whatever is asked for is a page, or the caller's problem.
func FuzzNoticeQueries(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""},
		{"cursor", "MjAyNi0wMy0wMlQwOTozMDowMFogMDE5NzAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAx"},
		{"cursor", "MCAw"},
		{"since", "0000-01-01T00:00:00Z"},
		{"until", "9999-12-31T23:59:59.999999999+23:59"},
		{"order", "01970000-0000-7000-8000-000000000001"},
		{"endpoint", "{01970000}"},
		{"limit", "1e3"},
		{"type", "\u202e"},
	} {
		f.Add(seed[0], seed[1])
	}
	d := newDoor(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		d.logs.TakeAll()
		d := &door{Handler: d.Handler, t: t, store: d.store}
		a := d.call("merchant", "GET", "/v1/merchants/m_demo/notices?"+url.Values{name: {value}}.Encode(), "")
		if a.Code != 200 && a.Code != 422 {
			t.Fatalf("%d to %q=%q: %s", a.Code, name, value, a.Body)
		}
	})
}

// FuzzAnswersAreShown: whatever a merchant answered is shown as it was.
func FuzzAnswersAreShown(f *testing.F) {
	for _, seed := range []string{"", "success", "\xff\x00", "</script>\u2028", "\ufffd", "{\"a\":1}\n"} {
		f.Add([]byte(seed))
	}
	d := newDoor(f)
	_, told := d.told()
	f.Fuzz(func(t *testing.T, body []byte) {
		d.logs.TakeAll()
		d.store.tries = []merchant.Attempt{{At: told[0].CreatedAt, Answer: merchant.Answer{Body: body, Truncated: true}}}
		d := &door{Handler: d.Handler, t: t, store: d.store}
		shown := want[api.NoticeAttemptPage](d.call("merchant", "GET", "/v1/notices/"+told[0].ID+"/attempts", ""), 200).Attempts[0].Answer
		raw, err := base64.StdEncoding.DecodeString(shown.BodyBase64)
		if err != nil || shown.Body+string(raw) != string(body) {
			t.Fatalf("%q is shown as %+v", body, shown)
		}
	})
}
