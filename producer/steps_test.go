package producer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer/api"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	path := "/v1/orders/" + o.ID + "/cancel"
	require.Equal(t, "body.reason", d.call("app", "POST", path, `{}`).problem(api.Invalid).Errors[0].Location)
	require.Equal(t, "body.reason", d.call("app", "POST", path, `{"reason":"`+strings.Repeat("x", 257)+`"}`).problem(api.Invalid).Errors[0].Location)

	first := d.call("app", "POST", path, `{"reason":"changed my mind"}`)
	require.Equal(t, "closed", want[api.Order](first, 202).Status)
	again := d.call("operator", "POST", path, `{"reason":"me too"}`)
	require.Equal(t, 202, again.Code)
	require.Equal(t, first.Body.String(), again.Body.String(), "done is done, and answered the same")
	events := want[api.Timeline](d.call("app", "GET", "/v1/orders/"+o.ID+"/events", ""), 200).Events
	require.Len(t, events, 3)
	require.Equal(t, "changed my mind", events[1].Reason)

	refused := d.call("app", "POST", "/v1/orders/"+d.paid().ID+"/cancel", `{"reason":"r"}`).problem(api.NotAllowed)
	require.Equal(t, "paid", refused.OrderStatus)
	require.Equal(t, "Cannot cancel an order that is paid: it has been paid.", refused.Detail)
}

func TestADeliveryToItsEnd(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.paid()
	report := func(body string) answer { return d.call("merchant", "POST", "/v1/orders/"+o.ID+"/delivery", body) }

	require.Equal(t, "delivering", want[api.Order](report(`{"status":"accepted"}`), 200).Status)
	require.Equal(t, "delivering", want[api.Order](report(`{"status":"accepted"}`), 200).Status)
	delivered := report(`{"status":"delivered","proof":"SF123"}`)
	require.Equal(t, "delivered", want[api.Order](delivered, 200).Status)
	require.Equal(t, delivered.Body.String(), report(`{"status":"delivered","proof":"SF999"}`).Body.String())
	require.Equal(t, "SF123", want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200).Delivery.Proof)
	require.Equal(t, "delivered", report(`{"status":"failed","reason":"lost"}`).problem(api.NotAllowed).OrderStatus)

	complete := "/v1/orders/" + o.ID + "/complete"
	first := d.call("app", "POST", complete, "")
	require.Equal(t, "completed", want[api.Order](first, 200).Status)
	require.Equal(t, first.Body.String(), d.call("app", "POST", complete, "").Body.String())
	d.call("app", "POST", "/v1/orders/"+d.paid().ID+"/complete", "").problem(api.NotAllowed)
}

func TestADeliveryThatFails(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	path := "/v1/orders/" + d.paid().ID + "/delivery"
	o := want[api.Order](d.call("merchant", "POST", path, `{"status":"failed","reason":"no stock"}`), 200)
	require.Equal(t, "refunding", o.Status)
	require.Len(t, o.Refunds, 1)
	require.Equal(t, o.Amount, o.Refunds[0].Amount)
	require.Equal(t, o.Attempts[0].ID, o.Refunds[0].PaymentID)
	require.Equal(t, "no stock", o.Delivery.Reason)
}

func TestDeliveryReportsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	path := "/v1/orders/" + d.paid().ID + "/delivery"
	require.Equal(t, "body.status", d.call("merchant", "POST", path, `{"status":"lost"}`).problem(api.Invalid).Errors[0].Location)
	p := d.call("merchant", "POST", path, `{"status":"revoked"}`).problem(api.NotAllowed)
	require.Contains(t, p.Detail, "only an order that is returning")
	p = d.call("merchant", "POST", "/v1/orders/"+d.order().ID+"/delivery", `{"status":"accepted"}`).problem(api.NotAllowed)
	require.Equal(t, "pending_pay", p.OrderStatus)
}

func TestWhatIsShownInTerminalsIsOneLine(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order().ID
	for path, body := range map[string]string{
		"/cancel":   `{"reason":"\u001b]0;pwned\u0007"}`,
		"/delivery": `{"status":"delivered","proof":"\u001b[2J"}`,
	} {
		key := "app"
		if path == "/delivery" {
			key = "merchant"
		}
		a := d.call(key, "POST", "/v1/orders/"+o+path, body)
		require.Equal(t, 422, a.Code, a.Body)
		require.Contains(t, a.Body.String(), "control characters")
	}
}
