package cli

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/api"
)

// Endpoints hang; who sends to them is killed twice, and Redis forgets everything.
// The others hear at once all the same, and when those answer again each has heard
// what it was to hear: all of it, in the same words.
func TestKilledWhileEndpointsHang(t *testing.T) {
	t.Parallel()
	p := ourselves(t)
	s := p.dev(t)
	prompt, hanging := newListener(t, "m_prompt"), []*listener{newListener(t, "m_hangs_1"), newListener(t, "m_hangs_2")}
	close(prompt.mended)
	all := append([]*listener{prompt}, hanging...)
	for _, l := range all {
		l.register(s)
	}
	paid := 0
	buy := func() {
		for range 10 {
			paid++
			for _, l := range all {
				l.buys(s)
			}
		}
		until(t, "whoever does not hang hears at once", func() bool { return len(prompt.all()) == paid })
	}
	flush := func() {
		at, err := redis.ParseURL(s.note().Redis)
		require.NoError(t, err)
		cache := redis.NewClient(at)
		defer cache.Close()
		require.NoError(t, cache.FlushAll(t.Context()).Err())
	}
	buy()
	for _, l := range hanging {
		l.isTold()
	}
	flush()
	buy()
	s.kill()
	s = p.dev(t)
	buy()
	flush()
	s.kill()
	s = p.dev(t)
	for _, l := range hanging {
		require.Empty(t, l.all())
		close(l.mended)
	}
	d := s.database()
	for _, l := range all {
		var sent map[string]string
		until(t, "all that was paid is known", func() bool { sent = l.sent(d); return len(sent) == paid })
		until(t, l.merchant+" has heard all", func() bool { return len(l.all()) >= paid })
		require.Equal(t, sent, l.all())
	}
	until(t, "nothing waits", func() bool {
		return count(t, d, "deliveries")+count(t, d, "outbox WHERE kind = 'delivery:notify'") == 0
	})
	findings, err := d.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, findings)
	t.Logf("%d notices each, two of three endpoints hung: delivered set = sent set; %d came more than once", paid, prompt.again+hanging[0].again+hanging[1].again)
}

func count(t *testing.T, d *db.DB, of string) (n int) {
	t.Helper()
	require.NoError(t, d.QueryRowContext(t.Context(), "SELECT count(*) FROM "+of).Scan(&n))
	return n
}

// listener is a merchant whose endpoint keeps whoever comes until it is mended.
type listener struct {
	*testing.T
	merchant string
	url      string
	mended   chan struct{}
	came     chan struct{} // holds a token when somebody has come

	mu    sync.Mutex
	heard map[string]string // bodies by webhook-id
	again int               // came once more
}

func newListener(t *testing.T, merchantID string) *listener {
	t.Helper()
	l := &listener{T: t, merchant: merchantID, mended: make(chan struct{}), came: make(chan struct{}, 1), heard: map[string]string{}}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections) // before Close, which waits for those that hang
	l.url = server.URL
	return l
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if strings.Contains(string(body), merchant.EndpointTest) {
		w.WriteHeader(http.StatusUnauthorized) // as one that does not know its secret yet
		return
	}
	select {
	case l.came <- struct{}{}:
	default:
	}
	select {
	case <-l.mended:
	case <-r.Context().Done():
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	id, text := r.Header.Get("webhook-id"), string(body)
	switch before, known := l.heard[id]; {
	case !known:
		l.heard[id] = text
	case before != text:
		l.Errorf("notice %s came again with other words: %s, and before %s", id, text, before)
	default:
		l.again++
	}
}

// register makes the merchant, and an endpoint that is told of paid orders.
func (l *listener) register(s *server) {
	l.Helper()
	_, err := s.ops.PutMerchant(l.Context(), l.merchant, api.MerchantTerms{Name: l.merchant})
	require.NoError(l, err)
	_, err = s.ops.CreateEndpoint(l.Context(), l.merchant, api.NewEndpoint{URL: l.url, Events: []string{merchant.OrderPaid}})
	require.NoError(l, err)
}

// buys buys something of the merchant, and pays for it.
func (l *listener) buys(s *server) {
	l.Helper()
	wish := tea("", 0)
	wish.MerchantID = l.merchant
	o, err := s.app.CreateOrder(l.Context(), wish)
	require.NoError(l, err)
	status, said := pay(l.Context(), o.Payment, "")
	require.Equal(l, http.StatusOK, status, said)
}

// isTold waits until somebody comes.
func (l *listener) isTold() {
	l.Helper()
	select {
	case <-l.came:
	case <-time.After(patience):
		require.Fail(l, "nobody came")
	}
}

// all is what was acknowledged.
func (l *listener) all() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.heard)
}

// sent is what the merchant is to hear.
func (l *listener) sent(d *db.DB) map[string]string {
	l.Helper()
	rows, err := d.QueryContext(l.Context(), "SELECT id, body FROM notices WHERE merchant_id = ?", l.merchant)
	require.NoError(l, err)
	defer rows.Close()
	sent := map[string]string{}
	for rows.Next() {
		var id string
		var body []byte
		require.NoError(l, rows.Scan(&id, &body))
		sent[id] = string(body)
	}
	require.NoError(l, rows.Err())
	return sent
}
