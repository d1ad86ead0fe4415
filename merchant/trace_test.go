package merchant

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const loopback = "127.0.0.1"

// shop is a merchant with TLS and a name, and how to send to him.
func shop(t *testing.T, talk func(int, net.Conn)) (*Notifier, Endpoint, netip.AddrPort) {
	t.Helper()
	address := listen(t, talk)
	n := develop(t, Timeouts{})
	n.tls.RootCAs = authority().pool
	n.dialer.Resolver = resolveTo(netip.MustParseAddr(loopback))
	return n, endpoint("https://shop.example" + strings.TrimPrefix(address, loopback)), netip.MustParseAddrPort(address)
}

// Where the time went, and with whom: first on a new connection, then on a
// kept one.
func TestTimingOfAnAttempt(t *testing.T) {
	t.Parallel()
	sound := &tls.Config{Certificates: []tls.Certificate{authority().issue(t, func(*certificate) {})}}
	n, e, address := shop(t, overTLS(sound, func(_ int, conn net.Conn) {
		for readRequest(conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}))
	a := n.Send(t.Context(), e, notice())
	require.True(t, a.OK, a.Error)
	require.Equal(t, address, a.Remote)
	require.Positive(t, a.Timing.DNS)
	require.Positive(t, a.Timing.Connect)
	require.Positive(t, a.Timing.TLS)
	require.Greater(t, a.Timing.FirstByte, a.Timing.DNS+a.Timing.Connect+a.Timing.TLS)
	require.GreaterOrEqual(t, a.Duration, a.Timing.FirstByte)

	a = n.Send(t.Context(), e, notice())
	require.True(t, a.OK, a.Error)
	require.Equal(t, address, a.Remote)
	require.Positive(t, a.Timing.FirstByte)
	require.GreaterOrEqual(t, a.Duration, a.Timing.FirstByte)
	require.Equal(t, Timing{FirstByte: a.Timing.FirstByte}, a.Timing)
}

// A connection that came to nothing says how far it came.
func TestTimingOfAFailure(t *testing.T) {
	t.Parallel()
	t.Run("a false certificate", func(t *testing.T) {
		t.Parallel()
		another := authority().issue(t, func(c *certificate) { c.DNSNames = []string{"elsewhere.example"} })
		n, e, address := shop(t, overTLS(&tls.Config{Certificates: []tls.Certificate{another}}, silent))
		a := n.Send(t.Context(), e, notice())
		require.Equal(t, TLS, a.Class(), a.Error)
		require.Equal(t, address, a.Remote)
		require.Positive(t, a.Timing.DNS)
		require.Positive(t, a.Timing.Connect)
		require.Positive(t, a.Timing.TLS)
		require.Zero(t, a.Timing.FirstByte)
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", loopback+":0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		a := develop(t, Timeouts{}).Send(t.Context(), endpoint("http://"+l.Addr().String()), notice())
		require.Equal(t, Refused, a.Class(), a.Error)
		require.Equal(t, l.Addr().String(), a.Remote.String())
		require.Equal(t, Timing{Connect: a.Timing.Connect}, a.Timing)
		require.Positive(t, a.Timing.Connect)
	})
	t.Run("no such name", func(t *testing.T) {
		t.Parallel()
		n := develop(t, Timeouts{})
		n.dialer.Resolver = resolveNothing()
		a := n.Send(t.Context(), endpoint("https://shop.example/"), notice())
		require.Equal(t, DNS, a.Class(), a.Error)
		require.False(t, a.Remote.IsValid())
		require.Positive(t, a.Timing.DNS)
		require.Zero(t, a.Timing.TLS)
	})
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		address := listen(t, closing(""))
		a := develop(t, Timeouts{}).Send(t.Context(), endpoint("http://"+address), notice())
		require.Equal(t, Reset, a.Class(), a.Error)
		require.Equal(t, address, a.Remote.String())
		require.Equal(t, Timing{Connect: a.Timing.Connect}, a.Timing)
		require.Positive(t, a.Timing.Connect)
	})
}

// The connection of one attempt may have been dialled for another; its time is
// told of the attempt that was the first on it, and of no other.
func TestTimingBelongsToTheConnection(t *testing.T) {
	t.Parallel()
	made := way{remote: netip.MustParseAddrPort("192.0.2.1:443"), dns: 1, connect: 2, tls: 3}
	conn := &connection{way: made}
	first, second := newTrace(time.Now()), newTrace(time.Now())
	first.gotConn(httptrace.GotConnInfo{Conn: conn})
	second.gotConn(httptrace.GotConnInfo{Conn: conn, Reused: true})
	var a, b Attempt
	first.note(&a, nil)
	second.note(&b, nil)
	require.Equal(t, Attempt{Remote: made.remote, Timing: Timing{DNS: 1, Connect: 2, TLS: 3}}, a)
	require.Equal(t, Attempt{Remote: made.remote}, b)
}
