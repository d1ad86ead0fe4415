package db_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// place writes an order as a list sees it.
func place(t *testing.T, d *db.DB, merchantID, buyerID string, status order.Status) order.ID {
	t.Helper()
	id := ident.New[order.Order]()
	run(t, d, `INSERT INTO orders (id, merchant_id, buyer_id, currency, amount, fee_bps, status, version, items, created_at, expire_at)
		VALUES (?, ?, ?, 'CNY', 100, 0, ?, 1, '[]', ?, ?)`, id, merchantID, buyerID, status, nine, nine)
	return id
}

func TestOrderIDs(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	a := place(t, d, "m_1", "b_1", order.Paid)
	b := place(t, d, "m_1", "b_2", order.Closed)
	c := place(t, d, "m_2", "b_1", order.Paid)
	e := place(t, d, "m_1", "b_1", order.Closed)
	for _, tc := range []struct {
		name   string
		filter order.Filter
		want   []order.ID
	}{
		{"all, newest first", order.Filter{}, []order.ID{e, c, b, a}},
		{"of a merchant", order.Filter{MerchantID: "m_1"}, []order.ID{e, b, a}},
		{"of a buyer", order.Filter{BuyerID: "b_1"}, []order.ID{e, c, a}},
		{"in a status", order.Filter{Status: order.Closed}, []order.ID{e, b}},
		{"by all three", order.Filter{MerchantID: "m_1", BuyerID: "b_1", Status: order.Paid}, []order.ID{a}},
		{"of nobody", order.Filter{MerchantID: "m_1' OR '1'='1"}, nil},
		{"a page", order.Filter{Limit: 2}, []order.ID{e, c}},
		{"the page after it", order.Filter{Limit: 2, Before: c}, []order.ID{b, a}},
		{"after the last", order.Filter{Before: a}, nil},
		{"a page of a merchant's", order.Filter{MerchantID: "m_1", Before: e, Limit: 1}, []order.ID{b}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := d.OrderIDs(t.Context(), tc.filter)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAPageIsBounded(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	run(t, d, `INSERT INTO orders (id, merchant_id, buyer_id, currency, amount, fee_bps, status, version, items, created_at, expire_at)
		SELECT gen_random_uuid(), 'm', 'b', 'CNY', 100, 0, 'paid', 1, '[]', now(), now() FROM generate_series(1, 250)`)
	for asked, want := range map[int]int{-1: 50, 0: 50, 1: 1, 200: 200, 1_000_000: 200} {
		got, err := d.OrderIDs(t.Context(), order.Filter{Limit: asked})
		require.NoError(t, err)
		require.Len(t, got, want, "asked for %d", asked)
	}
}

func TestASearchThatTakesTooLong(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for the search's limit, 3 s")
	}
	d, ctx := dbtest.New(t), t.Context()
	tx, err := d.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)

	_, err = d.OrderIDs(ctx, order.Filter{Status: order.Closing})
	require.ErrorIs(t, err, order.ErrBusy)
	require.ErrorContains(t, err, "ask for one merchant or one buyer")

	given, giveUp := context.WithCancel(ctx)
	giveUp()
	_, err = d.OrderIDs(given, order.Filter{})
	require.ErrorIs(t, err, context.Canceled, "a caller who leaves was not too slow")
}

func TestEvents(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	id := ident.New[order.Order]()
	_, err := d.Events(ctx, id)
	require.ErrorIs(t, err, order.ErrNotFound)

	attempt := ident.WithPart[order.Attempt](id, 1)
	want := []order.Event{
		{Seq: 1, Type: order.EventCreated, Status: order.PendingPay, Actor: "app:checkout", At: nine, Detail: order.Detail{Amount: 100, Currency: "CNY"}},
		{Seq: 2, Type: order.EventPaid, Status: order.Paid, Actor: order.ByChannel("sandbox"), At: nine, Detail: order.Detail{
			Attempt: attempt, Channel: "sandbox", TradeNo: "it's \"T1\"", Amount: 100, Currency: "CNY",
		}},
	}
	for _, i := range []int{1, 0} { // written in whatever order
		e := want[i]
		run(t, d, "INSERT INTO order_events (order_id, seq, type, status, actor, at, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
			id, e.Seq, e.Type, e.Status, e.Actor, e.At, e.Detail)
	}
	got, err := d.Events(ctx, id)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
