package order_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

func TestNew(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	d := draft()
	d.MerchantOrderNo, d.Metadata = "A-1", map[string]string{"note": "two\nlines are fine"}
	o, err := order.New(id, d, app, noon)
	require.NoError(t, err)
	require.Equal(t, order.PendingPay, o.Status)
	require.Equal(t, int64(1250), o.Amount)
	require.Equal(t, noon.Add(15*time.Minute), o.ExpireAt)
	require.Equal(t, 1, o.Version)
	require.Equal(t, []order.Event{{
		Seq: 1, Type: order.EventCreated, Status: order.PendingPay, Actor: app, At: noon,
		Detail: order.Detail{Amount: 1250, Currency: "CNY"},
	}}, o.Events())
}

// Timers know whole seconds: an order is never closed before it says.
func TestExpiryIsAWholeSecondAndNeverEarly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ made, within, want time.Duration }{
		{0, time.Minute, time.Minute},
		{1, time.Minute, time.Minute + time.Second},
		{500 * time.Millisecond, time.Minute, 61 * time.Second},
		{999_999_999, time.Minute, 61 * time.Second},
		{time.Second, time.Minute, 61 * time.Second},
		{0, 1500 * time.Millisecond, 2 * time.Second},
	} {
		d := draft()
		d.PayWithin = tc.within
		o, err := order.New(ident.New[order.Order](), d, app, noon.Add(tc.made))
		require.NoError(t, err)
		require.Equal(t, noon.Add(tc.want), o.ExpireAt, "made at +%s, to be paid within %s", tc.made, tc.within)
		require.ErrorIs(t, o.Expire(o.ExpireAt.Add(-1)), order.ErrNotAllowed)
		require.NoError(t, o.Expire(o.ExpireAt))
	}
}

func TestDraftsThatAreNoOrder(t *testing.T) {
	t.Parallel()
	many := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint(i)] = ""
		}
		return m
	}
	for _, tc := range []struct {
		name   string
		spoil  func(*order.Draft)
		fields []string
	}{
		{"no merchant", func(d *order.Draft) { d.MerchantID = "" }, []string{"merchant_id"}},
		{"no buyer", func(d *order.Draft) { d.BuyerID = "" }, []string{"buyer_id"}},
		{"long buyer", func(d *order.Draft) { d.BuyerID = strings.Repeat("b", 129) }, []string{"buyer_id"}},
		{"buyer with a NUL", func(d *order.Draft) { d.BuyerID = "b\x00" }, []string{"buyer_id"}},
		{"number that is not UTF-8", func(d *order.Draft) { d.MerchantOrderNo = "\xff" }, []string{"merchant_order_no"}},
		{"no currency", func(d *order.Draft) { d.Currency = "" }, []string{"currency"}},
		{"lower-case currency", func(d *order.Draft) { d.Currency = "cny" }, []string{"currency"}},
		{"half lower-case currency", func(d *order.Draft) { d.Currency = "CNy" }, []string{"currency"}},
		{"no such currency", func(d *order.Draft) { d.Currency = "QQQ" }, []string{"currency"}},
		{"currency with more", func(d *order.Draft) { d.Currency = "CNY " }, []string{"currency"}},
		{"window too short", func(d *order.Draft) { d.PayWithin = time.Second - 1 }, []string{"pay_within_seconds"}},
		{"window negative", func(d *order.Draft) { d.PayWithin = -time.Second }, []string{"pay_within_seconds"}},
		{"window too long", func(d *order.Draft) { d.PayWithin = order.MaxPayWindow + 1 }, []string{"pay_within_seconds"}},
		{"no items", func(d *order.Draft) { d.Items = nil }, []string{"items"}},
		{"too many items", func(d *order.Draft) { d.Items = make([]order.Item, order.MaxItems+1) }, nil},
		{"no SKU", func(d *order.Draft) { d.Items[1].SKU = "" }, []string{"items[1].sku"}},
		{"name with a line break", func(d *order.Draft) { d.Items[0].Name = "a\nb" }, []string{"items[0].name"}},
		{"no quantity", func(d *order.Draft) { d.Items[0].Quantity = 0 }, []string{"items[0].quantity"}},
		{"quantity too great", func(d *order.Draft) { d.Items[0].Quantity = order.MaxUnits + 1 }, []string{"items[0].quantity"}},
		{"negative price", func(d *order.Draft) { d.Items[0].UnitPrice = -1 }, []string{"items[0].unit_price"}},
		{"price too great", func(d *order.Draft) { d.Items[0].UnitPrice = order.MaxAmount + 1 }, []string{"items[0].unit_price"}},
		{"quantity and price", func(d *order.Draft) { d.Items[0] = order.Item{SKU: "TEA", Quantity: -1, UnitPrice: -1} }, []string{"items[0].quantity", "items[0].unit_price"}},
		{"all for nothing", func(d *order.Draft) { d.Items = d.Items[:1]; d.Items[0].UnitPrice = 0 }, []string{"items"}},
		{"product over the limit", func(d *order.Draft) { d.Items[0] = order.Item{SKU: "TEA", Quantity: 2, UnitPrice: order.MaxAmount} }, []string{"items"}},
		{"product over an int64", func(d *order.Draft) {
			d.Items[0] = order.Item{SKU: "TEA", Quantity: order.MaxUnits, UnitPrice: order.MaxAmount}
		}, []string{"items"}},
		{"product that would come out small", func(d *order.Draft) {
			d.Items[0] = order.Item{SKU: "TEA", Quantity: 1 << 29, UnitPrice: 1 << 49} // 2⁷⁸ is 0 in an int64
		}, []string{"items"}},
		{"sum over the limit, and a fault after it", func(d *order.Draft) {
			d.Items = []order.Item{{SKU: "A", Quantity: 1, UnitPrice: order.MaxAmount}, {SKU: "B", Quantity: 1, UnitPrice: 1}, {Quantity: 1}}
		}, []string{"items[2].sku", "items"}},
		{"too much metadata", func(d *order.Draft) { d.Metadata = many(order.MaxMetadata + 1) }, []string{"metadata"}},
		{"metadata without a key", func(d *order.Draft) { d.Metadata = map[string]string{"": "x"} }, []string{"metadata"}},
		{"metadata with a NUL", func(d *order.Draft) { d.Metadata = map[string]string{"k": "\x00"} }, []string{"metadata"}},
		{"metadata too long", func(d *order.Draft) { d.Metadata = map[string]string{"k": strings.Repeat("v", 513)} }, []string{"metadata"}},
		{"everything", func(d *order.Draft) { *d = order.Draft{PayWithin: 1} }, []string{"merchant_id", "buyer_id", "currency", "pay_within_seconds", "items"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := draft()
			tc.spoil(&d)
			o, err := order.New(ident.New[order.Order](), d, app, noon)
			require.Nil(t, o)
			var faults order.Invalid
			require.ErrorAs(t, err, &faults)
			if tc.fields == nil { // one of many
				require.Equal(t, "items", faults[0].Field)
				return
			}
			var fields []string
			for _, f := range faults {
				require.NotEmpty(t, f.Message)
				fields = append(fields, f.Field)
			}
			require.Equal(t, tc.fields, fields)
		})
	}
}

func TestTheGreatestOrderThatFits(t *testing.T) {
	t.Parallel()
	d := draft()
	d.Items = []order.Item{{SKU: "A", Quantity: 1, UnitPrice: order.MaxAmount - 1}, {SKU: "B", Quantity: 1, UnitPrice: 1}, {SKU: "GIFT", Quantity: order.MaxUnits}}
	d.PayWithin = order.MaxPayWindow
	d.BuyerID = strings.Repeat("b", 128)
	o, err := order.New(ident.New[order.Order](), d, app, noon)
	require.NoError(t, err)
	require.Equal(t, order.MaxAmount, o.Amount)
}

func TestInvalidCountsItsFaults(t *testing.T) {
	t.Parallel()
	one := order.Invalid{{Field: "currency", Message: "is required"}}
	require.EqualError(t, one, "currency: is required")
	require.EqualError(t, append(one, one...), "currency: is required (and 1 more)")
}
