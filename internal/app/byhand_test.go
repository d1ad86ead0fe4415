package app

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer/api"
)

// The buyer has paid, the channel's callback is lost, and the app opens another
// payment: the channel is asked first, and nothing is paid twice.
func TestASecondPaymentFindsTheFirst(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.create()
	m.paid(o.Payment, "fault=drop")
	_, err := m.app.Pay(t.Context(), o.ID, sandbox.Name, api.IdempotencyKey("k"))
	require.Equal(t, string(order.Paid), m.refused(err, http.StatusConflict, api.NotAllowed).OrderStatus)
	_, err = m.app.Pay(t.Context(), o.ID, sandbox.Name, api.IdempotencyKey("k"))
	m.refused(err, http.StatusConflict, api.NotAllowed)
	require.Equal(t, []string{"order.created", "payment.opened", "payment.asked", "order.paid", "payment.void"}, m.timeline(o.ID))
	m.notified(o.ID)
}

// What operators decide by a command is a change of the database alone: the
// service goes on from there at its relay's next look.
func TestWhatIsDecidedByACommandGoesOn(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	o := m.create()
	m.paid(o.Payment, "fault=wrong_amount")
	m.until("the order is held", func() bool { return m.order(o.ID).Hold == order.HoldMismatch })
	held, err := m.operator.Orders(t.Context(), api.OrderFilter{Held: true})
	require.NoError(t, err)
	require.Len(t, held.Orders, 1)

	store := db.NewStore(m.db, db.StoreOptions{Log: zap.NewNop(), Terms: Terms(m.cfg.Terms)})
	defer store.Close()
	id, err := order.ParseID(o.ID)
	require.NoError(t, err)
	require.NoError(t, store.Update(t.Context(), id, nil, func(o *order.Order) error {
		return o.AcceptMismatch(o.Unplaced().ID, "operator:alice", "agreed on the phone", time.Now().UTC().Truncate(time.Microsecond))
	}))
	m.notified(o.ID)
	m.reports(o.ID, "delivered", order.Delivered)
}
