package producer_test

import (
	"strings"
	"testing"
	"time"

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

	require.Equal(t, "The order was called off before it was paid, and is closed.", want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200).BuyerNote)
}

// O8 to O10: a paid order that is called off.
func TestAPaidOrderIsCalledOff(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		report string
		status string
		note   string
	}{
		"stopped":                    {`{"status":"revoked","reason":"not sent yet"}`, "refunding", "on its way back"},
		"cannot be delivered anyway": {`{"status":"failed","reason":"sold out"}`, "refunding", "on its way back"},
		"delivered already":          {`{"status":"delivered","proof":"SF1"}`, "delivered", "came too late"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			path := "/v1/orders/" + d.paid().ID
			first := d.call("app", "POST", path+"/cancel", `{"reason":"changed my mind"}`)
			o := want[api.Order](first, 202)
			require.Equal(t, "returning", o.Status)
			require.NotZero(t, o.CancelAt)
			require.Equal(t, "revoking", o.Delivery.Status)
			require.WithinDuration(t, o.CancelAt.Add(24*time.Hour), o.Delivery.RevokeBy, time.Second)
			require.Contains(t, o.BuyerNote, "asked to stop")
			require.Equal(t, first.Body.String(), d.call("operator", "POST", path+"/cancel", `{"reason":"me too"}`).Body.String())

			report := d.call("merchant", "POST", path+"/delivery", tc.report)
			o = want[api.Order](report, 200)
			require.Equal(t, tc.status, o.Status)
			require.Contains(t, o.BuyerNote, tc.note)
			require.Equal(t, report.Body.String(), d.call("merchant", "POST", path+"/delivery", tc.report).Body.String())
		})
	}
}

func TestWhatIsWithTheBuyerIsNotCalledOff(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	d.live(o, nil, delivered)
	p := d.call("app", "POST", "/v1/orders/"+o.ID+"/cancel", `{"reason":"r"}`).problem(api.NotAllowed)
	require.Equal(t, "delivered", p.OrderStatus)
	require.Contains(t, p.Detail, "ask for a refund")
}

func TestADeliveryThatWasFasterNeedsAProof(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	path := "/v1/orders/" + d.paid().ID
	_ = want[api.Order](d.call("app", "POST", path+"/cancel", `{"reason":"r"}`), 202)
	p := d.call("merchant", "POST", path+"/delivery", `{"status":"delivered"}`).problem(api.NotAllowed)
	require.Equal(t, "returning", p.OrderStatus)
	require.Contains(t, p.Detail, "proof")
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
	require.Contains(t, p.Detail, "nobody has called it off")
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
