package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// Every notice that is owed arrives at every endpoint that wants it, word by word,
// however the endpoints answer, however often the process that tells them is
// killed, and however often Redis forgets everything meanwhile. Nothing waits in
// the end, and nothing is given up.
func TestEveryNoticeArrives(t *testing.T) {
	t.Parallel()
	p := ourselves(t)
	// Who is killed between a commit and the hand-over to Redis leaves rows that are
	// put back when they are missed: after half a minute, and this.
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "orderflow.yaml"), []byte("relay:\n  slack: 1s\n"), 0o600))
	s := p.dev(t, "--role", "api,relay")
	d, cache := s.database(), s.cache()
	const rounds = 3
	always := func(*ear, *http.Request) bool { return true }
	var round atomic.Int64
	crowd := []*ear{
		listens(s, "answers", always),
		listens(s, "refuses each third at first", func(e *ear, r *http.Request) bool { return !e.isNews(r) || e.calls()%3 != 0 }),
		listens(s, "wants orders that are paid, and no other", always, merchant.OrderPaid),
	}
	for n := range rounds { // one after the other hangs, and does well before and after
		crowd = append(crowd, listens(s, fmt.Sprintf("hangs in round %d", n), func(e *ear, r *http.Request) bool {
			return int(round.Load()) != n || e.hangs(r)
		}))
	}
	for n := range rounds {
		round.Store(int64(n))
		w := s.worker()
		s.trades(10)
		crowd[0].until(t, "it takes some", func() bool { return len(crowd[0].taken) > 8*n })
		hanging := crowd[3+n]
		hanging.until(t, "its attempts have left their slots", func() bool { return hanging.left > 0 })
		require.NoError(t, cache.FlushAll(t.Context()).Err(), "while the worker lives")
		s.trades(4)
		w.kill()
		require.NoError(t, cache.FlushAll(t.Context()).Err(), "when it is dead")
	}
	round.Store(rounds)
	s.worker()
	for _, e := range crowd {
		until(t, "the endpoint that "+e.name+" has taken all", func() bool { return len(missing(wanted(t, d, e.wants), e.took())) == 0 })
		require.Empty(t, missing(e.took(), sent(t, d)), "nothing else came")
		require.Empty(t, e.changedWords(), "a webhook-id means one notice, word by word")
	}
	until(t, "nothing waits", func() bool {
		return rows(t, d, "SELECT count(*) FROM deliveries") == 0 &&
			rows(t, d, "SELECT count(*) FROM outbox WHERE kind IN ('delivery:notify', 'merchant:notify', 'endpoint:deliver') AND dead_at IS NULL") == 0
	})
	require.Zero(t, rows(t, d, "SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL"), "nothing is given up")
	require.NotEmpty(t, wanted(t, d, []string{merchant.OrderPaid}))
	for _, e := range crowd {
		t.Logf("the endpoint that %s: %d calls for %d notices", e.name, e.calls(), len(e.took()))
	}
}

// ear is an endpoint of the demo merchant's with a memory of what it acknowledged.
type ear struct {
	name  string
	wants []string // types; empty: all

	mu      sync.Mutex
	called  int               // how often
	left    int               // calls that hung for longer than a slot is held
	heard   map[string]bool   // by webhook-id
	taken   map[string]string // bodies, by the same
	altered []string
	changed chan struct{} // closed, and made anew, with each call and answer
}

// listens registers an endpoint that takes the calls that it likes.
func listens(s *server, name string, likes func(*ear, *http.Request) bool, wants ...string) *ear {
	s.Helper()
	e := &ear{name: name, wants: wants, heard: map[string]bool{}, taken: map[string]string{}, changed: make(chan struct{})}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if strings.Contains(string(body), merchant.EndpointTest) { // nobody was to hear of it
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		e.change(func() { e.called++ })
		if err != nil || !likes(e, r) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		e.take(r.Header.Get("webhook-id"), string(body))
	}))
	s.Cleanup(h.Close)
	_, err := s.ops.CreateEndpoint(s.Context(), "m_demo", api.NewEndpoint{URL: h.URL, Events: wants})
	require.NoError(s, err)
	return e
}

func (e *ear) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

// hangs hangs until the caller hangs up. It likes nothing.
func (e *ear) hangs(r *http.Request) bool {
	select {
	case <-time.After(merchant.SlowAfter + 200*time.Millisecond):
		e.change(func() { e.left++ })
		<-r.Context().Done()
	case <-r.Context().Done():
	}
	return false
}

func (e *ear) take(id, body string) {
	e.change(func() {
		if before, again := e.taken[id]; again && before != body {
			e.altered = append(e.altered, id)
		}
		e.taken[id] = body
	})
}

// changedWords are the notices that came again with other words.
func (e *ear) changedWords() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.altered)
}

func (e *ear) calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.called
}

// isNews says that a notice comes for the first time.
func (e *ear) isNews(r *http.Request) (news bool) {
	id := r.Header.Get("webhook-id")
	e.change(func() { news, e.heard[id] = !e.heard[id], true })
	return news
}

// took is what was acknowledged: ids with the words that they came with.
func (e *ear) took() (list []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, body := range e.taken {
		list = append(list, id+" "+body)
	}
	return list
}

func (e *ear) until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	limit := time.After(patience)
	for {
		e.mu.Lock()
		done, changed := reached(), e.changed
		e.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("the endpoint that %s: %s: not within %s", e.name, what, patience)
		}
	}
}

// wanted is what the demo merchant is to hear, of some types or of all, in the
// form of took. That an order is paid is not owed any more once it is called off:
// whoever has heard of it by then is asked to revoke the delivery.
func wanted(t *testing.T, d *db.DB, types []string) (list []string) {
	t.Helper()
	return told(t, d, `SELECT id::text || ' ' || convert_from(body, 'UTF8') FROM notices n WHERE merchant_id = 'm_demo'
		AND (? = '' OR type = ANY (string_to_array(?, ',')))
		AND NOT (type = ? AND EXISTS (SELECT FROM order_events e WHERE e.type = ?
			AND e.order_id = (convert_from(body, 'UTF8')::jsonb #>> '{data,order,id}')::uuid))`,
		strings.Join(types, ","), strings.Join(types, ","), merchant.OrderPaid, order.EventReturning)
}

// sent is all that was written for the demo merchant.
func sent(t *testing.T, d *db.DB) []string {
	t.Helper()
	return told(t, d, "SELECT id::text || ' ' || convert_from(body, 'UTF8') FROM notices WHERE merchant_id = 'm_demo'")
}

func told(t *testing.T, d *db.DB, sql string, args ...any) (list []string) {
	t.Helper()
	require.NoError(t, d.NewRaw(sql, args...).Scan(t.Context(), &list))
	return list
}

// missing are those of all that are not in have.
func missing(all, have []string) (list []string) {
	for _, s := range all {
		if !slices.Contains(have, s) {
			list = append(list, s)
		}
	}
	return list
}

func rows(t *testing.T, d *db.DB, sql string) (n int) {
	t.Helper()
	require.NoError(t, d.QueryRowContext(t.Context(), sql).Scan(&n))
	return n
}

// trades makes some orders: all but each fourth is paid, and each third of those
// is called off.
func (s *server) trades(orders int) {
	s.Helper()
	for n := range orders {
		o, err := s.app.CreateOrder(s.Context(), tea("", 2))
		require.NoError(s, err)
		if n%4 == 3 {
			continue
		}
		status, body := pay(s.Context(), o.Payment, "")
		require.Equal(s, http.StatusOK, status, body)
		if n%3 == 2 {
			_, _ = s.app.Cancel(s.Context(), o.ID, "changed my mind") // before or after its payment is confirmed
		}
	}
}

// cache is the development server's own Redis.
func (s *server) cache() *redis.Client {
	s.Helper()
	at, err := redis.ParseURL(s.note().Redis)
	require.NoError(s, err)
	client := redis.NewClient(at)
	s.Cleanup(func() { _ = client.Close() })
	return client
}

// worker is a process of its own that works for a development server which does
// not work itself.
func (s *server) worker() *server {
	s.Helper()
	w := &server{T: s.T, person: s.person, addr: freeAddr(s.T), ended: make(chan struct{})}
	w.out.changed = make(chan struct{})
	w.cmd = s.command(context.WithoutCancel(s.Context()), "serve", "--role", "worker", "--http", w.addr)
	for name, value := range config.DevDefaults() {
		if strings.HasPrefix(name, "sandbox.") || strings.HasPrefix(name, "notify.") || name == "secrets_keys" {
			w.cmd.Env = append(w.cmd.Env, "ORDERFLOW_"+strings.ToUpper(strings.ReplaceAll(name, ".", "_"))+"="+value)
		}
	}
	note := s.note()
	w.cmd.Env = append(w.cmd.Env, "DATABASE_URL="+note.Database, "REDIS_URL="+note.Redis,
		"ORDERFLOW_PUBLIC_URL="+s.base(), fmt.Sprintf("ORDERFLOW_SANDBOX_URL=%s/sandbox", s.base()))
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.out
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(s, w.cmd.Start())
	go func() {
		defer close(w.ended)
		_ = w.cmd.Wait()
	}()
	s.Cleanup(w.kill)
	w.says("orderflow is up")
	return w
}
