package merchant

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.FixedZone("CST", 8*3600))

func paidOrder(t testing.TB) *order.Order {
	t.Helper()
	id, err := ident.Parse[order.Order]("01960000-0000-7000-8000-000000000000")
	require.NoError(t, err)
	o, err := order.New(id, order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", MerchantOrderNo: "A-17", Currency: "CNY",
		Items:    []order.Item{{SKU: "tea", Name: "Tea <green> & 茶", Quantity: 2, UnitPrice: 950, Tracked: true}},
		Metadata: map[string]string{"table": "7", "demo": "deliver"},
	}, "app:shop", noon)
	require.NoError(t, err)
	_, err = o.Pay("alipay", "app:shop", noon) // left open: not the payment
	require.NoError(t, err)
	a, err := o.Pay("sandbox", "app:shop", noon)
	require.NoError(t, err)
	require.NoError(t, o.Claim(a.ID, "app:shop", noon))
	require.NoError(t, o.Receive(order.Receipt{
		Attempt: a.ID, Channel: "sandbox", TradeNo: "T1", Amount: 1900, Currency: "CNY", PaidAt: noon.Add(time.Second),
	}, noon.Add(2*time.Second)))
	return o
}

func TestOrderPaidBody(t *testing.T) {
	t.Parallel()
	const want = `{"type":"order.paid","timestamp":"2026-03-04T04:00:03.123456Z","data":{"order":{` +
		`"id":"01960000-0000-7000-8000-000000000000","merchant_id":"m_1","buyer_id":"b_1","merchant_order_no":"A-17",` +
		`"currency":"CNY","amount":1900,"status":"paid",` +
		`"items":[{"sku":"tea","name":"Tea <green> & 茶","quantity":2,"unit_price":950}],` +
		`"metadata":{"demo":"deliver","table":"7"},` +
		`"created_at":"2026-03-04T04:00:00.123456Z","paid_at":"2026-03-04T04:00:01.123456Z","deliver_by":"2026-03-06T04:00:03Z",` +
		`"payment":{"id":"01960000000070008000000000000002","channel":"sandbox","trade_no":"T1",` +
		`"amount":1900,"currency":"CNY","paid_at":"2026-03-04T04:00:01.123456Z"}}}}`
	require.Equal(t, want, string(told(t, paidOrder(t))))
}

func told(t *testing.T, o *order.Order) []byte {
	t.Helper()
	n, tells := NoticeOf(o, order.Event{Type: order.EventPaid, At: noon.Add(3 * time.Second)})
	require.True(t, tells)
	require.Equal(t, order.DeliveryID(o.ID).String(), n.ID)
	require.Equal(t, o.MerchantID, n.MerchantID)
	require.Equal(t, OrderPaid, n.Type)
	return n.Body
}

func TestOrderPaidBodyIsAlwaysJSON(t *testing.T) {
	t.Parallel()
	o := paidOrder(t)
	o.Items[0].Name = "broken \xff UTF-8"
	o.Metadata = nil
	o.PaidAt = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC) // encoding/json refuses a time.Time beyond year 9999
	require.True(t, json.Valid(told(t, o)))
}

func BenchmarkOrderPaid(b *testing.B) {
	o := paidOrder(b)
	b.ReportAllocs()
	for b.Loop() {
		NoticeOf(o, order.Event{Type: order.EventPaid, At: noon})
	}
}
