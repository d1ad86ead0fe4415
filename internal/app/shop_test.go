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
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
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
	id   string // the webhook-id
	kind string // order.paid
	at   time.Time

	header http.Header
	body   []byte
}

func newShop(t *testing.T) *shop {
	t.Helper()
	m, err := demo.New(demo.Options{Secret: devEndpointSecret, Log: zap.NewNop()})
	require.NoError(t, err)
	s := &shop{Merchant: m, taken: map[string][]taken{}, slow: func() {}}
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
		Type string
		Data struct{ Order demo.Order }
	}
	_ = json.Unmarshal(body, &n) // it was verified
	id := n.Data.Order.ID
	s.taken[id] = append(s.taken[id], taken{r.Header.Get("webhook-id"), n.Type, at, r.Header, body})
}

// notices are those that told of the order's payment.
func (s *shop) notices(orderID string) []taken { return s.heard(orderID, merchant.OrderPaid) }

// heard are the notices of a type.
func (s *shop) heard(orderID, kind string) (list []taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.taken[orderID] {
		if n.kind == kind {
			list = append(list, n)
		}
	}
	return list
}

func (s *shop) close() {
	s.server.Close()
	s.Stop()
}

func mustID(t *testing.T, s string) order.ID {
	t.Helper()
	id, err := order.ParseID(s)
	require.NoError(t, err)
	return id
}

// check finds an order of which the merchant was told under two ids: it would
// deliver twice.
func (s *shop) check(t *testing.T) {
	t.Helper()
	require.Zero(t, s.Stats().Rejected, "every notice verifies")
	orderOf := map[string]string{}
	for id, notices := range s.taken {
		for _, n := range notices {
			if n.kind == merchant.OrderPaid {
				require.Equal(t, order.DeliveryID(mustID(t, id)).String(), n.id, "order %s was told of its payment under another id", id)
			}
			require.Contains(t, []string{"", id + n.kind}, orderOf[n.id], "one id told of two things")
			orderOf[n.id] = id + n.kind
		}
	}
}
