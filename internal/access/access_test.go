package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/order"
)

var (
	checkout = access.Principal{Name: "checkout", Role: access.App}
	demo     = access.Principal{Name: "till-2", Role: access.Merchant, MerchantID: "m_demo"}
	alice    = access.Principal{Name: "alice", Role: access.Operator}
	nobody   access.Principal
)

func TestPrincipal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		who             access.Principal
		ownShop, others bool
		actor           order.Actor
	}{
		{"an app serves every merchant", checkout, true, true, "app:checkout"},
		{"a merchant sees its own", demo, true, false, "merchant:m_demo"},
		{"an operator sees all", alice, true, true, "operator:alice"},
		{"a merchant's key without a merchant sees nothing", access.Principal{Role: access.Merchant}, false, false, "merchant:"},
		{"nobody sees nothing", nobody, false, false, ":"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.ownShop, c.who.Sees("m_demo"))
			require.Equal(t, c.others, c.who.Sees("m_other"))
			require.Equal(t, c.actor, c.who.Actor())
		})
	}
	require.False(t, access.Principal{Role: access.Merchant}.Sees(""), "no merchant is not everybody's merchant")
}

func TestMay(t *testing.T) {
	t.Parallel()
	require.True(t, demo.May(access.Operator, access.Merchant))
	require.False(t, demo.May(access.Operator, access.App))
	require.False(t, alice.May(), "without roles nobody may")
	require.False(t, nobody.May(access.Roles()...))
	require.False(t, nobody.May(""), "nobody's role is not a role")
}

func TestParseRole(t *testing.T) {
	t.Parallel()
	for _, r := range access.Roles() {
		got, err := access.ParseRole(string(r))
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	_, err := access.ParseRole("root")
	require.ErrorContains(t, err, "want app, merchant or operator")
}
