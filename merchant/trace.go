package merchant

import (
	"errors"
	"net"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"
)

// way is how a connection was made: whither, and how long its parts took.
type way struct {
	remote            netip.AddrPort
	dns, connect, tls time.Duration
}

// connection is a connection that remembers how it was made. The attempt that
// gets it reads that there: it was perhaps dialled for another one.
type connection struct {
	net.Conn
	way way
}

// trace follows one exchange. The transport may still call it when the
// exchange is over, so what it writes from other goroutines is atomic.
type trace struct {
	began     time.Time
	firstByte atomic.Int64 // a time.Duration
	way       way          // written by the goroutine that waits for the exchange
	hooks     httptrace.ClientTrace
}

// newTrace leaves Got1xxResponse alone: whoever sets it has to bound the number
// of such answers himself.
func newTrace(began time.Time) *trace {
	t := &trace{began: began}
	t.hooks.GotConn, t.hooks.GotFirstResponseByte = t.gotConn, t.gotFirstByte
	return t
}

func (t *trace) gotConn(info httptrace.GotConnInfo) {
	conn, ours := info.Conn.(*connection)
	switch {
	case !ours:
		t.way = way{}
	case info.Reused:
		t.way = way{remote: conn.way.remote}
	default:
		t.way = conn.way
	}
}

func (t *trace) gotFirstByte() { t.firstByte.Store(int64(time.Since(t.began))) }

// note writes what is known of the exchange into a. err is how the exchange
// failed; a connection that failed says how far it came.
func (t *trace) note(a *Attempt, err error) {
	w := t.way
	var failed *stepError
	if errors.As(err, &failed) {
		w = failed.way
	}
	a.Remote = w.remote
	a.Timing = Timing{DNS: w.dns, Connect: w.connect, TLS: w.tls, FirstByte: time.Duration(t.firstByte.Load())}
}

// triedAddress is the address of a connection that failed; zero when there was
// none, or when the guard refused it: nobody learns an inner address by us.
func triedAddress(err error) netip.AddrPort {
	var op *net.OpError
	if guarded(err) || !errors.As(err, &op) {
		return netip.AddrPort{}
	}
	return addrPort(op.Addr)
}

func addrPort(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp == nil {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
