package order_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

func TestAnAttemptIsClaimedAtOnce(t *testing.T) {
	t.Parallel()
	o := fresh(t)
	a, err := o.Pay("sandbox", app, noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, &order.Attempt{
		ID: ident.WithPart[order.Attempt](o.ID, 1), Channel: "sandbox", Status: order.AttemptPaying,
		Amount: 1250, Currency: "CNY", ExpireAt: o.ExpireAt, CreatedAt: noon.Add(time.Minute),
	}, a)
	require.Same(t, a, o.Attempt(a.ID))
	require.Equal(t, order.Detail{Attempt: a.ID, Channel: "sandbox", Amount: 1250, Currency: "CNY"}, o.Events()[0].Detail)
}

// An attempt needs time to be paid: a minute, or half of a window that is
// shorter than two.
func TestPayNeedsTime(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		window time.Duration
		left   time.Duration
		want   byte
	}{
		{"plenty", 15 * time.Minute, 14 * time.Minute, 't'},
		{"a minute", 15 * time.Minute, time.Minute, 't'},
		{"less than a minute", 15 * time.Minute, time.Minute - time.Nanosecond, 'r'},
		{"none", 15 * time.Minute, 0, 'r'},
		{"too late", 15 * time.Minute, -time.Second, 'r'},
		{"a minute of two", 2 * time.Minute, time.Minute, 't'},
		{"less than a minute of two", 2 * time.Minute, 59 * time.Second, 'r'},
		{"all of a short window", 10 * time.Second, 10 * time.Second, 't'},
		{"half of a short window", 10 * time.Second, 5 * time.Second, 't'},
		{"less than half of a short window", 10 * time.Second, 5*time.Second - 1, 'r'},
		{"the shortest window", time.Second, time.Second, 't'},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := draft()
			d.PayWithin = tc.window
			o, err := order.New(ident.New[order.Order](), d, app, noon)
			require.NoError(t, err)
			asks(t, o, func(o *order.Order) error { _, err := o.Pay("sandbox", app, o.ExpireAt.Add(-tc.left)); return err }, tc.want, tc.name)
		})
	}
}

func TestAttemptsHaveALimit(t *testing.T) {
	t.Parallel()
	o := fresh(t)
	seen := map[order.AttemptID]bool{}
	for range 16 {
		a := pay(t, o)
		require.Equal(t, o.ID, order.Family(a.ID))
		seen[a.ID] = true
	}
	require.Len(t, seen, 16)
	asks(t, o, func(o *order.Order) error { _, err := o.Pay("sandbox", app, noon); return err }, 'r', "the 17th")

	// Each of them paid: all but one go back, each after the channel closed two
	// of its refunds, and all that can be asked for after the sale is asked for.
	// No number meets another.
	for _, a := range o.Attempts {
		require.NoError(t, o.Receive(receipt(a), noon))
	}
	require.Len(t, o.Refunds, 15)
	require.NoError(t, o.Deliver("", merchant, noon))
	for range 16 {
		_, err := o.AskRefund(1, "scratched", app, noon)
		require.NoError(t, err)
	}
	asks(t, o, func(o *order.Order) error { _, err := o.AskRefund(1, "scratched", app, noon); return err }, 'r', "the 17th")
	for range 3 {
		for _, r := range o.Clone().Refunds {
			if r.Status == order.RefundCreated {
				require.NoError(t, o.SubmitRefund(r.ID, noon))
				require.NoError(t, o.CloseRefund(r.ID, "account closed", noon))
			}
		}
	}
	require.Equal(t, order.HoldRefundAbnormal, o.Hold)
	require.Len(t, o.Refunds, 15*3+16+2)
	haveOwnNumbers(t, o)
}

// haveOwnNumbers says that no id of an order or of one of its parts meets another.
func haveOwnNumbers(t *testing.T, o *order.Order) {
	t.Helper()
	ids := map[string]bool{o.ID.String(): true, order.DeliveryID(o.ID).String(): true, order.RevokeNoticeID(o.ID).String(): true, order.ReminderID(o.ID).String(): true}
	for _, a := range o.Attempts {
		require.Equal(t, o.ID, order.Family(a.ID))
		ids[a.ID.String()] = true
	}
	for _, r := range o.Refunds {
		require.Same(t, r, o.Refund(r.ID))
		require.Equal(t, o.ID, order.Family(r.ID))
		ids[r.ID.String()] = true
	}
	require.Len(t, ids, 4+len(o.Attempts)+len(o.Refunds))
}
