package tasks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func TestOnlyAnOperatorsWordResubmits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	id := ident.New[order.Refund]()
	m := tasks.ResubmitRefund(id, now)
	require.Equal(t, tasks.About(tasks.RefundSubmit, id), m.Key)
	require.Equal(t, now, m.Due)
	require.True(t, tasks.Row{Key: m.Key, Payload: m.Payload}.Resubmits())
	for _, payload := range []string{"", "{}", `{"again":false}`, `{"again":1}`, `nonsense`, `null`} {
		require.False(t, tasks.Row{Key: m.Key, Payload: []byte(payload)}.Resubmits(), payload)
	}
}
