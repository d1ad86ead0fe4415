package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

func TestMoney(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		amount int64
		code   string
		want   string
	}{
		{1999, "CNY", "19.99 CNY"},
		{5, "CNY", "0.05 CNY"},
		{0, "EUR", "0.00 EUR"},
		{-1999, "CNY", "-19.99 CNY"},
		{1999, "JPY", "1999 JPY"},
		{1999, "KWD", "1.999 KWD"},
		{1999, "yuan", "1999 yuan"},
		{order.MaxAmount, "CNY", "10000000000000.00 CNY"},
	} {
		require.Equal(t, tc.want, order.Money(tc.amount, tc.code))
	}
}
