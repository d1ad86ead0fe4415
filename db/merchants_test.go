package db_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// nine is when these tests take place, unless they say otherwise.
var nine = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// shop puts a merchant that the test is about.
func shop(t *testing.T, d *db.DB, id string) {
	t.Helper()
	_, err := d.PutMerchant(t.Context(), merchant.Merchant{ID: id, Name: "Shop " + id})
	require.NoError(t, err)
}

// run executes a statement that sets a scene.
func run(t *testing.T, d *db.DB, query string, args ...any) {
	t.Helper()
	_, err := d.ExecContext(t.Context(), query, args...)
	require.NoError(t, err)
}

func TestMerchants(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()

	_, err := d.Merchant(ctx, "m_demo")
	require.ErrorIs(t, err, order.ErrNotFound)

	made, err := d.PutMerchant(ctx, merchant.Merchant{ID: "m_demo", Name: "Demo", FeeBps: 60, CreatedAt: nine})
	require.NoError(t, err)
	require.Equal(t, merchant.Merchant{ID: "m_demo", Name: "Demo", FeeBps: 60, CreatedAt: nine}, made)

	changed, err := d.PutMerchant(ctx, merchant.Merchant{ID: "m_demo", Name: "O'Demo ?", FeeBps: 0})
	require.NoError(t, err)
	require.Equal(t, merchant.Merchant{ID: "m_demo", Name: "O'Demo ?", CreatedAt: nine}, changed, "it stays as old as it is")

	read, err := d.Merchant(ctx, "m_demo")
	require.NoError(t, err)
	require.Equal(t, changed, read)

	shop(t, d, "m_another")
	all, err := d.Merchants(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "m_another", all[0].ID)
	require.WithinDuration(t, time.Now(), all[0].CreatedAt, time.Minute)
}

func TestAMerchantMustMakeSense(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	_, err := d.PutMerchant(t.Context(), merchant.Merchant{FeeBps: 10_001})
	var faults order.Invalid
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 2, "every fault at once")
}
