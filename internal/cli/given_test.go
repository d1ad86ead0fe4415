package cli

import (
	"context"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// stories are what an order of a script can have lived through, after its
// payment of paid was booked.
func stories() map[string]struct {
	paid  int64
	steps []func(o *order.Order, now time.Time) error
} {
	const shop = order.Actor("merchant:m_1")
	type steps = []func(o *order.Order, now time.Time) error
	sold := func(o *order.Order, now time.Time) error { return o.Deliver("SF1", shop, now) }
	soldOut := func(o *order.Order, now time.Time) error { return o.FailDelivery("sold out", shop, now) }
	claimed := func(o *order.Order, now time.Time) error { return o.Deliver("SF9", shop, now) }
	asked := func(o *order.Order, now time.Time) error { return o.SubmitRefund(o.Refunds[0].ID, now) }
	return map[string]struct {
		paid  int64
		steps steps
	}{
		"paid":                     {1000, nil},
		"mismatch":                 {999, nil},
		"delivered":                {1000, steps{sold}},
		"conflict":                 {1000, steps{soldOut, claimed}},
		"too late":                 {1000, steps{soldOut, asked, claimed}},
		"mismatch after the close": {999, steps{func(o *order.Order, now time.Time) error { return o.Cancel("", "app:shop", now) }}},
		"abnormal": {1000, steps{soldOut, asked, func(o *order.Order, now time.Time) error {
			return o.AbnormalRefund(o.Refunds[0].ID, "the card is closed", now)
		}}},
		"refund": {1000, steps{sold, func(o *order.Order, now time.Time) error {
			_, err := o.AskRefund(100, "a dent", "app:shop", now)
			return err
		}}},
	}
}

// given makes an order and sets ORDER and DELIVERY to their ids, PAYMENT and
// REFUND to their numbers.
func given(ts *testscript.TestScript, _ bool, args []string) {
	story, ok := stories()[args[0]]
	if !ok {
		ts.Fatalf("there is no story %q", args[0])
	}
	ctx, now := context.Background(), now()
	d, err := db.Open(ctx, ts.Getenv("DATABASE_URL"), 2)
	ts.Check(err)
	defer d.Close()
	store := db.NewStore(d, db.StoreOptions{Log: zap.NewNop()})
	defer store.Close()
	o, err := order.New(ident.New[order.Order](), order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", Items: []order.Item{{SKU: "TEA", Quantity: 1, UnitPrice: 1000}},
	}, "app:shop", now)
	ts.Check(err)
	a, err := o.Pay("sandbox", "app:shop", now)
	ts.Check(err)
	_, err = d.PutMerchant(ctx, merchant.Merchant{ID: "m_1", Name: "Tea House", CreatedAt: now})
	ts.Check(err)
	ts.Check(store.Create(ctx, o, nil))
	ts.Check(store.Update(ctx, o.ID, nil, func(locked *order.Order) error {
		o = locked
		r := order.Receipt{Attempt: a.ID, Channel: "sandbox", TradeNo: "T1", Amount: story.paid, Currency: "CNY", PaidAt: now}
		if err := o.Receive(r, now); err != nil {
			return err
		}
		for _, take := range story.steps {
			if err := take(o, now); err != nil {
				return err
			}
		}
		return nil
	}))
	ts.Setenv("ORDER", o.ID.String())
	ts.Setenv("PAYMENT", a.ID.Compact())
	ts.Setenv("DELIVERY", order.DeliveryID(o.ID).String())
	if len(o.Refunds) > 0 {
		ts.Setenv("REFUND", o.Refunds[0].ID.Compact())
	}
}
