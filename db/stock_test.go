package db_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/order"
)

func hold(t *testing.T, d *db.DB, sku string, n int64) {
	t.Helper()
	run(t, d, "UPDATE stock SET held = held + ? WHERE merchant_id = 'm_demo' AND sku = ?", n, sku)
}

func TestSetStock(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	shop(t, d, "m_demo")
	for _, c := range []struct {
		name    string
		before  int64 // on hand; -1: no such SKU
		held    int64
		set     int64
		refused string // "" when it is not
	}{
		{"a new SKU", -1, 0, 5, ""},
		{"a new SKU with nothing", -1, 0, 0, ""},
		{"more", 5, 3, 9, ""},
		{"less", 5, 3, 4, ""},
		{"exactly what is held", 5, 3, 3, ""},
		{"the same again", 5, 3, 5, ""},
		{"less than is held", 5, 3, 2, "unpaid orders hold 3 of it, on_hand cannot be 2"},
		{"below zero", 5, 0, -1, "want 0 to"},
		{"beyond reason", 5, 0, 1_000_000_000_001, "want 0 to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, sku := t.Context(), "tea/"+c.name
			if c.before >= 0 {
				_, err := d.SetStock(ctx, "m_demo", sku, c.before, "operator:before")
				require.NoError(t, err)
				hold(t, d, sku, c.held)
			}
			got, err := d.SetStock(ctx, "m_demo", sku, c.set, "operator:test")
			want := order.Stock{MerchantID: "m_demo", SKU: sku, OnHand: c.set, Held: c.held}
			if c.refused != "" {
				var refusal *order.Refusal
				require.ErrorAs(t, err, &refusal)
				require.ErrorContains(t, err, c.refused)
				want.OnHand = c.before
			} else {
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
			read, err := d.Stock(ctx, "m_demo", sku)
			require.NoError(t, err)
			require.Equal(t, want, read)
		})
	}
}

func TestStockThatIsNotThere(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	shop(t, d, "m_demo")
	_, err := d.Stock(ctx, "m_demo", "tea")
	require.ErrorIs(t, err, order.ErrNotFound)
	_, err = d.SetStock(ctx, "m_none", "tea", 1, "operator:test")
	require.ErrorIs(t, err, order.ErrNotFound)
}

// An order that holds stock while an operator takes it away: the operator
// waits for the order's commit and then sees what it holds.
func TestSetStockWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	shop(t, d, "m_demo")
	_, err := d.SetStock(ctx, "m_demo", "tea", 5, "operator:test")
	require.NoError(t, err)

	tx, err := d.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, "UPDATE stock SET held = 4")
	require.NoError(t, err)

	answer := make(chan error, 1)
	go func() {
		_, err := d.SetStock(context.WithoutCancel(ctx), "m_demo", "tea", 3, "operator:test")
		answer <- err
	}()
	dbtest.Waits(t, d)
	require.NoError(t, tx.Commit())
	require.ErrorContains(t, <-answer, "unpaid orders hold 4 of it")
}
