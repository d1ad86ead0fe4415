package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

func TestParseID(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	for _, s := range []string{id.String(), id.Compact()} {
		got, err := order.ParseID(s)
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
	for _, part := range []byte{0x01, 0x3f, 0x40, 0x7f, 0x80, 0xff} {
		_, err := order.ParseID(ident.WithPart[order.Order](id, part).Compact())
		require.ErrorIs(t, err, order.ErrNotAllowed)
		require.ErrorContains(t, err, id.String(), "it names the order that was meant")
		require.Regexp(t, "^the id ", err.Error(), "it begins with a word, which a sentence may capitalise")
	}
	_, err := order.ParseID("42")
	require.Error(t, err)
	require.NotErrorIs(t, err, order.ErrNotAllowed)
}

func TestFamily(t *testing.T) {
	t.Parallel()
	o := open(t)
	require.Equal(t, o.ID, order.Family(o.ID))
	require.Equal(t, o.ID, order.Family(o.Attempts[0].ID))
	require.Equal(t, o.ID, order.Family(order.DeliveryID(o.ID)))
	require.NotEqual(t, o.ID.String(), order.DeliveryID(o.ID).String())
}

// What goes to the merchant and what is kept always make up the whole, nobody
// is charged more than all, and a greater order never costs less.
func TestFee(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		bps          int
		amount, want int64
	}{
		{0, 1_000_000, 0},
		{60, 1250, 7},
		{60, 166, 0},
		{60, 167, 1},
		{10_000, 1, 1},
		{10_000, order.MaxAmount, order.MaxAmount},
		{1, order.MaxAmount, order.MaxAmount / 10_000},
		{9999, 10_001, 9999},
	} {
		require.Equal(t, tc.want, (&order.Order{FeeBps: tc.bps}).Fee(tc.amount), "%d bps of %d", tc.bps, tc.amount)
	}
	rapid.Check(t, func(t *rapid.T) {
		o := &order.Order{FeeBps: rapid.IntRange(0, 10_000).Draw(t, "bps")}
		amount := rapid.Int64Range(0, order.MaxAmount-1).Draw(t, "amount")
		fee := o.Fee(amount)
		if fee < 0 || fee > amount {
			t.Fatalf("fee %d of %d", fee, amount)
		}
		if more := o.Fee(amount + 1); more < fee || more > fee+1 {
			t.Fatalf("fee %d of %d, but %d of one more", fee, amount, more)
		}
	})
}

func TestStockMoves(t *testing.T) {
	t.Parallel()
	d := draft()
	d.Items = []order.Item{
		{SKU: "TEA", Quantity: 2, UnitPrice: 1, Tracked: true},
		{SKU: "CUP", Quantity: 1, UnitPrice: 1},
		{SKU: "POT", Quantity: 1, UnitPrice: 1, Tracked: true},
		{SKU: "TEA", Quantity: 3, UnitPrice: 1, Tracked: true},
	}
	o, err := order.New(ident.New[order.Order](), d, app, noon)
	require.NoError(t, err)
	for _, tc := range []struct {
		event    order.EventType
		delivery order.DeliveryStatus
		want     order.StockKind // "": nothing moves
	}{
		{order.EventCreated, "", order.StockHold},
		{order.EventClosing, "", ""},
		{order.EventClosed, "", order.StockRelease},
		{order.EventPaid, "", order.StockConsume},
		{order.EventLatePayment, "", ""},
		{order.EventMismatch, "", ""},
		{order.EventDelivered, order.DeliveryDone, ""},
		{order.EventRefundSucceeded, order.DeliveryFailed, ""},
		{order.EventRefunded, order.DeliveryFailed, order.StockRestock},
		{order.EventRefunded, order.DeliveryRevoked, order.StockRestock},
		{order.EventRefunded, order.DeliveryDone, ""}, // the goods are gone
	} {
		o.Delivery = &order.Delivery{Status: tc.delivery}
		got := order.StockMoves(o, order.Event{Type: tc.event})
		if tc.want == "" {
			require.Empty(t, got, tc.event)
			continue
		}
		require.Equal(t, []order.StockMove{{SKU: "TEA", Kind: tc.want, Quantity: 5}, {SKU: "POT", Kind: tc.want, Quantity: 1}}, got, tc.event)
	}
}

func TestACloneIsIndependent(t *testing.T) {
	t.Parallel()
	for _, s := range order.Statuses() {
		o := in(t, s)
		before := o.Clone()
		c := o.Clone()
		require.Equal(t, before, c)
		c.Status, c.Hold, c.Version = "changed", "changed", 99
		for _, a := range c.Attempts {
			a.Status = "changed"
		}
		for _, r := range c.Refunds {
			r.Status = "changed"
		}
		if c.Delivery != nil {
			c.Delivery.Status = "changed"
		}
		c.Attempts = append(c.Attempts, &order.Attempt{})
		require.Equal(t, before, o.Clone(), s)
	}
	// Two copies that go on from the same events do not write over each other's.
	o := open(t)
	require.NoError(t, o.FailAttempt(o.Attempts[0].ID, "", noon))
	one, two := o.Clone(), o.Clone()
	require.NoError(t, one.Cancel("one", app, noon))
	require.NoError(t, two.Expire(two.ExpireAt))
	require.Equal(t, "one", one.Events()[1].Detail.Reason)
	require.Len(t, o.Events(), 1)
}

func TestForget(t *testing.T) {
	t.Parallel()
	o := open(t)
	require.NoError(t, o.Cancel("", app, noon))
	version := o.Version
	o.Forget()
	require.Empty(t, o.Events())
	require.Equal(t, version, o.Version)
}

func TestReceived(t *testing.T) {
	t.Parallel()
	require.Zero(t, in(t, order.PendingPay).Received())
	require.Zero(t, in(t, order.Closed).Received())
	require.Equal(t, int64(1250), in(t, order.Paid).Received())
	require.Equal(t, int64(1250), in(t, order.Refunded).Received(), "what came, not what is left")
	require.Equal(t, int64(3), order.Stock{OnHand: 5, Held: 2}.Available())
}

func TestDetailOnOneLine(t *testing.T) {
	t.Parallel()
	o := in(t, order.Refunding)
	a, r := o.Attempts[0].ID, o.Refunds[0].ID
	require.Empty(t, order.Detail{}.String())
	require.Equal(t,
		"amount=0.05 CNY payment="+a.Compact()+" refund="+r.Compact()+" channel=sandbox trade_no=T1 proof=SF1 reason=lost",
		order.Detail{Attempt: a, Refund: r, Channel: "sandbox", TradeNo: "T1", Amount: 5, Currency: "CNY", Reason: "lost", Proof: "SF1"}.String())
	require.Equal(t, "amount=5", order.Detail{Amount: 5}.String())
	require.Equal(t, order.Actor("channel:x"), order.ByChannel("x"))
}
