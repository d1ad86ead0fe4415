package producer_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

func TestRefundsAfterTheSale(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	d.live(o, nil, delivered)
	path := "/v1/orders/" + o.ID + "/refunds"
	for body, where := range map[string]string{
		`{"reason":"r"}`:                                           "body.amount",
		`{"amount":0,"reason":"r"}`:                                "body.amount",
		`{"amount":-1,"reason":"r"}`:                               "body.amount",
		`{"amount":1.5,"reason":"r"}`:                              "body.amount",
		`{"amount":1}`:                                             "body.reason",
		`{"amount":1,"reason":""}`:                                 "body.reason",
		`{"amount":1,"reason":"a\u0007b"}`:                         "body.reason",
		`{"amount":1,"reason":"` + strings.Repeat("x", 257) + `"}`: "body.reason",
		`{"amount":1,"reason":"r","to":"me"}`:                      "body.to",
	} {
		require.Equal(t, where, d.call("app", "POST", path, body).problem(api.Invalid).Errors[0].Location, body)
	}
	first := d.call("app", "POST", path, `{"amount":1000,"reason":"one cup was broken"}`, "Idempotency-Key", "k")
	r := want[api.Refund](first, 202)
	require.Regexp(t, "^[0-9a-f]{32}$", r.ID)
	require.Equal(t, api.Refund{
		ID: r.ID, OrderID: o.ID, PaymentID: r.PaymentID, Status: "created", Amount: 1000, Currency: "CNY", Reason: "one cup was broken", CreatedAt: r.CreatedAt,
	}, r)
	before := snapshot(t, d)
	again := d.call("app", "POST", path, `{"amount":1000,"reason":"one cup was broken"}`, "Idempotency-Key", "k")
	require.Equal(t, 202, again.Code)
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	d.call("app", "POST", path, `{"amount":1001,"reason":"r"}`, "Idempotency-Key", "k").problem(api.KeyReused)
	require.Equal(t, before, snapshot(t, d), "opened once")

	p := d.call("operator", "POST", path, `{"amount":2999,"reason":"r"}`).problem(api.NotAllowed)
	require.Contains(t, p.Detail, "29.98 CNY can still be given back, 29.99 CNY were asked for")
	_ = want[api.Refund](d.call("operator", "POST", path, `{"amount":2998,"reason":"all of it, then"}`), 202)
	d.call("app", "POST", path, `{"amount":1,"reason":"r"}`).problem(api.NotAllowed)
	shown := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
	require.Len(t, shown.Refunds, 2)
	require.Equal(t, "Part of your money is on its way back.", shown.BuyerNote)
}

func TestOrdersThatGiveNothingBackOnRequest(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const body = `{"amount":1,"reason":"r"}`
	paid, unpaid := d.paid(), d.order()
	p := d.call("app", "POST", "/v1/orders/"+paid.ID+"/refunds", body).problem(api.NotAllowed)
	require.Equal(t, "paid", p.OrderStatus)
	require.Contains(t, p.Detail, "cancel it")
	require.Equal(t, "pending_pay", d.call("app", "POST", "/v1/orders/"+unpaid.ID+"/refunds", body).problem(api.NotAllowed).OrderStatus)
	d.call("app", "POST", "/v1/orders/01939b1c-5f4a-7c3e-9a00-c0ffee00ab00/refunds", body).problem(api.NotFound)
}

func TestARefundIsShown(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	r := d.live(o, nil, soldOut, submitted, abnormal).Refunds[0]
	shown := d.call("app", "GET", "/v1/refunds/"+r.ID.Compact(), "")
	v := want[api.Refund](shown, 200)
	require.Equal(t, "abnormal", v.Status)
	require.Equal(t, "the card is closed", v.Problem)
	require.Equal(t, o.ID, v.OrderID)
	for _, key := range []string{"merchant", "operator"} {
		require.Equal(t, shown.Body.String(), d.call(key, "GET", "/v1/refunds/"+r.ID.String(), "").Body.String(), "both forms of an id are read")
	}
	nobodys := uuid.Must(uuid.NewV7()).String()
	theirs := d.call("other", "GET", "/v1/refunds/"+r.ID.Compact(), "", "X-Request-Id", "same")
	theirs.problem(api.NotFound)
	require.Equal(t, d.call("other", "GET", "/v1/refunds/"+nobodys, "", "X-Request-Id", "same").Body.String(), theirs.Body.String())
	last := d.logs.FilterMessage("request").All()[0].ContextMap()
	require.Equal(t, o.ID, last["order_id"], "the log leads to the order")
}

func TestAnAbnormalRefund(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		call, body string
		status     string
		order      string
	}{
		"is tried again": {"retry", `{"note":"the card is open again"}`, "processing", "refunding"},
		"is paid out":    {"paid-out", `{"voucher":"BANK-1","note":"by bank"}`, "success", "refunded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			o := d.order()
			held := d.live(o, nil, soldOut, submitted, abnormal)
			require.Equal(t, order.HoldRefundAbnormal, held.Hold)
			path := "/v1/refunds/" + held.Refunds[0].ID.Compact() + "/"
			first := d.call("operator", "POST", path+tc.call, tc.body)
			r := want[api.Refund](first, 200)
			require.Equal(t, tc.status, r.Status)
			require.Equal(t, first.Body.String(), d.call("operator", "POST", path+tc.call, tc.body).Body.String(), "taken twice, answered the same")
			now := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
			require.Equal(t, tc.order, now.Status)
			require.Empty(t, now.Hold)
			events := want[api.Timeline](d.call("app", "GET", "/v1/orders/"+o.ID+"/events", ""), 200).Events
			require.Equal(t, "operator:alice", events[7].Actor, events)
			require.Equal(t, "applied", events[7].Disposition)
			if tc.call == "paid-out" {
				require.Equal(t, "BANK-1", r.Voucher)
				require.Equal(t, "BANK-1", events[7].Proof)
			}
			p := d.call("operator", "POST", path+"cancel", `{"note":"n"}`).problem(api.NotAllowed)
			require.Contains(t, p.Detail, "only one that no channel was asked for")
		})
	}
}

func TestARefundIsCalledBack(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	d.live(o, nil, delivered)
	r := want[api.Refund](d.call("app", "POST", "/v1/orders/"+o.ID+"/refunds", `{"amount":1000,"reason":"r"}`), 202)
	path := "/v1/refunds/" + r.ID + "/cancel"
	for range 2 {
		require.Equal(t, "canceled", want[api.Refund](d.call("operator", "POST", path, `{"note":"a mistake"}`), 200).Status)
	}
	_ = want[api.Refund](d.call("app", "POST", "/v1/orders/"+o.ID+"/refunds", `{"amount":3998,"reason":"r"}`), 202)
	for _, call := range []string{"retry", "paid-out"} {
		p := d.call("operator", "POST", "/v1/refunds/"+r.ID+"/"+call, map[string]string{"retry": `{"note":"n"}`, "paid-out": `{"voucher":"v","note":"n"}`}[call]).problem(api.NotAllowed)
		require.Contains(t, p.Detail, "is canceled, not abnormal")
	}
}

func TestOperatorsSayWhyOnOneLine(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	held := d.live(o, nil, soldOut, submitted, abnormal)
	refund, orderPath := "/v1/refunds/"+held.Refunds[0].ID.Compact(), "/v1/orders/"+o.ID
	payment := orderPath + "/payments/" + held.Attempts[0].ID.Compact()
	before := snapshot(t, d)
	for path, rest := range map[string]string{
		refund + "/retry": "", refund + "/cancel": "", refund + "/paid-out": `"voucher":"v",`, payment + "/accept": "", payment + "/return": "",
		orderPath + "/conflict": `"outcome":"refunded",`,
	} {
		for _, bad := range []string{`"note":""`, `"note":"  "`, `"note":"a\nb"`, `"note":"\u001b[2J"`, `"note":"` + strings.Repeat("x", 257) + `"`, `"note":1`} {
			p := d.call("operator", "POST", path, "{"+rest+bad+"}").problem(api.Invalid)
			require.Equal(t, "body.note", p.Errors[0].Location, "%s %s", path, bad)
		}
		require.Equal(t, "body.note", d.call("operator", "POST", path, "{"+strings.TrimSuffix(rest, ",")+"}").problem(api.Invalid).Errors[0].Location, path)
	}
	for _, bad := range []string{`""`, `" "`, `"a\nb"`} {
		p := d.call("operator", "POST", refund+"/paid-out", `{"note":"n","voucher":`+bad+`}`).problem(api.Invalid)
		require.Equal(t, "body.voucher", p.Errors[0].Location, bad)
	}
	require.Equal(t, "body.outcome", d.call("operator", "POST", orderPath+"/conflict", `{"outcome":"lost","note":"n"}`).problem(api.Invalid).Errors[0].Location)
	require.Equal(t, before, snapshot(t, d))
}
