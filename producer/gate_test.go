package producer_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/orderflow/orderflow/payment"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

// pathOf fills in a route's path with what is there, and belongs to m_demo.
func pathOf(r producer.Route, o api.Order) string {
	id, part := o.ID, strings.ReplaceAll(o.ID, "-", "")[:30]
	switch {
	case strings.HasPrefix(r.Path, "/v1/merchants/"):
		id = "m_demo"
	case strings.HasPrefix(r.Path, "/v1/refunds/"):
		id = part + "40"
	}
	return strings.NewReplacer("{id}", id, "{payment}", part+"01", "{sku}", "TEA", "{endpoint}", o.ID, "{channel}", "sandbox",
		"{kind}", "order:close", "{subject}", o.ID, "{type}", "order.paid", "{notice}", o.ID).Replace(r.Path)
}

func bodyOf(r producer.Route) string {
	return map[string]string{
		"create-order": draft, "create-payment": `{"channel":"sandbox"}`, "cancel-order": `{"reason":"r"}`,
		"report-delivery": `{"status":"accepted"}`, "put-merchant": `{"name":"Tea"}`, "set-stock": `{"on_hand":1}`,
		"create-endpoint": `{"url":"https://m.example/n"}`, "change-endpoint": `{"url":"https://m.example/n"}`, "create-refund": `{"amount":1,"reason":"r"}`,
		"accept-payment": `{"note":"n"}`, "return-payment": `{"note":"n"}`, "resolve-conflict": `{"outcome":"refunded","note":"n"}`,
		"retry-refund": `{"note":"n"}`, "pay-out-refund": `{"voucher":"v","note":"n"}`, "cancel-refund": `{"note":"n"}`,
		"ack-undelivered": `{"ids":["01939b1c-5f4a-7c3e-9a00-c0ffee00ab00"]}`, "recover-endpoint": `{"since":"2026-01-01T00:00:00Z"}`,
	}[r.ID]
}

func TestEveryRouteAsksForAKeyOfItsRoles(t *testing.T) {
	t.Parallel()
	for _, r := range producer.Routes() {
		if len(r.Roles) == 0 {
			require.Equal(t, "channel-callback", r.ID, "a route that needs no key")
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			o := d.order()
			d.live(o, nil, soldOut)
			path := pathOf(r, o)
			d.call("", r.Method, path, bodyOf(r)).problem(api.Unauthenticated)
			a := d.call("nobody's", r.Method, path, bodyOf(r))
			a.problem(api.Unauthenticated)
			require.Equal(t, "Bearer", a.Header().Get("WWW-Authenticate"))
			a = d.call("broken", r.Method, path, bodyOf(r))
			a.problem(api.Unavailable)
			require.Equal(t, "1", a.Header().Get("Retry-After"))
			for _, role := range access.Roles() {
				a := d.call(string(role), r.Method, path, bodyOf(r))
				if !slices.Contains(r.Roles, role) {
					a.problem(api.Forbidden)
					continue
				}
				require.NotContains(t, []int{401, 403}, a.Code, "%s: %s", role, a.Body)
				require.Less(t, a.Code, 500, "%s: %s", role, a.Body)
			}
		})
	}
}

func TestAnotherMerchantsThingsAreNotThere(t *testing.T) {
	t.Parallel()
	const nobodys = "01939b1c-5f4a-7c3e-9a00-c0ffee00ab00"
	for _, r := range producer.Routes() {
		if !slices.Contains(r.Roles, access.Merchant) || !strings.Contains(r.Path, "{id}") {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			o := d.order()
			d.live(o, nil, soldOut)
			_ = want[api.Stock](d.call("merchant", "PUT", "/v1/merchants/m_demo/stock/TEA", `{"on_hand":5}`), 200)
			e := want[api.Endpoint](d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints", `{"url":"https://m.example"}`), 201)
			before := snapshot(t, d)

			mine := strings.Replace(pathOf(r, o), "/endpoints/"+o.ID, "/endpoints/"+e.ID, 1)
			theirs := d.call("other", r.Method, mine, bodyOf(r), "X-Request-Id", "same")
			theirs.problem(api.NotFound)
			gone := d.call("other", r.Method, strings.NewReplacer(o.ID, nobodys, strings.ReplaceAll(o.ID, "-", "")[:30], strings.ReplaceAll(nobodys, "-", "")[:30], "m_demo", "m_none").Replace(mine), bodyOf(r), "X-Request-Id", "same")
			require.Equal(t, gone.Body.String(), theirs.Body.String(), "nothing tells what is another's from what is not there")
			require.Equal(t, before, snapshot(t, d), "nothing changed")
		})
	}
}

func TestListShowsAMerchantItsOwnAlone(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.order()
	theirs := want[api.Order](d.call("app", "POST", "/v1/orders", strings.Replace(draft, "m_demo", "m_other", 1)), 201)
	for name, tc := range map[string]struct {
		key, query string
		n          int
	}{
		"an app sees all":                 {"app", "", 2},
		"an operator sees all":            {"operator", "", 2},
		"narrowed to one merchant":        {"app", "?merchant_id=m_other", 1},
		"a merchant sees its own":         {"other", "", 1},
		"a merchant asking for its own":   {"other", "?merchant_id=m_other", 1},
		"a merchant asking for another's": {"other", "?merchant_id=m_demo", 0},
	} {
		page := want[api.OrderPage](d.call(tc.key, "GET", "/v1/orders"+tc.query, ""), 200)
		require.Len(t, page.Orders, tc.n, name)
		if tc.key == "other" && tc.n == 1 {
			require.Equal(t, theirs.ID, page.Orders[0].ID)
		}
	}
}

func TestRequestsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	before := snapshot(t, d)
	for name, tc := range map[string]struct {
		a    answer
		want api.ProblemType
	}{
		"no such page":              {d.call("app", "GET", "/v1/nothing", ""), api.NotFound},
		"no such page, no key":      {d.call("", "GET", "/v1/nothing", ""), api.Unauthenticated},
		"the root":                  {d.call("app", "GET", "/", ""), api.NotFound},
		"a path that is not tidy":   {d.call("app", "GET", "/v1//orders", ""), api.NotFound},
		"a path that climbs":        {d.call("app", "GET", "/v1/orders/../tasks", ""), api.NotFound},
		"one that climbs unseen":    {d.call("operator", "GET", "/v1/merchants/%2e%2e/notices", ""), api.NotFound},
		"a trailing slash":          {d.call("app", "GET", "/v1/orders/", ""), api.NotFound},
		"a wrong method":            {d.call("app", "DELETE", "/v1/orders", ""), api.MethodNotAllowed},
		"OPTIONS":                   {d.call("app", "OPTIONS", "/v1/orders", ""), api.MethodNotAllowed},
		"NUL in the path":           {d.call("operator", "GET", "/v1/merchants/m%00x/stock/TEA", ""), api.NotFound},
		"bytes in the path":         {d.call("operator", "GET", "/v1/merchants/m%ff/stock/TEA", ""), api.NotFound},
		"NUL in the query":          {d.call("app", "GET", "/v1/orders?buyer_id=%00", ""), api.Invalid},
		"bytes in the query":        {d.call("app", "GET", "/v1/orders?buyer_id=%ff", ""), api.Invalid},
		"an unknown query":          {d.call("app", "GET", "/v1/orders?buyer=b1", ""), api.Invalid},
		"a limit of 0":              {d.call("app", "GET", "/v1/orders?limit=0", ""), api.Invalid},
		"a limit of 101":            {d.call("app", "GET", "/v1/orders?limit=101", ""), api.Invalid},
		"a hold that is none":       {d.call("operator", "GET", "/v1/orders?hold=lost", ""), api.Invalid},
		"a held that is none":       {d.call("operator", "GET", "/v1/orders?held=perhaps", ""), api.Invalid},
		"held, for an app":          {d.call("app", "GET", "/v1/orders?held=true", ""), api.Forbidden},
		"a hold, for a merchant":    {d.call("merchant", "GET", "/v1/orders?hold=refund_abnormal", ""), api.Forbidden},
		"a refund that is none":     {d.call("app", "GET", "/v1/refunds/abc", ""), api.NotFound},
		"a refund not of its order": {d.call("app", "GET", "/v1/refunds/"+o.ID, ""), api.NotFound},
		"an order for a payment":    {d.call("operator", "POST", "/v1/orders/"+o.ID+"/payments/"+o.ID+"/accept", `{"note":"n"}`), api.NotFound},
		"a payment that is none":    {d.call("operator", "POST", "/v1/orders/"+o.ID+"/payments/abc/return", `{"note":"n"}`), api.NotFound},
		"a status that is none":     {d.call("app", "GET", "/v1/orders?status=lost", ""), api.Invalid},
		"a cursor that is none":     {d.call("app", "GET", "/v1/orders?cursor=abc", ""), api.Invalid},
		"an id that is none":        {d.call("app", "GET", "/v1/orders/abc", ""), api.NotFound},
		"an answer in HTML":         {d.call("app", "GET", "/v1/orders", "", "Accept", "text/html"), api.NotAcceptable},
		"JSON refused":              {d.call("app", "GET", "/v1/orders", "", "Accept", "application/json;q=0.0, text/html"), api.NotAcceptable},
		"a form":                    {d.call("app", "POST", "/v1/orders", draft, "Content-Type", "application/x-www-form-urlencoded"), api.NotJSON},
		"no content type":           {d.call("app", "POST", "/v1/orders", draft, "Content-Type", ""), api.NotJSON},
		"another charset":           {d.call("app", "POST", "/v1/orders", draft, "Content-Type", "application/json; charset=gbk"), api.NotJSON},
		"too large":                 {d.call("app", "POST", "/v1/orders", draft+strings.Repeat(" ", 1<<20)), api.TooLarge},
		"a body that breaks off":    {brokenOff(d, io.ErrUnexpectedEOF), api.Malformed},
		"a body that never comes":   {brokenOff(d, os.ErrDeadlineExceeded), api.TooSlow},
		"from another site's page":  {d.call("operator", "POST", "/v1/orders/"+o.ID+"/cancel", `{"reason":"r"}`, "Sec-Fetch-Site", "cross-site"), api.Forbidden},
		"a key too long":            {d.call("app", "POST", "/v1/orders", draft, "Idempotency-Key", strings.Repeat("k", 256)), api.Invalid},
		"a key that is not ASCII":   {d.call("app", "POST", "/v1/orders", draft, "Idempotency-Key", "kéy"), api.Invalid},
		"a key that is empty":       {d.call("app", "POST", "/v1/orders", draft, "Idempotency-Key", ""), api.Invalid},
		"an attempt for an order":   {d.call("app", "GET", "/v1/orders/"+o.ID[:35]+"1", ""), api.NotFound},
		"a channel that is none":    {d.call("", "POST", "/v1/channels/none/callbacks", "{}"), api.NotFound},
		"a task kind that is none":  {d.call("operator", "POST", "/v1/tasks/no:kind/"+o.ID+"/requeue", ""), api.NotFound},
		"a merchant id with spaces": {d.call("operator", "PUT", "/v1/merchants/a%20b", `{"name":"n"}`), api.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			p := tc.a.problem(tc.want)
			if tc.want == api.Invalid {
				require.NotEmpty(t, p.Errors)
			}
		})
	}
	require.Equal(t, before, snapshot(t, d), "nothing changed")
}

// An id stays as it is, also where a sentence about it begins.
func TestAnIdIsNotCapitalised(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := d.call("app", "GET", "/v1/orders/ffffffff-4a3f-7592-b95e-ba07ad85ff01", "").problem(api.NotFound)
	require.Equal(t, "The id ffffffff-4a3f-7592-b95e-ba07ad85ff01 is of a part of an order, not of an order; its order is ffffffff-4a3f-7592-b95e-ba07ad85ff00.", p.Detail)
}

// brokenOff is a request whose body ends before it should.
func brokenOff(d *door, err error) answer {
	r := httptest.NewRequestWithContext(d.t.Context(), "POST", "/v1/orders", iotest.ErrReader(err))
	r.Header.Set("Authorization", "Bearer app")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return answer{w, d.t}
}

func TestABodyOfExactlyOneMebibyteIsTaken(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	_ = want[api.Order](d.call("app", "POST", "/v1/orders", draft+strings.Repeat(" ", 1<<20-len(draft))), 201)
}

func TestWrongMethodSaysWhichThereAre(t *testing.T) {
	t.Parallel()
	a := newDoor(t).call("merchant", "PATCH", "/v1/merchants/m_demo/stock/TEA", "")
	a.problem(api.MethodNotAllowed)
	require.Equal(t, "GET, PUT", a.Header().Get("Allow"))
}

func TestRequestIDsComeBack(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.Equal(t, "abc-1", d.call("app", "GET", "/v1/orders", "", "X-Request-Id", "abc-1").Header().Get("X-Request-Id"))
	made := d.call("app", "GET", "/v1/orders", "", "X-Request-Id", `a b"\`).Header().Get("X-Request-Id")
	require.Len(t, made, 36, "one that could upset a log is replaced")
}

func TestOneLineInTheLogPerRequest(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	d.call("merchant", "GET", "/v1/orders/"+o.ID+"?", "", "X-Request-Id", "r1")
	lines := d.logs.FilterMessage("request").TakeAll()
	require.Len(t, lines, 2)
	f := lines[1].ContextMap()
	require.Equal(t, "GET /v1/orders/{id}", f["route"])
	require.Equal(t, o.ID, f["order_id"])
	require.EqualValues(t, 200, f["status"])
	require.Equal(t, "demo", f["principal"])
	require.Equal(t, "r1", f["request_id"])
	all, err := json.Marshal([]any{lines[0].ContextMap(), f})
	require.NoError(t, err)
	require.NotContains(t, string(all), "Bearer")
	require.NotContains(t, string(all), "TEA", "nothing of a body")
}

func TestAPanicIsAProblemThatTellsNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.channel.panics = true
	a := d.call("app", "POST", "/v1/orders", strings.Replace(draft, `"items"`, `"channel":"sandbox","items"`, 1))
	a.problem(api.Internal)
	require.NotContains(t, a.Body.String(), "secret")
	require.Len(t, d.logs.FilterMessage("panic").All(), 1)
	require.Contains(t, d.logs.FilterMessage("panic").All()[0].ContextMap()["stack"], "payments.go")
	require.EqualValues(t, 500, d.logs.FilterMessage("request").All()[0].ContextMap()["status"])
}

// snapshot is all that is kept, to see whether anything changed.
func snapshot(t *testing.T, d *door) string {
	t.Helper()
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	keyed := map[string]any{}
	for id, o := range d.store.orders {
		keyed["order "+id.String()] = o
	}
	for k, s := range d.store.stock {
		keyed["stock "+k[0]+" "+k[1]] = *s
	}
	keyed["merchants"], keyed["endpoints"], keyed["tasks"] = d.store.merchants, d.store.endpoints, d.store.tasks
	keyed["received"], keyed["kept"] = len(d.store.received), len(d.store.kept)
	b, err := json.Marshal(keyed)
	require.NoError(t, err)
	return string(b)
}

// A body that never comes is given up in time, also by net/http, which would
// else wait for the rest of it.
func TestABodyThatStallsIsGivenUp(t *testing.T) {
	t.Parallel()
	channels, err := payment.NewRegistry(&channel{})
	require.NoError(t, err)
	store := newMemory()
	door, err := producer.New(producer.Options{Store: store, Admin: store, Guard: guard{}, Channels: channels, BodyTime: 50 * time.Millisecond})
	require.NoError(t, err)
	s := httptest.NewServer(door)
	t.Cleanup(s.Close)
	for name, sent := range map[string]string{
		"a callback": "POST /v1/channels/sandbox/callbacks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"an order":   "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer app\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		line, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = line.Close() })
		require.NoError(t, line.SetDeadline(time.Now().Add(time.Minute)))
		_, err = line.Write([]byte(sent))
		require.NoError(t, err)
		text, err := io.ReadAll(line) // until the server hangs up
		require.NoError(t, err, name)
		require.Contains(t, string(text), "408 Request Timeout", name)
	}
}
