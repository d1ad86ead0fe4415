package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/api"
)

// A merchant sees what was sent, what became of it, and whether his handler
// verifies.
func TestAMerchantSeesWhatHeWasTold(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	verifier := newShop(t) // of whom nobody counts what he refuses
	t.Cleanup(verifier.server.Close)
	e, err := m.seller.CreateEndpoint(t.Context(), "m_demo", api.NewEndpoint{URL: verifier.url + "/notices", Events: []string{merchant.RefundFailed}})
	require.NoError(t, err)
	_, err = m.seller.RotateEndpointTo(t.Context(), "m_demo", e.ID, api.NewSecret{Secret: devEndpointSecret})
	require.NoError(t, err)
	probe, err := m.seller.TestEndpoint(t.Context(), "m_demo", e.ID)
	require.NoError(t, err)
	require.Equal(t, "true", probe.Verifies, "%+v", probe)
	require.Equal(t, http.StatusUnauthorized, probe.Forged.Status)

	o := m.create()
	m.paid(o.Payment, "")
	m.notified(o.ID)
	m.until("nothing is owed to the merchant", func() bool {
		page, err := m.seller.Notices(t.Context(), "m_demo", api.NoticeFilter{Order: o.ID, State: "delivered"})
		require.NoError(t, err)
		return len(page.Notices) == 1
	})
	told := m.shop.notices(o.ID)[0]
	n, err := m.seller.Notice(t.Context(), told.id)
	require.NoError(t, err)
	require.JSONEq(t, string(told.body), string(n.Body))
	require.Equal(t, "delivered", n.Deliveries[0].State)
	tries, err := m.seller.NoticeAttempts(t.Context(), told.id, 0, "")
	require.NoError(t, err)
	require.Len(t, tries.Attempts, 1)
	try := tries.Attempts[0]
	require.True(t, try.OK)
	require.Equal(t, told.header.Get("webhook-timestamp"), try.RequestHeaders["webhook-timestamp"])
	require.Equal(t, m.shop.url, "http://"+try.Remote)
	require.Positive(t, try.Times.FirstByte)
	require.LessOrEqual(t, try.Times.FirstByte, try.Times.Total+1, "the total is kept to the millisecond")
}

// An endpoint acknowledges as it was agreed, and not before.
func TestAnEndpointAcknowledgesInItsOwnWay(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	var calls atomic.Int32
	handler := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "r-1")
		if calls.Add(1) == 1 {
			_, _ = io.WriteString(w, "fail")
			return
		}
		_, _ = io.WriteString(w, "success")
	}))
	t.Cleanup(handler.Close)
	e, err := m.seller.CreateEndpoint(t.Context(), "m_demo", api.NewEndpoint{URL: handler.URL, Events: []string{merchant.OrderPaid}, Ack: "success"})
	require.NoError(t, err)

	o := m.create()
	m.paid(o.Payment, "")
	m.until("the second try is taken", func() bool {
		page, err := m.seller.Notices(t.Context(), "m_demo", api.NoticeFilter{Order: o.ID, Endpoint: e.ID, State: "delivered"})
		require.NoError(t, err)
		return len(page.Notices) == 1
	})
	tries, err := m.seller.NoticeAttempts(t.Context(), m.shop.notices(o.ID)[0].id, 0, "")
	require.NoError(t, err)
	var at []api.NoticeAttempt
	for _, a := range tries.Attempts {
		if a.EndpointID == e.ID {
			at = append(at, a)
		}
	}
	require.Len(t, at, 2)
	require.Equal(t, api.Answer{Body: "success"}, *at[0].Answer)
	require.Equal(t, "unacknowledged", at[1].Class)
	require.Equal(t, "fail", at[1].Answer.Body)
	require.Equal(t, "r-1", at[1].Answer.Headers["x-request-id"])
}
