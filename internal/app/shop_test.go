package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/internal/demo"
)

// shop is the demo merchant on a server of its own, with a memory for every
// notice that it took.
type shop struct {
	*demo.Merchant
	url    string
	server *httptest.Server
	slow   func() // runs before each notice is looked at

	mu    sync.Mutex
	taken map[string][]taken // by order
}

// taken is one notice that was verified and answered 200.
type taken struct {
	id string // the webhook-id
	at time.Time
}

func newShop(t *testing.T) *shop {
	t.Helper()
	merchant, err := demo.New(demo.Options{Secret: devEndpointSecret, Log: zap.NewNop()})
	require.NoError(t, err)
	s := &shop{Merchant: merchant, taken: map[string][]taken{}, slow: func() {}}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	s.url = s.server.URL
	return s
}

func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	s.slow()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // who sent it has gone
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	said := httptest.NewRecorder()
	s.note(r, body, at, func() int { s.ServeHTTP(said, r); return said.Code })
	w.WriteHeader(said.Code)
}

// note remembers a notice before those who wait for it are woken.
func (s *shop) note(r *http.Request, body []byte, at time.Time, serve func() int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if serve() != http.StatusOK {
		return
	}
	var n struct {
		Data struct{ Order demo.Order }
	}
	_ = json.Unmarshal(body, &n) // it was verified
	id := n.Data.Order.ID
	s.taken[id] = append(s.taken[id], taken{r.Header.Get("webhook-id"), at})
}

func (s *shop) notices(orderID string) []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]taken{}, s.taken[orderID]...)
}

func (s *shop) close() {
	s.server.Close()
	s.Stop()
}

// check finds an order of which the merchant was told under two ids: it would
// deliver twice.
func (s *shop) check(t *testing.T) {
	t.Helper()
	require.Zero(t, s.Stats().Rejected, "every notice verifies")
	orderOf := map[string]string{}
	for id, notices := range s.taken {
		for _, n := range notices {
			require.Equal(t, notices[0].id, n.id, "order %s was notified under two ids", id)
		}
		require.Empty(t, orderOf[notices[0].id], "two orders were notified under one id")
		orderOf[notices[0].id] = id
	}
}
