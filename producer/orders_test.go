package producer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

func TestCreateOrder(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.call("app", "POST", "/v1/orders", `{"merchant_id":"m_demo","buyer_id":"b1","currency":"CNY","merchant_order_no":"no-1","pay_within_seconds":60,
		"items":[{"sku":"TEA","name":"<tea> & 茶","quantity":2,"unit_price":1999},{"sku":"CUP","quantity":1,"unit_price":0}],"metadata":{"table":"7"}}`)
	o := want[api.Order](a, 201)
	require.Equal(t, "pending_pay", o.Status)
	require.EqualValues(t, 3998, o.Amount)
	require.Equal(t, "no-1", o.MerchantOrderNo)
	require.Equal(t, map[string]string{"table": "7"}, o.Metadata)
	require.Nil(t, o.Payment)
	require.Contains(t, a.Body.String(), `"<tea> & 茶"`, "no HTML escapes")
	require.WithinDuration(t, o.CreatedAt.Add(time.Minute), o.ExpireAt, time.Second)
	require.Equal(t, o.CreatedAt, o.CreatedAt.Truncate(time.Microsecond), "as finely as it is kept")
	require.Regexp(t, `"created_at":"[0-9T:.-]+Z"`, a.Body.String())

	require.Equal(t, o, want[api.Order](d.call("merchant", "GET", "/v1/orders/"+o.ID, ""), 200), "shown as it was made")
	compact := strings.ReplaceAll(o.ID, "-", "")
	require.Equal(t, o, want[api.Order](d.call("app", "GET", "/v1/orders/"+compact, ""), 200), "both forms of an id are read")

	id, err := order.ParseID(o.ID)
	require.NoError(t, err)
	require.Equal(t, 60, d.store.orders[id].FeeBps, "the merchant's fee of the day is fixed")
	events := want[api.Timeline](d.call("app", "GET", "/v1/orders/"+o.ID+"/events", ""), 200).Events
	require.Len(t, events, 1)
	require.Equal(t, "order.created", events[0].Type)
	require.Equal(t, "app:checkout", events[0].Actor)
}

func TestVirtualGoodsAreDeliveredInMinutes(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	body := strings.Replace(draft, `"items"`, `"virtual":true,"items"`, 1)
	o := want[api.Order](d.call("app", "POST", "/v1/orders", body), 201)
	kept := d.store.orders[mustID(t, o.ID)]
	require.Equal(t, []time.Duration{10 * time.Minute, 10 * time.Minute}, []time.Duration{kept.DeliverWithin, kept.RevokeWithin})
	require.Equal(t, "body.virtual", d.call("app", "POST", "/v1/orders", strings.Replace(body, "true", `"yes"`, 1)).problem(api.Invalid).Errors[0].Location)

	paid := d.live(o, nil)
	shown := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
	require.Equal(t, paid.Delivery.DeliverBy, shown.Delivery.DeliverBy)
	require.WithinDuration(t, o.CreatedAt.Add(10*time.Minute), shown.Delivery.DeliverBy, time.Second)
}

func TestBadOrdersAreRefusedWithEveryFault(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	before := snapshot(t, d)
	with := func(old, replacement string) string { return strings.Replace(draft, old, replacement, 1) }
	tests := map[string]struct {
		body  string
		want  api.ProblemType
		where []string
	}{
		"empty":                    {" ", api.Malformed, []string{"body"}},
		"no JSON":                  {"{", api.Malformed, []string{"body"}},
		"a trailing comma":         {with(`}]}`, `}],}`), api.Malformed, []string{"body"}},
		"trailing data":            {draft + "{}", api.Malformed, []string{"body"}},
		"a name twice":             {with(`"buyer_id"`, `"buyer_id":"x","buyer_id"`), api.Malformed, []string{"body"}},
		"a name twice, deep":       {with(`"quantity":2`, `"quantity":2,"quantity":1`), api.Malformed, []string{"body"}},
		"a name twice, escaped":    {with(`"buyer_id"`, `"buyer\u005fid":"x","buyer_id"`), api.Malformed, []string{"body"}},
		"not UTF-8":                {with("b1", "b\xff"), api.Malformed, []string{"body"}},
		"NUL":                      {with("b1", `b\u0000`), api.Malformed, []string{"body"}},
		"too deep":                 {with(`"b1"`, strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), api.Malformed, []string{"body"}},
		"a list":                   {`[]`, api.Invalid, []string{"body"}},
		"null":                     {`null`, api.Invalid, []string{"body"}},
		"nothing in it":            {`{}`, api.Invalid, []string{"body.buyer_id", "body.currency", "body.items", "body.merchant_id"}},
		"an unknown field":         {with(`"buyer_id"`, `"buyer":"x","buyer_id"`), api.Invalid, []string{"body.buyer"}},
		"a name in capitals":       {with(`"buyer_id"`, `"Buyer_ID"`), api.Invalid, []string{"body.Buyer_ID", "body.buyer_id"}},
		"a number for a string":    {with(`"b1"`, `1`), api.Invalid, []string{"body.buyer_id"}},
		"null for a string":        {with(`"b1"`, `null`), api.Invalid, []string{"body.buyer_id"}},
		"a control character":      {with(`"b1"`, `"b\n1"`), api.Invalid, []string{"body.buyer_id"}},
		"a string too long":        {with(`"b1"`, `"`+strings.Repeat("茶", 60)+`"`), api.Invalid, []string{"body.buyer_id"}},
		"no such currency":         {with("CNY", "QQQ"), api.Invalid, []string{"body.currency"}},
		"currency in small":        {with("CNY", "cny"), api.Invalid, []string{"body.currency"}},
		"no items":                 {with(`[{"sku":"TEA","quantity":2,"unit_price":1999}]`, `[]`), api.Invalid, []string{"body.items"}},
		"a fraction":               {with("1999", "19.5"), api.Invalid, []string{"body.items[0].unit_price"}},
		"an exponent":              {with("1999", "1e3"), api.Invalid, []string{"body.items[0].unit_price"}},
		"a whole fraction":         {with("1999", "1999.0"), api.Invalid, []string{"body.items[0].unit_price"}},
		"a number as a string":     {with("1999", `"1999"`), api.Invalid, []string{"body.items[0].unit_price"}},
		"a negative price":         {with("1999", "-1"), api.Invalid, []string{"body.items[0].unit_price"}},
		"a price over the limit":   {with("1999", "1000000000000001"), api.Invalid, []string{"body.items[0].unit_price"}},
		"a price over int64":       {with("1999", "9223372036854775808"), api.Invalid, []string{"body.items[0].unit_price"}},
		"a price over float64":     {with("1999", strings.Repeat("9", 400)), api.Invalid, []string{"body.items[0].unit_price"}},
		"quantity 0":               {with(`"quantity":2`, `"quantity":0`), api.Invalid, []string{"body.items[0].quantity"}},
		"an amount over the limit": {with(`"quantity":2,"unit_price":1999`, `"quantity":1000000000,"unit_price":1000000000000000`), api.Invalid, []string{"body.items"}},
		"an amount of 0":           {with("1999", "0"), api.Invalid, []string{"body.items"}},
		"201 lines":                {with(`{"sku"`, strings.Repeat(`{"sku":"A","quantity":1,"unit_price":1},`, 200)+`{"sku"`), api.Invalid, []string{"body.items"}},
		"a window of 0":            {with(`"items"`, `"pay_within_seconds":0,"items"`), api.Invalid, []string{"body.pay_within_seconds"}},
		"a window of 31 days":      {with(`"items"`, `"pay_within_seconds":2678400,"items"`), api.Invalid, []string{"body.pay_within_seconds"}},
		"metadata of numbers":      {with(`"items"`, `"metadata":{"a":1},"items"`), api.Invalid, []string{"body.metadata.a"}},
		"metadata too long":        {with(`"items"`, `"metadata":{"a":"`+strings.Repeat("x", 513)+`"},"items"`), api.Invalid, []string{"body.metadata"}},
		"no such merchant":         {with("m_demo", "m_none"), api.Invalid, []string{"body.merchant_id"}},
		"no such channel":          {with(`"items"`, `"channel":"cash","items"`), api.Invalid, []string{"body.channel"}},
		"faults of every sort at once": {
			`{"merchant_id":"","buyer_id":7,"currency":"QQQ","items":[{"sku":"A","quantity":1.5,"unit_price":-1},{"quantity":1,"unit_price":1}],"nonsense":true}`, api.Invalid,
			[]string{"body.buyer_id", "body.currency", "body.items[0].quantity", "body.items[0].unit_price", "body.items[1].sku", "body.merchant_id", "body.nonsense"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := d.call("app", "POST", "/v1/orders", tc.body).problem(tc.want)
			var where []string
			for _, e := range p.Errors {
				where = append(where, e.Location)
				require.NotEmpty(t, e.Message)
			}
			require.Equal(t, tc.where, where, p.Errors)
		})
	}
	require.Equal(t, before, snapshot(t, d), "nothing was made")
}

func TestAnEmptyBodySaysSo(t *testing.T) {
	t.Parallel()
	p := newDoor(t).call("app", "POST", "/v1/orders", "", "Content-Type", "application/json").problem(api.Malformed)
	require.Contains(t, p.Detail, "empty")
}

func TestProblemsRepeatNoValues(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, body := range []string{
		`{"merchant_id":"s3cret"`, `"s3cret"`, strings.Replace(draft, "1999", `"s3cret"`, 1),
		strings.Replace(draft, "CNY", "s3cret", 1), strings.Replace(draft, "m_demo", "s3cret", 1),
	} {
		a := d.call("app", "POST", "/v1/orders", body)
		require.NotEqual(t, 201, a.Code)
		require.NotContains(t, a.Body.String(), "s3cret")
	}
}

func TestAFloodOfFaultsIsCut(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `"%s%d":1,`, strings.Repeat("x", 50), i)
	}
	a := newDoor(t).call("app", "POST", "/v1/orders", strings.Replace(draft, `"items"`, b.String()+`"items"`, 1))
	require.Len(t, a.problem(api.Invalid).Errors, 100)
}

func TestStock(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.call("merchant", "GET", "/v1/merchants/m_demo/stock/TEA", "").problem(api.NotFound)
	require.Equal(t, api.Stock{MerchantID: "m_demo", SKU: "TEA", OnHand: 3, Available: 3},
		want[api.Stock](d.call("merchant", "PUT", "/v1/merchants/m_demo/stock/TEA", `{"on_hand":3}`), 200))
	d.order()
	require.Equal(t, api.Stock{MerchantID: "m_demo", SKU: "TEA", OnHand: 3, Held: 2, Available: 1},
		want[api.Stock](d.call("operator", "GET", "/v1/merchants/m_demo/stock/TEA", ""), 200))
	p := d.call("app", "POST", "/v1/orders", draft).problem(api.OutOfStock)
	require.Equal(t, "TEA", p.SKU)
	require.EqualValues(t, 1, *p.Available)
	require.Contains(t, d.call("merchant", "PUT", "/v1/merchants/m_demo/stock/TEA", `{"on_hand":1}`).problem(api.NotAllowed).Detail, "hold 2")
	d.call("operator", "PUT", "/v1/merchants/m_none/stock/TEA", `{"on_hand":1}`).problem(api.NotFound)
	for _, bad := range []string{`{"on_hand":-1}`, `{"on_hand":1.5}`, `{"on_hand":1000000000001}`, `{}`} {
		require.Equal(t, "body.on_hand", d.call("merchant", "PUT", "/v1/merchants/m_demo/stock/TEA", bad).problem(api.Invalid).Errors[0].Location)
	}
	slash := want[api.Stock](d.call("merchant", "PUT", "/v1/merchants/m_demo/stock/a%2Fb", `{"on_hand":1}`), 200)
	require.Equal(t, "a/b", slash.SKU, "a SKU may have a slash")
	_ = want[api.Stock](d.call("operator", "PUT", "/v1/merchants/m_demo/stock/TEA", `{"on_hand":4}`), 200)
	require.Equal(t, []order.Actor{"merchant:m_demo", "merchant:m_demo", "operator:alice"}, d.store.counted, "who set it is told to the store")
}

func TestANumberIsTakenOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	body := strings.Replace(draft, `"items"`, `"merchant_order_no":"no-1","items"`, 1)
	_ = want[api.Order](d.call("app", "POST", "/v1/orders", body), 201)
	d.call("app", "POST", "/v1/orders", body).problem(api.NumberTaken)
	_ = want[api.Order](d.call("app", "POST", "/v1/orders", strings.Replace(body, "m_demo", "m_other", 1)), 201)
}

func TestPagesOfOrders(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	var made []string
	for range 5 {
		made = append(made, d.order().ID)
	}
	slices.Sort(made)
	slices.Reverse(made)
	var seen []string
	path := "/v1/orders?limit=2"
	for range 3 {
		page := want[api.OrderPage](d.call("app", "GET", path, ""), 200)
		for _, o := range page.Orders {
			seen = append(seen, o.ID)
		}
		path = "/v1/orders?limit=2&cursor=" + page.NextCursor
		require.Equal(t, len(seen) == 5, page.NextCursor == "", "the last page says so")
	}
	require.Equal(t, made, seen, "newest first, each once")
	require.Contains(t, d.call("app", "GET", "/v1/orders?status=paid", "").Body.String(), `{"orders":[]}`)
}

func TestTroubleOfTheStore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want api.ProblemType
	}{
		"busy":            {order.ErrBusy, api.Unavailable},
		"out of time":     {context.DeadlineExceeded, api.Unavailable},
		"not reached":     {fmt.Errorf("reach the database: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), api.Unavailable},
		"something wrong": {errors.New("column s3cret does not exist"), api.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			o := d.order()
			d.store.fails = tc.err
			for _, a := range []answer{
				d.call("app", "POST", "/v1/orders", draft), d.call("app", "GET", "/v1/orders/"+o.ID, ""), d.call("app", "GET", "/v1/orders", ""),
				d.call("app", "POST", "/v1/orders/"+o.ID+"/cancel", `{"reason":"r"}`),
			} {
				a.problem(tc.want)
				require.Equal(t, tc.want == api.Unavailable, a.Header().Get("Retry-After") == "1")
				require.NotContains(t, a.Body.String(), "s3cret")
			}
			last := d.logs.FilterMessage("request").All()
			require.Contains(t, last[len(last)-1].ContextMap()["error"], tc.err.Error(), "the log has what the answer has not")
		})
	}
}
