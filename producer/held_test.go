package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

func TestHeldOrders(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.paid()
	mismatch, abnormalRefund := d.order(), d.order()
	d.live(mismatch, oneTooMuch)
	d.live(abnormalRefund, nil, soldOut, submitted, abnormal)
	for query, ids := range map[string][]string{
		"held=true":                            {abnormalRefund.ID, mismatch.ID},
		"held=true&merchant_id=m_other":        nil,
		"hold=payment_mismatch":                {mismatch.ID},
		"held=true&hold=refund_abnormal":       {abnormalRefund.ID},
		"hold=delivery_conflict":               nil,
		"held=true&status=refunding":           {abnormalRefund.ID},
		"held=true&merchant_id=m_demo&limit=9": {abnormalRefund.ID, mismatch.ID},
	} {
		var got []string
		for _, o := range want[api.OrderPage](d.call("operator", "GET", "/v1/orders?"+query, ""), 200).Orders {
			got = append(got, o.ID)
		}
		require.Equal(t, ids, got, query)
	}
}

func TestAPaymentOfTheWrongSum(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		call     string
		wrong    func(*order.Receipt)
		status   string
		held     string
		refusing string
	}{
		"is accepted":             {"accept", oneTooMuch, "paid", "", ""},
		"goes back":               {"return", oneTooMuch, "pending_pay", "", ""},
		"of another currency":     {"accept", func(r *order.Receipt) { r.Currency = "USD" }, "pending_pay", order.HoldMismatch, "it is in USD, the order in CNY"},
		"that is none, goes back": {"return", nil, "paid", "", "the payment is no mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			o := d.order()
			no := d.live(o, tc.wrong).Attempts[0].ID
			path := "/v1/orders/" + o.ID + "/payments/" + no.String() + "/" + tc.call
			a := d.call("operator", "POST", path, `{"note":"agreed on the phone"}`)
			if tc.refusing != "" {
				require.Contains(t, a.problem(api.NotAllowed).Detail, tc.refusing)
			} else {
				require.Equal(t, tc.status, want[api.Order](a, 200).Status)
				require.Equal(t, a.Body.String(), d.call("operator", "POST", path, `{"note":"and again"}`).Body.String())
			}
			now := want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200)
			require.Equal(t, tc.status, now.Status)
			require.Equal(t, tc.held, now.Hold)
			if tc.call == "return" && tc.refusing == "" {
				require.Len(t, now.Refunds, 1)
				require.Equal(t, int64(3999), now.Refunds[0].Amount)
				require.Contains(t, now.BuyerNote, "on its way back")
			}
		})
	}
}

func TestTheRefundOfAnotherCurrencyIsInIt(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	no := d.live(o, func(r *order.Receipt) { r.Currency = "USD" }).Attempts[0].ID.Compact()
	v := want[api.Order](d.call("operator", "POST", "/v1/orders/"+o.ID+"/payments/"+no+"/return", `{"note":"n"}`), 200)
	require.Equal(t, "USD", v.Refunds[0].Currency)
	require.Equal(t, "USD", v.Attempts[0].PaidCurrency)
	require.Equal(t, "CNY", v.Attempts[0].Currency)
}

// D9: "delivered" comes when the money is already on its way back.
func TestADeliveryConflict(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		steps   []func(*order.Order) error
		outcome string
		status  string
		refusal string
	}{
		"delivered after all":     {[]func(*order.Order) error{soldOut}, "delivered", "delivered", ""},
		"the refund stands":       {[]func(*order.Order) error{soldOut}, "refunded", "refunding", ""},
		"asked for, stands":       {[]func(*order.Order) error{soldOut, submitted}, "refunded", "refunding", ""},
		"asked for, too late now": {[]func(*order.Order) error{soldOut, submitted}, "delivered", "refunding", "resolve it as refunded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			o := d.order()
			d.live(o, nil, tc.steps...)
			path := "/v1/orders/" + o.ID
			resolution := `{"outcome":"` + tc.outcome + `","note":"the courier says so"}`
			require.Contains(t, d.call("operator", "POST", path+"/conflict", resolution).problem(api.NotAllowed).Detail, "there is none")

			claimed := want[api.Order](d.call("merchant", "POST", path+"/delivery", `{"status":"delivered","proof":"SF9"}`), 200)
			require.Equal(t, order.HoldConflict, claimed.Hold)
			require.Equal(t, "SF9", claimed.Delivery.Claim)
			require.NotZero(t, claimed.Delivery.ClaimAt)

			a := d.call("operator", "POST", path+"/conflict", resolution)
			if tc.refusal != "" {
				require.Contains(t, a.problem(api.NotAllowed).Detail, tc.refusal)
				return
			}
			v := want[api.Order](a, 200)
			require.Equal(t, tc.status, v.Status)
			require.Empty(t, v.Hold)
			require.Equal(t, a.Body.String(), d.call("operator", "POST", path+"/conflict", resolution).Body.String())
			if tc.outcome == "delivered" {
				require.Equal(t, "canceled", v.Refunds[0].Status)
			}
		})
	}
}

func TestTheTimelineHasWhatEventsSay(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.order()
	d.live(o, nil, func(o *order.Order) error { return o.Overdue(o.OverdueAt(order.OverdueReminded)) }, func(o *order.Order) error {
		o.Requeued("payment:query/x", "operator:alice", "mended", o.CreatedAt)
		return nil
	}, soldOut)
	events := want[api.Timeline](d.call("operator", "GET", "/v1/orders/"+o.ID+"/events", ""), 200).Events
	require.Equal(t, 1, events[3].Level, events)
	require.Equal(t, "payment:query/x", events[4].Task)
	require.Equal(t, "mended", events[4].Reason)
	require.Equal(t, "operator:alice", events[4].Actor)
	seen := want[api.Timeline](d.call("merchant", "GET", "/v1/orders/"+o.ID+"/events", ""), 200).Events[4]
	require.Equal(t, "operator", seen.Actor, "which operator acted is nothing to a merchant")
	require.Empty(t, seen.Reason, "nor why")
	require.Equal(t, "applied", events[6].Disposition)
	require.Equal(t, 1, want[api.Order](d.call("app", "GET", "/v1/orders/"+o.ID, ""), 200).Delivery.Overdue)
}
