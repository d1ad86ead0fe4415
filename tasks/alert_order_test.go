package tasks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// What is read at night: which order, how much money, and what to type.
func TestWhatAlertsSay(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	a, r := ident.WithPart[order.Attempt](id, 1), ident.WithPart[order.Refund](id, 0x40)
	o := &order.Order{
		ID: id, MerchantID: "m_1", Currency: "CNY", DeliverWithin: 48 * time.Hour,
		Attempts: []*order.Attempt{{ID: a, Channel: "sandbox", Disposition: order.Applied, PaidAmount: 1999, PaidCurrency: "CNY"}},
		Delivery: &order.Delivery{DeliverBy: noon},
	}
	for _, tc := range []struct {
		event  order.EventType
		detail order.Detail
		name   tasks.AlertName
		says   []string
	}{
		{order.EventMismatch, order.Detail{Attempt: a, Channel: "sandbox", Amount: 5, Currency: "CNY", Reason: "asked for 19.99 CNY, got 0.05 CNY"}, tasks.AlertMismatch, []string{"At 2026-03-01T12:30:00Z it goes back by itself", "asked for 19.99 CNY, got 0.05 CNY", "orderflow order accept-payment " + a.Compact(), "orderflow order return-payment " + a.Compact()}},
		{order.EventMismatch, order.Detail{Attempt: a, Channel: "sandbox", Reason: "asked for 19.99 CNY, got 0.00 CNY"}, tasks.AlertMismatch, []string{"No money is there to give back", "orderflow order show " + id.String()}},
		{order.EventRefundAbnormal, order.Detail{Refund: r, Channel: "sandbox", Amount: 1999, Currency: "CNY", Reason: "account\nclosed"}, tasks.AlertRefundAbnormal, []string{"19.99 CNY", "account closed", "orderflow refund retry " + r.Compact(), "orderflow refund paid-out " + r.Compact()}},
		{order.EventDeliveryFailed, order.Detail{Reason: "sold out"}, tasks.AlertDeliveryFailed, []string{"m_1", "19.99 CNY", "sold out", "orderflow order show " + id.String()}},
		{order.EventOverdue, order.Detail{Level: 2}, tasks.AlertDeliveryOverdue, []string{"m_1", "due 2026-03-01T12:00:00Z", "At 2026-03-03T12:00:00Z it is called off", "orderflow order cancel " + id.String()}},
		{order.EventConflict, order.Detail{Proof: "SF1"}, tasks.AlertDeliveryConflict, []string{"(SF1)", "19.99 CNY", "orderflow order resolve " + id.String()}},
	} {
		t.Run(string(tc.event), func(t *testing.T) {
			t.Parallel()
			owed, _ := tasks.DefaultTerms().Follow(o, order.Event{Seq: 7, Type: tc.event, At: noon, Detail: tc.detail})
			m := owed[len(owed)-1]
			require.Equal(t, tasks.AlertSend, m.Kind)
			require.Equal(t, noon, m.Due)
			got, err := tasks.ReadAlert(m.Payload)
			require.NoError(t, err)
			require.Equal(t, tc.name, got.Name)
			require.Contains(t, tasks.AlertNames(), got.Name)
			require.Equal(t, id, got.Order)
			for _, words := range append(tc.says, id.String()) {
				require.Contains(t, got.Text, words)
			}
			require.NotContains(t, got.Text, "…", "the command is not cut off")
		})
	}
}

// However long others make their names and reasons, the command is whole.
func TestAlertsOfOrdersEndInAWholeCommand(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	a, r := ident.WithPart[order.Attempt](id, 1), ident.WithPart[order.Refund](id, 0x40)
	long := strings.Repeat("汉", 256)
	o := &order.Order{
		ID: id, MerchantID: long[:3*42], Currency: "CNY", DeliverWithin: 48 * time.Hour, Delivery: &order.Delivery{DeliverBy: noon},
		Attempts: []*order.Attempt{{ID: a, Channel: long, Disposition: order.Applied, PaidAmount: order.MaxAmount, PaidCurrency: "CNY"}},
	}
	for event, end := range map[order.EventType]string{
		order.EventMismatch: "orderflow order return-payment " + a.Compact() + " --why WHY", order.EventRefundAbnormal: "--voucher NO --why WHY", order.EventDeliveryFailed: "orderflow order show " + id.String(),
		order.EventOverdue: "orderflow order cancel " + id.String() + " --why WHY", order.EventConflict: "--as delivered|refunded --why WHY",
	} {
		owed, _ := tasks.DefaultTerms().Follow(o, order.Event{Seq: 7, Type: event, At: noon, Detail: order.Detail{
			Level: 2, Attempt: a, Refund: r, Channel: long, Amount: order.MaxAmount, Currency: "CNY", Reason: long, Proof: long,
		}})
		got, err := tasks.ReadAlert(owed[len(owed)-1].Payload)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(got.Text, end), "%s: %s", event, got.Text)
	}
	twice, err := tasks.ReadAlert(tasks.RefundTwice(&order.Refund{ID: r, Voucher: long}, o.Attempts[0], order.MaxAmount, noon).Payload)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(twice.Text, "orderflow order show "+id.String()), twice.Text)
}

// What is held, what is not, and a whole command, however long the names are.
func TestTheAlertOfADisabledEndpoint(t *testing.T) {
	t.Parallel()
	shop, refused := strings.Repeat("m", 64), ident.New[order.Order]().String()
	e := merchant.Endpoint{ID: ident.New[merchant.Endpoint](), MerchantID: shop, Health: merchant.Health{GoneNotice: refused, LastError: strings.Repeat("汉", 256)}}
	said := func() string {
		m, rings := tasks.EndpointAlert(e, merchant.EndpointDisabled, noon)
		require.True(t, rings)
		a, err := tasks.ReadAlert(m.Payload)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(a.Text, "orderflow endpoint resume "+shop+" "+e.ID.String()), a.Text)
		require.Contains(t, a.Text, "what it should hear is held")
		return a.Text
	}
	require.Contains(t, said(), "what it answered with 410 is over, see orderflow notice show "+refused)
	e.Health.GoneNotice = ""
	require.NotContains(t, said(), "410")
}

func TestABalanceThatIsShortRingsOnceAnHour(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	r := &order.Refund{ID: ident.WithPart[order.Refund](id, 0x40), Amount: 1999}
	other := &order.Refund{ID: ident.WithPart[order.Refund](ident.New[order.Order](), 0x40), Amount: 5}
	a := &order.Attempt{Channel: "sandbox", PaidCurrency: "CNY"}
	first := tasks.BalanceShort(r, a, noon)
	require.Equal(t, first.Key, tasks.BalanceShort(other, a, noon.Add(59*time.Minute)).Key)
	require.NotEqual(t, first.Key, tasks.BalanceShort(r, a, noon.Add(time.Hour)).Key)
	require.NotEqual(t, first.Key, tasks.BalanceShort(r, &order.Attempt{Channel: "other"}, noon).Key)
	said, err := tasks.ReadAlert(first.Payload)
	require.NoError(t, err)
	require.Contains(t, said.Text, "Our balance at sandbox is short: 19.99 CNY of order "+id.String())
}
