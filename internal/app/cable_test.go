package app

import (
	"context"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
)

// cable leads to a server and can be cut: connections break off, new ones are
// closed at once, as a proxy before a dead server does it, or refused.
type cable struct {
	network string
	to      string
	addr    string
	refuses bool // while it is cut, nobody listens

	mu    sync.Mutex
	ln    net.Listener // nil: nobody listens
	isCut bool
	lines map[net.Conn]bool
	wg    sync.WaitGroup
}

func layCable(t *testing.T, network, to string) *cable {
	t.Helper()
	c := &cable{network: network, to: to, addr: freeAddr(t), lines: map[net.Conn]bool{}}
	require.NoError(t, c.listen())
	t.Cleanup(func() { c.refuses = true; c.cut(); c.wg.Wait() })
	return c
}

func (c *cable) listen() (err error) {
	if c.ln, err = new(net.ListenConfig).Listen(context.Background(), "tcp", c.addr); err != nil {
		return err
	}
	ln := c.ln
	c.wg.Go(func() { c.accept(ln) })
	return nil
}

func (c *cable) accept(ln net.Listener) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		c.wg.Go(func() { c.connect(near) })
	}
}

func (c *cable) connect(near net.Conn) {
	defer near.Close()
	far, err := new(net.Dialer).DialContext(context.Background(), c.network, c.to)
	if err != nil {
		return
	}
	defer far.Close()
	if !c.hold(near, far) {
		return
	}
	defer c.drop(near, far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = near.Close()
			_ = far.Close()
		})
	}
	both.Wait()
}

func (c *cable) hold(ends ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range ends {
		if !c.isCut {
			c.lines[e] = true
		}
	}
	return !c.isCut
}

func (c *cable) drop(ends ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range ends {
		delete(c.lines, e)
	}
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = true
	if c.refuses && c.ln != nil {
		_ = c.ln.Close()
		c.ln = nil
	}
	for e := range c.lines {
		_ = e.Close()
	}
}

func (c *cable) mend(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = false
	if c.ln == nil {
		require.NoError(t, c.listen())
	}
}

// cableTo replaces the database by a cable to it.
func cableTo(t *testing.T, database *config.Database) *cable {
	t.Helper()
	at, err := pgconn.ParseConfig(database.URL)
	require.NoError(t, err)
	network, addr := pgconn.NetworkAddress(at.Host, at.Port)
	c := layCable(t, network, addr)
	u := url.URL{Scheme: "postgres", User: url.UserPassword(at.User, at.Password), Host: c.addr, Path: "/" + at.Database, RawQuery: "sslmode=disable"}
	database.URL = u.String()
	return c
}

// cableToRedis replaces Redis by a cable to it.
func cableToRedis(t *testing.T, redis *config.Redis) *cable {
	t.Helper()
	at, err := redis.Servers()
	require.NoError(t, err)
	c := layCable(t, "tcp", at.Addrs[0])
	u := url.URL{Scheme: "redis", User: url.UserPassword(at.Username, at.Password), Host: c.addr, Path: "/" + strconv.Itoa(at.DB)}
	redis.URL = u.String()
	return c
}
