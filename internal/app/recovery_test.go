package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/api"
)

// A merchant was down for hours. He recovers what he missed: all of it arrives,
// once, and what happens meanwhile arrives first.
func TestAMerchantRecoversWhatHeMissed(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	var down atomic.Bool
	var mu sync.Mutex
	var heard []string
	down.Store(true)
	handler := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, r.Header.Get("webhook-id"))
	}))
	t.Cleanup(handler.Close)
	e, err := m.seller.CreateEndpoint(t.Context(), "m_demo", api.NewEndpoint{URL: handler.URL, Events: []string{merchant.OrderPaid}})
	require.NoError(t, err)
	waits := func(n int) {
		m.until("notices wait for the endpoint", func() bool {
			page, err := m.seller.Undelivered(t.Context(), "m_demo", e.ID, 0, "")
			require.NoError(t, err)
			return len(page.Notices) == n
		})
	}
	const missed = 6
	for range missed {
		m.paid(m.create().Payment, "")
	}
	waits(missed)
	m.until("it fails", func() bool {
		list, err := m.seller.Endpoints(t.Context(), "m_demo")
		require.NoError(t, err)
		return slices.ContainsFunc(list.Endpoints, func(is api.Endpoint) bool { return is.ID == e.ID && is.State == "failing" })
	})
	_, err = m.seller.PauseEndpoint(t.Context(), "m_demo", e.ID)
	require.NoError(t, err)

	r, err := m.seller.RecoverEndpoint(t.Context(), "m_demo", e.ID, api.NewRecovery{Since: time.Now().Add(-3 * time.Hour)})
	require.NoError(t, err)
	_, err = m.seller.RecoverEndpoint(t.Context(), "m_demo", e.ID, api.NewRecovery{Since: time.Now().Add(-time.Hour)})
	var running *api.Problem
	require.True(t, errors.As(err, &running) && running.Type == api.RecoveryRunning, "%v", err)
	require.Equal(t, r.ID, running.RecoveryID)
	progress := func() *api.Recovery {
		is, err := m.seller.Recovery(t.Context(), r.ID)
		require.NoError(t, err)
		return is
	}
	m.until("all of it is queued", func() bool { return progress().Queued == missed && progress().Waiting == missed })
	m.paid(m.create().Payment, "")
	waits(missed + 1)
	page, err := m.seller.Undelivered(t.Context(), "m_demo", e.ID, 0, "")
	require.NoError(t, err)
	fresh := page.Notices[missed]

	down.Store(false)
	_, err = m.seller.ResumeEndpoint(t.Context(), "m_demo", e.ID)
	require.NoError(t, err)
	m.until("the recovery is done", func() bool { return progress().State == "done" })
	require.Equal(t, int64(missed), progress().Delivered)
	waits(0)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, heard, missed+1)
	require.Equal(t, fresh.ID, heard[0])
	slices.Sort(heard)
	require.Len(t, slices.Compact(heard), missed+1, "each once")

	resent, err := m.seller.ResendNotice(t.Context(), fresh.ID, e.ID)
	require.NoError(t, err)
	require.Len(t, resent.Waiting, 1)
	list, err := m.seller.Recoveries(t.Context(), "m_demo", 0, "")
	require.NoError(t, err)
	require.Len(t, list.Recoveries, 1)
}
