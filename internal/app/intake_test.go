package app

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/producer/intake"
)

// impatient has orders refused that cannot be written soon.
func impatient(c *config.Config) { c.Intake.Within = 100 * time.Millisecond }

// isOverloaded says that the API had no room, and said when to come back.
func isOverloaded(err error) bool {
	var p *api.Problem
	return errors.As(err, &p) && p.Type == api.Overloaded && p.Status == http.StatusServiceUnavailable
}

// New orders cannot be written. They are refused at once instead of waiting in a
// line; what was begun is brought to its end; who got in gets an answer, and
// then everybody is let in again.
func TestOrdersThatCannotBeWrittenAreRefused(t *testing.T) {
	t.Parallel()
	m := openMarket(t, impatient)
	before := m.create()
	lock, err := m.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = lock.Rollback() }()
	_, err = lock.ExecContext(t.Context(), "LOCK TABLE idempotency_keys IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)

	var buyers sync.WaitGroup
	var refused, made atomic.Int64
	m.until("an order is refused", func() bool {
		buyers.Go(func() {
			switch _, err := m.app.CreateOrder(t.Context(), tea()); {
			case isOverloaded(err):
				refused.Add(1)
			case err == nil:
				made.Add(1)
			default:
				t.Errorf("neither made nor refused: %v", err)
			}
		})
		return refused.Load() > 0
	})
	m.paid(before.Payment, "")
	m.notified(before.ID)
	require.Zero(t, made.Load())

	require.NoError(t, lock.Rollback())
	buyers.Wait()
	require.NotZero(t, made.Load(), "who got in was only kept waiting")
	m.until("orders are let in again", func() bool {
		_, err := m.app.CreateOrder(t.Context(), tea())
		return err == nil
	})
	m.awaits(before.ID, order.Paid)
}

// The door is a process of its own, and knows how the workers are doing.
func TestTheDoorKnowsHowConfirmationIsDoing(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	door := m.cfg
	only(config.API)(&door)
	a := m.start(door)
	const orders = 5
	for range orders {
		m.paid(m.create().Payment, "")
	}
	look := func(want intake.Work) func() bool {
		return func() bool {
			w, err := a.confirming(t.Context())
			require.NoError(t, err)
			return w == want
		}
	}
	m.until("five are owed", look(intake.Work{Owed: orders}))

	rest := m.cfg
	only(config.Relayer, config.Worker)(&rest)
	rest.HTTP.Addr, rest.PublicURL = freeAddr(t), m.cfg.BaseURL()
	m.start(rest)
	m.until("five are done", look(intake.Work{Done: orders}))
	m.until("nothing is owed", m.quiet)
}

// A connection more than may be open is served when one of them is closed.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	m := openMarket(t, func(c *config.Config) { c.HTTP.MaxConns = 2 })
	open := func() net.Conn {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", m.cfg.HTTP.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: "+m.cfg.HTTP.Addr+"\r\n\r\n")
		require.NoError(t, err)
		return c
	}
	served := func(c net.Conn, within time.Duration) error {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(within)))
		_, err := c.Read(make([]byte, 1))
		return err
	}
	first, second := open(), open()
	require.NoError(t, served(first, patience))
	require.NoError(t, served(second, patience))
	third := open()
	require.ErrorIs(t, served(third, 200*time.Millisecond), os.ErrDeadlineExceeded)
	require.NoError(t, first.Close())
	require.NoError(t, served(third, patience))
}
