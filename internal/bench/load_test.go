package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// toy is a service and its system in one: it takes orders and callbacks, and
// tells the merchant by writing into the book.
type toy struct {
	book   *book
	orders atomic.Int64
	refuse int  // status of every third callback; 0: none
	full   bool // there is no room for every second order
	conns  atomic.Int64
	crowd  chan struct{} // nobody is answered before each buyer is connected; nil: at once
	enough func()        // is told of each order
}

func (*toy) name() string                                               { return "toy" }
func (*toy) ready() string                                              { return "/" }
func (*toy) prepare(context.Context, site) error                        { return nil }
func (*toy) command(site) *exec.Cmd                                     { return nil }
func (*toy) reader() (name, secret string)                              { return "hmac", "" }
func (*toy) left(context.Context, *pgx.Conn) (int64, error)             { return 0, nil }
func (*toy) verify(context.Context, *pgx.Conn, *book) ([]string, error) { return nil, nil }

func (*toy) order(n int64, unpaid bool, _ site) call {
	return call{path: "/orders", body: fmt.Appendf(nil, "%d %t", n, unpaid)}
}

func (*toy) made(answer []byte) (receipt, error) {
	return receipt{order: string(answer), payment: "p" + string(answer)}, nil
}

func (*toy) callback(r receipt) call { return call{path: "/callbacks", body: []byte(r.order)} }

func (s *toy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if s.crowd != nil {
		select {
		case <-s.crowd:
		case <-time.After(30 * time.Second): // they are fewer
		}
	}
	if r.URL.Path == "/orders" {
		s.orders.Add(1)
		s.enough()
		number, _, _ := strings.Cut(string(body), " ")
		if s.full && s.orders.Load()%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"type":"urn:orderflow:problem:overloaded"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, number)
		return
	}
	if s.refuse != 0 && len(body) > 0 && body[len(body)-1]%3 == 0 {
		http.Error(w, "busy", s.refuse)
		return
	}
	s.book.tell(string(body), "n"+string(body), time.Now())
}

// buys runs a load on a toy until enough orders were asked for.
func buys(t *testing.T, s *toy, l Load, enough int64) *book {
	t.Helper()
	s.book = newBook()
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew && s.conns.Add(1) == int64(l.Clients) && s.crowd != nil {
			close(s.crowd)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	s.enough = func() {
		if s.orders.Load() >= enough {
			stop()
		}
	}
	(&buyers{system: s, site: site{addr: server.Listener.Addr().String()}, load: l, book: s.book}).run(ctx)
	require.GreaterOrEqual(t, s.orders.Load(), enough)
	return s.book
}

func TestTheClosedLoopKeepsItsBuyersBusy(t *testing.T) {
	t.Parallel()
	s := &toy{crowd: make(chan struct{})} // or two of them could be through with all before the third begins
	b := buys(t, s, Load{Clients: 3}, 60)
	orders, through, wrong := b.tally()
	require.GreaterOrEqual(t, orders, 60)
	require.EqualValues(t, orders, through, "what was begun is brought to its end")
	require.Zero(t, wrong)
	require.EqualValues(t, 3, s.conns.Load(), "each buyer keeps one connection")
	require.Empty(t, b.findings())
	for _, l := range b.all() {
		require.False(t, l.made.Before(l.due))
		require.False(t, l.told.Before(l.called))
	}
}

func TestTheOpenLoopKeepsItsRate(t *testing.T) {
	t.Parallel()
	began := time.Now()
	b := buys(t, &toy{}, Load{Rate: 200, Clients: 1}, 100)
	require.Greater(t, time.Since(began), 400*time.Millisecond, "a hundred at two hundred a second")
	orders, through, _ := b.tally()
	require.EqualValues(t, orders, through)
}

func TestWhatIsRefusedIsCountedByStatus(t *testing.T) {
	t.Parallel()
	s := &toy{refuse: http.StatusServiceUnavailable}
	b := buys(t, s, Load{Clients: 2}, 12)
	require.Positive(t, b.errors["callback 503"])
	for _, l := range b.all() {
		require.Equal(t, l.acked.IsZero(), l.told.IsZero())
	}
	require.Empty(t, b.findings(), "what was refused need not have happened")
}

func TestWhoIsTurnedAwayIsNoError(t *testing.T) {
	t.Parallel()
	b := buys(t, &toy{full: true}, Load{Rate: 500, Clients: 1}, 40)
	orders, _, wrong := b.tally()
	require.Zero(t, wrong)
	require.GreaterOrEqual(t, len(b.turned()), 19)
	require.GreaterOrEqual(t, orders, 19)
	require.True(t, b.knowsAll(), "the answer is certain: no order was made")
	for _, r := range b.turned() {
		require.False(t, r.sent.Before(r.due) || r.answered.Before(r.sent))
	}
}

func TestAServiceThatIsAwayIsCountedToo(t *testing.T) {
	t.Parallel()
	addr, err := freeAddr(t.Context())
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	b := newBook()
	(&buyers{system: &toy{}, site: site{addr: addr}, load: Load{Clients: 1}, book: b}).run(ctx)
	require.Positive(t, b.errors["order failed"])
	require.Less(t, b.errors["order failed"], int64(20), "it is not asked as fast as the loop can")
}

func TestSomeOrdersAreLeftUnpaid(t *testing.T) {
	t.Parallel()
	b := buys(t, &toy{}, Load{Clients: 2, Unpaid: 0.25}, 40)
	unpaid := 0
	for _, l := range b.all() {
		if l.unpaid {
			unpaid++
			require.True(t, l.called.IsZero())
		}
	}
	require.InDelta(t, len(b.all())/4, unpaid, 1)
}

func TestTheShareOfUnpaidOrders(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int{0: 0, 0.1: 10, 0.25: 25, 0.5: 50, 0.99: 99} {
		n := 0
		for i := int64(1); i <= 100; i++ {
			if among(i, share) {
				n++
			}
		}
		require.Equal(t, want, n, "%g", share)
	}
}

func TestLoadsThatCannotBe(t *testing.T) {
	t.Parallel()
	good := Load{Clients: 1, Window: time.Second}
	require.NoError(t, good.check())
	for name, change := range map[string]func(*Load){
		"clients":    func(l *Load) { l.Clients = 0 },
		"rate":       func(l *Load) { l.Rate = -1 },
		"window":     func(l *Load) { l.Window = 0 },
		"unpaid":     func(l *Load) { l.Unpaid = 1 },
		"pay-within": func(l *Load) { l.Unpaid, l.PayWithin = 0.1, 1500*time.Millisecond },
	} {
		l := good
		change(&l)
		require.ErrorContains(t, l.check(), name+":")
	}
}
