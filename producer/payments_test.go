package producer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

var draftWithChannel = strings.Replace(draft, `"items"`, `"channel":"sandbox","items"`, 1)

func TestAnOrderWithItsPaymentInOneCall(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.call("app", "POST", "/v1/orders", draftWithChannel)
	o := want[api.Order](a, 201)
	require.Equal(t, "paying", o.Payment.Status)
	require.Regexp(t, "^[0-9a-f]{32}$", o.Payment.ID)
	require.Equal(t, &api.Action{Type: "redirect", URL: "https://pay.example/?a=1&no=" + o.Payment.ID}, o.Payment.Action)
	require.Contains(t, a.Body.String(), "?a=1&no=", "no HTML escapes")
	require.Empty(t, o.Payment.Hint)

	asked := d.channel.asked[0]
	require.Equal(t, payment.Request{
		OutTradeNo: o.Payment.ID, Amount: 3998, Currency: "CNY", Subject: "TEA", Description: "order " + o.ID, BuyerID: "b1",
		ExpireAt: o.ExpireAt, NotifyURL: "https://orders.example/v1/channels/sandbox/callbacks",
	}, asked)
	shown := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
	require.Len(t, shown.Attempts, 1)
	require.Equal(t, o.Payment.ID, shown.Attempts[0].ID)
	require.Nil(t, shown.Attempts[0].Action)
}

func TestWithoutAPaymentChannel(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(o *producer.Options) { o.Channels = payment.Registry{} })
	p := d.call("app", "POST", "/v1/orders", draftWithChannel).problem(api.Invalid)
	require.Equal(t, "body.channel", p.Errors[0].Location)
	require.Contains(t, p.Errors[0].Message, "no payment channel is set up here")
	require.Contains(t, p.Errors[0].Message, "sandbox.enabled")
}

func TestPaymentsOfAnOrder(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	p := want[api.Payment](d.call("app", "POST", "/v1/orders/"+o.ID+"/payments", `{"channel":"sandbox"}`), 201)
	require.Equal(t, "paying", p.Status)
	require.Equal(t, o.ExpireAt, p.ExpireAt)
	require.NotNil(t, p.Action)
	second := want[api.Payment](d.call("app", "POST", "/v1/orders/"+o.ID+"/payments", `{"channel":"sandbox"}`), 201)
	require.NotEqual(t, p.ID, second.ID)
	require.Equal(t, "body.channel", d.call("app", "POST", "/v1/orders/"+o.ID+"/payments", `{"channel":"cash"}`).problem(api.Invalid).Errors[0].Location)

	done := d.paid()
	asked := len(d.channel.asked)
	refused := d.call("app", "POST", "/v1/orders/"+done.ID+"/payments", `{"channel":"sandbox"}`).problem(api.NotAllowed)
	require.Equal(t, "paid", refused.OrderStatus)
	require.Contains(t, refused.Detail, "Cannot pay an order that is paid")
	require.Len(t, d.channel.asked, asked, "no channel is asked for what is not committed")
}

func TestWhatTheChannelSaysOfANewPayment(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		status string
	}{
		"refused":       {&payment.Error{Class: payment.Permanent, Op: "sandbox create", Code: "LIMIT", Err: errors.New("s3cret")}, "failed"},
		"no answer":     {payment.Errorf(payment.Unknown, "sandbox create", "s3cret timeout"), "paying"},
		"come later":    {payment.Errorf(payment.Retryable, "sandbox create", "s3cret"), "paying"},
		"wrong keys":    {payment.Errorf(payment.Auth, "sandbox create", "s3cret"), "paying"},
		"already there": {payment.Errorf(payment.Conflict, "sandbox create", "s3cret"), "paying"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			d.channel.refuse = tc.err
			a := d.call("app", "POST", "/v1/orders", draftWithChannel)
			o := want[api.Order](a, 201)
			require.Equal(t, tc.status, o.Payment.Status)
			require.Nil(t, o.Payment.Action)
			require.NotEmpty(t, o.Payment.Hint)
			require.NotContains(t, a.Body.String(), "s3cret")
			shown := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
			require.Equal(t, tc.status, shown.Attempts[0].Status, "the same is kept")
			require.Equal(t, "pending_pay", shown.Status, "the order takes another payment")
			if tc.status == "failed" {
				require.Equal(t, "refused by the channel: LIMIT", shown.Attempts[0].Reason)
			}
			line := d.logs.FilterMessage("request").All()[0].ContextMap()
			require.Contains(t, line["error"], "s3cret", "the night shift reads why")
		})
	}
}

func TestTheSameRequestTwice(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	pay := "/v1/orders/" + o.ID + "/payments"
	for name, tc := range map[string]struct{ path, body, other string }{
		"an order":                  {"/v1/orders", draft, strings.Replace(draft, "b1", "b2", 1)},
		"an order with its payment": {"/v1/orders", draftWithChannel, draft},
		"a payment":                 {pay, `{"channel":"sandbox"}`, `{"channel":"sandbox" }`},
	} {
		t.Run(name, func(t *testing.T) {
			key := strings.ReplaceAll(name, " ", "-")
			first := d.call("app", "POST", tc.path, tc.body, "Idempotency-Key", key)
			require.Equal(t, 201, first.Code, first.Body)
			require.Empty(t, first.Header().Get("Idempotency-Replayed"))
			before := snapshot(t, d)

			again := d.call("app", "POST", tc.path, tc.body, "Idempotency-Key", key)
			require.Equal(t, 201, again.Code)
			require.Equal(t, first.Body.String(), again.Body.String(), "to the byte, the action included")
			require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
			d.call("app", "POST", tc.path, tc.other, "Idempotency-Key", key).problem(api.KeyReused)
			require.Equal(t, before, snapshot(t, d), "made once")

			theirs := d.call("app2", "POST", tc.path, tc.body, "Idempotency-Key", key)
			require.Equal(t, 201, theirs.Code, theirs.Body)
			require.Empty(t, theirs.Header().Get("Idempotency-Replayed"), "another app's keys are its own")
		})
	}
	d.call("app", "POST", pay, draft, "Idempotency-Key", "an-order").problem(api.Invalid)
	d.call("app", "POST", pay, `{"channel":"sandbox"}`, "Idempotency-Key", "an-order").problem(api.KeyReused)
}

func TestARefusedRequestMayComeAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	_ = want[api.Stock](d.call("merchant", "PUT", "/v1/merchants/m_demo/stock/TEA", `{"on_hand":1}`), 200)
	d.call("app", "POST", "/v1/orders", draft, "Idempotency-Key", "k").problem(api.OutOfStock)
	_ = want[api.Stock](d.call("merchant", "PUT", "/v1/merchants/m_demo/stock/TEA", `{"on_hand":2}`), 200)
	_ = want[api.Order](d.call("app", "POST", "/v1/orders", draft, "Idempotency-Key", "k"), 201)
}

func TestAReplayShowsThePaymentAsItStands(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.channel.refuse = payment.Errorf(payment.Unknown, "sandbox create", "timeout")
	first := want[api.Order](d.call("app", "POST", "/v1/orders", draftWithChannel, "Idempotency-Key", "k"), 201)
	require.Nil(t, first.Payment.Action)

	d.channel.refuse = nil
	second := want[api.Order](d.call("app", "POST", "/v1/orders", draftWithChannel, "Idempotency-Key", "k"), 201)
	require.Equal(t, first.Payment.ID, second.Payment.ID)
	require.NotNil(t, second.Payment.Action, "the channel answered this time")

	d.channel.refuse = payment.Errorf(payment.Permanent, "sandbox create", "no")
	third := want[api.Order](d.call("app", "POST", "/v1/orders", draftWithChannel, "Idempotency-Key", "k"), 201)
	require.Equal(t, "failed", third.Payment.Status)
	asked := len(d.channel.asked)
	fourth := want[api.Order](d.call("app", "POST", "/v1/orders", draftWithChannel, "Idempotency-Key", "k"), 201)
	require.Equal(t, "failed", fourth.Payment.Status)
	require.Len(t, d.channel.asked, asked, "what cannot be paid is not asked for again")
}
