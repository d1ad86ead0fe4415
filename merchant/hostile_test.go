package merchant

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// mostRead is what one attempt may read from a merchant, whatever he sends: his
// headers, his body, and what comes with them into buffers.
const mostRead = 2*maxAnswer + 8<<10

// A hostile merchant is a row: what he does on a connection, the one limit that
// must end it where one must, and what the attempt comes to.
type hostile struct {
	name   string
	talk   func(nth int, conn net.Conn)
	tls    bool
	limits Timeouts // what is zero is long
	ack    AckMode
	notice []byte
	unseen bool  // he never learns that we hung up
	reads  int64 // more than mostRead, by the form of what he sends

	class  Class // "" when he acknowledges all the same
	says   string
	status int
	check  func(*testing.T, Attempt)
}

func TestHostileMerchants(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string][]hostile{
		"slow": slowMerchants(), "endless": endlessMerchants(), "broken": brokenMerchants(),
		"false": falseMerchants(), "TLS": tlsMerchants(t),
	} {
		for _, row := range rows {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				row.meet(t)
			})
		}
	}
}

// meet sends the merchant a notice. Whatever he does, the attempt ends long
// before the limits that are not under test, little is read and less is kept,
// and no connection stays with him.
func (h hostile) meet(t *testing.T) {
	var done sync.WaitGroup
	done.Add(1)
	address := listen(t, func(nth int, conn net.Conn) {
		if nth == 1 {
			defer done.Done()
		}
		h.talk(nth, conn)
	})
	n := develop(t, Timeouts{
		Connect: cmp.Or(h.limits.Connect, long), TLS: cmp.Or(h.limits.TLS, long),
		Header: cmp.Or(h.limits.Header, long), Exchange: cmp.Or(h.limits.Exchange, long),
	})
	n.tls.RootCAs = authority().pool
	m := measure(n)
	e := endpoint("http://" + address)
	if h.tls {
		n.dialer.Resolver = resolveTo(netip.MustParseAddr("127.0.0.1"))
		e.URL = "https://shop.example" + strings.TrimPrefix(address, "127.0.0.1")
	}
	e.Ack = h.ack
	told := notice()
	if h.notice != nil {
		told.Body = h.notice
	}

	a := n.Send(t.Context(), e, told)

	require.Equal(t, h.class, a.Class(), a.Error)
	require.Equal(t, h.class == "", a.OK)
	require.Contains(t, a.Error, h.says)
	require.NotContains(t, a.Error, "127.0.0.1")
	require.Equal(t, h.status, a.HTTPStatus)
	require.Less(t, a.Duration, long/2)
	require.LessOrEqual(t, m.read.Load(), cmp.Or(h.reads, mostRead), "bytes read")
	requireFit(t, a.Answer)
	if h.check != nil {
		h.check(t, a)
	}
	n.Close()
	m.open.Wait()
	if !h.unseen {
		done.Wait() // he saw us hang up
	}
}

// requireFit checks what is kept of an answer.
func requireFit(t *testing.T, a Answer) {
	t.Helper()
	require.LessOrEqual(t, len(a.Body), maxAnswer)
	for _, h := range []string{a.ContentType, a.ContentEncoding, a.Location, a.RetryAfter, a.Server, a.Date, a.RequestID} {
		require.LessOrEqual(t, len(h), maxHeader+len("…"))
		require.True(t, utf8.ValidString(h), "%q", h)
		require.False(t, strings.ContainsAny(h, "\x00\r\n\t\x1b"), "%q", h)
	}
}

// meter counts the bytes that a Notifier reads from its connections, below TLS,
// and the connections that are open.
type meter struct {
	read atomic.Int64
	open sync.WaitGroup
}

func measure(n *Notifier) *meter {
	m, reach := new(meter), n.reach
	n.reach = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := reach(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		m.open.Add(1)
		return &meteredConn{Conn: conn, meter: m}, nil
	}
	return m
}

type meteredConn struct {
	net.Conn
	meter  *meter
	closed sync.Once
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.meter.read.Add(int64(n))
	return n, err
}

func (c *meteredConn) Close() error {
	c.closed.Do(c.meter.open.Done)
	return c.Conn.Close()
}

// Those who take their time.
func slowMerchants() []hostile {
	const ok = "HTTP/1.1 200 OK\r\n"
	return []hostile{
		{
			name: "hangs before its headers", talk: silent, limits: Timeouts{Header: short},
			class: Timeout, says: "no whole answer after ",
		},
		{
			name: "hangs, and the whole limit is the shortest", talk: silent, limits: Timeouts{Exchange: short},
			class: Timeout, says: "no whole answer after ",
		},
		{
			name: "cannot be connected to in time", unseen: true, talk: silent, limits: Timeouts{Connect: time.Nanosecond},
			class: Timeout, says: "no connection after ",
		},
		{
			name: "drips its status line", talk: afterRequest(drip("", "HTTP/1.1 200 "+strings.Repeat("x", maxAnswer))), limits: Timeouts{Header: short},
			class: Timeout, says: "no whole answer after ",
		},
		{
			name: "drips its headers", talk: afterRequest(drip(ok, "X: y\r\n")), limits: Timeouts{Header: short},
			class: Timeout, says: "no whole answer after ",
		},
		{
			name: "drips its body", talk: afterRequest(drip(ok+"\r\n", "x")), limits: Timeouts{Exchange: short},
			class: Timeout, says: "no whole answer after ", status: 200, check: truncated,
		},
		{
			name: "drips its body in chunks", talk: afterRequest(drip(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n")),
			limits: Timeouts{Exchange: short}, class: Timeout, status: 200, check: truncated,
		},
		{
			name: "drips early hints", talk: afterRequest(drip("", "HTTP/1.1 103 Early Hints\r\n\r\n")), limits: Timeouts{Header: short},
			class: Timeout, says: "no whole answer after ",
		},
		{
			name: "never closes after a whole answer", talk: answering(ok + "Connection: close\r\nContent-Length: 2\r\n\r\nok"),
			status: 200, check: answers("ok"),
		},
		{name: "sends more than its length", talk: answering(ok + "Content-Length: 2\r\n\r\nokHTTP/1.1 500 X\r\n\r\n"), status: 200, check: answers("ok")},
		{
			name: "never ends a body that its close would end", talk: answering(ok + "Connection: close\r\n\r\nok"),
			limits: Timeouts{Exchange: short}, class: Timeout, status: 200, check: truncated,
		},
		{
			name: "never reads", unseen: true, talk: func(_ int, conn net.Conn) { deaf(conn) }, notice: bigNotice, limits: Timeouts{Exchange: short},
			class: Timeout, says: "no whole answer after ",
		},
		{
			name: "answers and reads no further", unseen: true, notice: bigNotice, status: 200,
			talk: func(_ int, conn net.Conn) {
				_, _ = conn.Read(make([]byte, 1)) // an answer before it is asked for is none
				_, _ = io.WriteString(conn, ok+"Content-Length: 2\r\n\r\nok")
				deaf(conn)
			},
		},
		{
			name: "switches protocols and hangs", talk: answering(switching), class: Status, says: "101 Switching Protocols", status: 101,
		},
	}
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"

// bigNotice is more than a connection takes unread.
var bigNotice = bytes.Repeat([]byte("x"), 16<<20)

// Those who send more than anybody wants.
func endlessMerchants() []hostile {
	const ok = "HTTP/1.1 200 OK\r\n"
	zeros := strings.Repeat("\x00", 1<<20)
	const exceeded = "headers exceeded"
	return []hostile{
		{name: "a status line", talk: afterRequest(flood("HTTP/1.1 200 ", "OK")), class: Reset, says: exceeded},
		{name: "a header", talk: afterRequest(flood(ok+"X: ", "x")), class: Reset, says: exceeded},
		{name: "headers", talk: afterRequest(flood(ok, "X: y\r\n")), class: Reset, says: exceeded},
		{name: "100 Continue", talk: afterRequest(flood("", "HTTP/1.1 100 Continue\r\n\r\n")), class: Reset, says: exceeded},
		{name: "103 Early Hints", talk: afterRequest(flood("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")), class: Reset, says: exceeded},
		{name: "another protocol", talk: afterRequest(flood(switching, "x")), class: Status, says: "101", status: 101},
		{name: "a body", talk: afterRequest(flood(ok+"\r\n", "x")), status: 200, check: full},
		{name: "a body of eight exabytes", talk: afterRequest(flood(ok+"Content-Length: 9223372036854775807\r\n\r\n", "x")), status: 200, check: full},
		{name: "a chunk", talk: afterRequest(flood(ok+"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", "x")), status: 200, check: full},
		{name: "chunks", talk: afterRequest(flood(ok+"Transfer-Encoding: chunked\r\n\r\n", "9\r\nxxxxxxxxx\r\n")), status: 200, check: full},
		{
			name: "chunks of one byte", talk: afterRequest(flood(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n")),
			status: 200, check: full, reads: mostRead + 6*maxAnswer,
		},
		{
			name: "chunks of one byte with extensions", status: 200, class: Reset, says: "too much non-data",
			talk: afterRequest(flood(ok+"Transfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("x", 100)+"\r\nx\r\n")),
		},
		{
			name: "a chunk's extension", talk: afterRequest(flood(ok+"Transfer-Encoding: chunked\r\n\r\n1;", "x")),
			class: Reset, says: "too long", status: 200,
		},
		{
			name: "trailers", talk: afterRequest(flood(ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n")),
			class: Reset, says: "trailer", status: 200,
		},
		{name: "a refusal", talk: afterRequest(flood("HTTP/1.1 500 X\r\n\r\n", "x")), class: Status, says: "500", status: 500, check: full},
		{
			name: "a body that begins as an acknowledgement", talk: afterRequest(flood(ok+"\r\nsuccess", " ")), ack: AckSuccess,
			class: Unacknowledged, says: "longer than 16 KiB", status: 200, check: full,
		},
		{
			name: "a bomb of gzip", talk: answering(ok + "Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + zipped(strings.Repeat(zeros, 32))),
			status: 200, check: func(t *testing.T, a Attempt) { full(t, a); stillZipped(t, a) },
		},
		{
			name: "a bomb of gzip that goes on", talk: afterRequest(flood(ok+"Content-Encoding: gzip\r\n\r\n", zipped(zeros))),
			ack: AckSuccess, class: Unacknowledged, says: "encoded as gzip", status: 200, check: stillZipped,
		},
		{
			name: "a small bomb of gzip", talk: answering(ok + "Content-Encoding: gzip\r\nContent-Length: " + strconv.Itoa(len(zipped(zeros))) + "\r\n\r\n" + zipped(zeros)),
			status: 200, check: stillZipped,
		},
	}
}

// Those whose answer breaks off, or is none.
func brokenMerchants() []hostile {
	return []hostile{
		{name: "hangs up without an answer", talk: func(_ int, conn net.Conn) { readRequest(conn) }, class: Reset},
		{name: "resets at once", talk: func(_ int, conn net.Conn) { reset(conn) }, class: Reset},
		{name: "resets the connection", talk: resetting(""), class: Reset, says: "connection reset by peer"},
		{name: "resets in its headers", talk: resetting("HTTP/1.1 200 OK\r\nContent-Le"), class: Reset},
		{
			name: "resets in its body", talk: resetting("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
			class: Reset, status: 200, check: truncated,
		},
		{
			name: "hangs up in its body", talk: closing("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
			class: Reset, says: "unexpected EOF", status: 200, check: answers("half"),
		},
		{
			name: "hangs up in a chunk", talk: closing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf"),
			class: Reset, says: "unexpected EOF", status: 200, check: answers("half"),
		},
		{
			name: "hangs up in an acknowledgement", talk: closing("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsuccess"), ack: AckSuccess,
			class: Reset, says: "unexpected EOF", status: 200,
		},
		{
			name: "refuses and breaks its body off", talk: closing("HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\nhalf"),
			class: Status, says: "500", status: 500, check: answers("half"),
		},
		{name: "does not speak HTTP", talk: answering("+PONG\r\n"), class: Reset, says: "malformed"},
		{name: "has control characters in a header", talk: answering("HTTP/1.1 200 OK\r\nServer: \x1b[2J\r\n\r\n"), class: Reset, says: "malformed"},
		{name: "speaks HTTP/2", talk: answering("\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n"), class: Reset, says: "malformed"},
		{name: "has a negative length", talk: answering("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), class: Reset, says: "Content-Length"},
		{
			name: "has two lengths", talk: answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"),
			class: Reset, says: "Content-Length",
		},
		{
			name: "has an encoding of its own", talk: answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\nbx"),
			class: Reset, says: "transfer encoding",
		},
	}
}

// Those whose answer is well formed and means ill.
func falseMerchants() []hostile {
	const metadata = "http://169.254.169.254/latest/meta-data/"
	century := func(t *testing.T, a Attempt) { require.Equal(t, MaxRetryAfter, a.RetryAfter) }
	return []hostile{
		{
			name: "redirects to a metadata service", talk: answering("HTTP/1.1 307 X\r\nLocation: " + metadata + "\r\nContent-Length: 0\r\n\r\n"),
			class: Redirect, says: "307", status: 307, check: func(t *testing.T, a Attempt) { require.Equal(t, metadata, a.Answer.Location) },
		},
		{
			name: "wants to be asked in a century", talk: answering("HTTP/1.1 503 X\r\nRetry-After: 3153600000\r\nContent-Length: 0\r\n\r\n"),
			class: Status, says: "503", status: 503, check: century,
		},
		{
			name: "wants to be asked in the year 9999", talk: answering("HTTP/1.1 429 X\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n"),
			class: Status, says: "429", status: 429, check: century,
		},
		{
			name: "names its status with control characters", talk: answering("HTTP/1.1 500 \x1b[2J<script>\x00\r\nContent-Length: 0\r\n\r\n"),
			class: Status, says: "it answered 500 Internal Server Error", status: 500,
		},
		{
			name: "has headers that are not text", status: 500, class: Status,
			talk: answering("HTTP/1.1 500 X\r\nServer: \xffnginx\r\nLocation: a\tb\r\nX-Request-Id: " + strings.Repeat("茶", 500) + "\r\nContent-Length: 0\r\n\r\n"),
			check: func(t *testing.T, a Attempt) {
				require.Equal(t, "\ufffdnginx", a.Answer.Server)
				require.Equal(t, "a b", a.Answer.Location)
				require.NotEmpty(t, a.Answer.RequestID)
			},
		},
		{
			name: "acknowledges in JSON without a bottom", ack: AckCodeSuccess, status: 200, class: Unacknowledged,
			talk: answering("HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n" + strings.Repeat("[", 12000)),
		},
	}
}

// Those who speak TLS falsely. The last shows that the others fail of nothing
// else.
func tlsMerchants(t *testing.T) []hostile {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	with := func(change func(*certificate)) func(int, net.Conn) {
		return overTLS(&tls.Config{Certificates: []tls.Certificate{authority().issue(t, change)}}, answering(ok))
	}
	sound := authority().issue(t, func(*certificate) {})
	return []hostile{
		{
			name: "has another's certificate", tls: true, class: TLS, says: "not shop.example",
			talk: with(func(c *certificate) { c.DNSNames = []string{"elsewhere.example"} }),
		},
		{
			name: "has an expired certificate", tls: true, class: TLS, says: "certificate has expired",
			talk: with(func(c *certificate) { c.NotAfter = time.Now().Add(-time.Hour) }),
		},
		{
			name: "has a certificate of tomorrow", tls: true, class: TLS, says: "not yet valid",
			talk: with(func(c *certificate) { c.NotBefore = time.Now().Add(24 * time.Hour) }),
		},
		{
			name: "has signed its certificate itself", tls: true, class: TLS, says: "unknown authority",
			talk: with(func(c *certificate) { c.selfSigned = true }),
		},
		{
			name: "has a certificate for clients only", tls: true, class: TLS, says: "incompatible key usage",
			talk: with(func(c *certificate) { c.ExtKeyUsage = clientsOnly }),
		},
		{
			name: "speaks TLS 1.1", tls: true, class: TLS, says: "protocol version",
			talk: overTLS(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, Certificates: []tls.Certificate{sound}}, answering(ok)),
		},
		{
			name: "speaks plain HTTP", tls: true, class: TLS, says: "does not look like a TLS handshake",
			talk: func(_ int, conn net.Conn) { _, _ = io.WriteString(conn, ok); silent(0, conn) },
		},
		{
			name: "hangs up in the handshake", tls: true, class: TLS, says: "EOF",
			talk: func(_ int, conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) },
		},
		{name: "hangs in the handshake", tls: true, talk: silent, limits: Timeouts{TLS: short}, class: Timeout, says: "no TLS handshake after "},
		{
			name: "drips its handshake", tls: true, talk: drip("\x16\x03\x03\x40\x00\x02\x00\x3f\xf0", "\x00"), limits: Timeouts{TLS: short},
			class: Timeout, says: "no TLS handshake after ",
		},
		{name: "warns without end", tls: true, talk: flood("", "\x15\x03\x03\x00\x02\x01\x64"), class: TLS, says: "too many"},
		{name: "greets without end", tls: true, talk: flood("\x16\x03\x03\x40\x00\x02\xff\xff\xff", "\x16\x03\x03\x40\x00"), class: TLS, says: "exceeds maximum"},
		{
			name: "answers and never ends TLS", tls: true, status: 200,
			talk: overTLS(&tls.Config{Certificates: []tls.Certificate{sound}}, answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")),
		},
		{
			name: "answers and reads no further", unseen: true, tls: true, notice: bigNotice, status: 200,
			talk: overTLS(&tls.Config{Certificates: []tls.Certificate{sound}}, func(_ int, conn net.Conn) {
				_, _ = conn.Read(make([]byte, 1))
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				deaf(conn.(*tls.Conn).NetConn())
			}),
		},
		{name: "is sound", tls: true, status: 200, talk: with(func(*certificate) {})},
	}
}

func answers(want string) func(*testing.T, Attempt) {
	return func(t *testing.T, a Attempt) { require.Equal(t, want, string(a.Answer.Body)) }
}

func truncated(t *testing.T, a Attempt) { require.True(t, a.Answer.Truncated) }

func full(t *testing.T, a Attempt) {
	require.Len(t, a.Answer.Body, maxAnswer)
	truncated(t, a)
}

func stillZipped(t *testing.T, a Attempt) {
	require.Equal(t, "gzip", a.Answer.ContentEncoding)
	require.Equal(t, "\x1f\x8b", string(a.Answer.Body[:2]))
}

func zipped(s string) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

// What a merchant sends costs us as little when it is endless. This test does
// not run in parallel: it counts all that is allocated, the merchant's own
// part included.
func TestEndlessMerchantsCostLittleMemory(t *testing.T) {
	const most = 512 << 10                                                                                       // a whole attempt with its connection
	silence := hostile{talk: silent, limits: Timeouts{Exchange: time.Millisecond}, class: Timeout, unseen: true} // the time may be over before he is called
	silence.meet(t)                                                                                              // what is made once is made by him
	for _, row := range endlessMerchants() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		row.meet(t)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(most), row.name)
	}
}
