package db_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/order"
)

func TestAKeysLife(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	shop(t, d, "m_demo")
	_, hash := access.NewKey(access.Merchant)

	_, err := d.Principal(ctx, hash)
	require.ErrorIs(t, err, access.ErrUnknownKey)

	require.NoError(t, d.PutKey(ctx, hash, "till", access.Merchant, "m_demo"))
	p, err := d.Principal(ctx, hash)
	require.NoError(t, err)
	require.Equal(t, access.Principal{Name: "till", Role: access.Merchant, MerchantID: "m_demo"}, p)

	require.NoError(t, d.PutKey(ctx, hash, "boss", access.Operator, ""), "the same key for someone else")
	p, err = d.Principal(ctx, hash)
	require.NoError(t, err)
	require.Equal(t, access.Principal{Name: "boss", Role: access.Operator}, p)

	require.NoError(t, d.RevokeKey(ctx, "boss"))
	_, err = d.Principal(ctx, hash)
	require.ErrorIs(t, err, access.ErrUnknownKey)
	require.ErrorIs(t, d.RevokeKey(ctx, "boss"), order.ErrNotFound, "it is not live any more")

	err = d.PutKey(ctx, hash, "boss", access.Operator, "")
	require.ErrorIs(t, err, order.ErrNotAllowed)
	require.ErrorContains(t, err, "make a new one")
	_, err = d.Principal(ctx, hash)
	require.ErrorIs(t, err, access.ErrUnknownKey, "a revoked key stays revoked")

	_, next := access.NewKey(access.Operator)
	require.NoError(t, d.PutKey(ctx, next, "boss", access.Operator, ""), "its name is free again")
	keys, err := d.Keys(ctx)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.True(t, keys[0].RevokedAt.IsZero(), "live ones first")
	require.False(t, keys[1].RevokedAt.IsZero())
	require.False(t, keys[1].CreatedAt.IsZero())
}

func TestAKeyIsRefused(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	shop(t, d, "m_demo")
	for _, c := range []struct {
		name, key  string
		role       access.Role
		merchantID string
		field      string
		says       string
	}{
		{"without a name", "", access.App, "", "name", "is required"},
		{"with a role that is none", "x", "root", "", "role", "want app"},
		{"a merchant's without a merchant", "x", access.Merchant, "", "merchant_id", "--merchant"},
		{"an operator's with a merchant", "x", access.Operator, "m_demo", "merchant_id", "is only for a merchant's key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var faults order.Invalid
			require.ErrorAs(t, d.PutKey(ctx, access.Hash(c.name), c.key, c.role, c.merchantID), &faults)
			require.Equal(t, c.field, faults[0].Field)
			require.Contains(t, faults[0].Message, c.says)
		})
	}
	t.Run("of a merchant that is not there", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, d.PutKey(ctx, access.Hash("k"), "x", access.Merchant, "m_none"), order.ErrNotFound)
	})
}

func TestANameIsOfOneLiveKey(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch err := d.PutKey(ctx, access.Hash(string(rune('a'+i))), "alice", access.Operator, ""); err {
			case nil:
				made.Add(1)
			default:
				var refusal *order.Refusal
				if !asRefusal(err, &refusal) {
					t.Errorf("want a refusal, got %v", err)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, made.Load())
}
