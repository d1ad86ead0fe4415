package merchant

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// develop is a Notifier that may call loopback.
func develop(t *testing.T, limits Timeouts) *Notifier {
	t.Helper()
	n := NewNotifier(Options{AllowLoopback: true, Timeouts: limits})
	t.Cleanup(n.Close)
	return n
}

func endpoint(url string) Endpoint {
	return Endpoint{MerchantID: "m_1", URL: url, Secrets: []string{NewSecret()}}
}

// notice is what the tests send.
func notice() Notice {
	return Notice{ID: "019600000000700080000000000000ff", MerchantID: "m_1", Type: "order.paid", Body: []byte(`{"n": 1}`)}
}

// listen serves each connection on loopback with talk, which is told whether it
// is the first, second, …; all of them are closed and over when the test ends.
func listen(t testing.TB, talk func(nth int, conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveConnections(t, l, talk)
	return l.Addr().String()
}

func serveConnections(t testing.TB, l net.Listener, talk func(nth int, conn net.Conn)) {
	t.Helper()
	var wg sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(func() { end(); _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for nth := 1; ; nth++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			wg.Go(func() {
				defer stop()
				defer conn.Close()
				talk(nth, conn)
			})
		}
	})
}

// answering reads one request and answers it with these bytes, then waits for
// the caller to hang up.
func answering(raw string) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, raw)
		_, _ = io.Copy(io.Discard, conn)
	}
}

func readRequest(conn net.Conn) bool {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

// reset hangs up so that the other side gets an RST.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// resolveTo is a resolver to which every name has these addresses.
func resolveTo(ips ...netip.Addr) *net.Resolver {
	return resolveBy(func() []netip.Addr { return ips })
}

// resolveBy is a resolver to which every name has the addresses of the moment.
func resolveBy(now func() []netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			for answerName(theirs, now()) {
			}
		}()
		return ours, nil
	}}
}

// The types of record that a name server is asked for.
const typeA, typeAAAA = 1, 28

// answerName answers one DNS query in its TCP form: the question again, and a
// record for every address of the type asked for.
func answerName(conn net.Conn, ips []netip.Addr) bool {
	var size uint16
	if binary.Read(conn, binary.BigEndian, &size) != nil {
		return false
	}
	q := make([]byte, size)
	if _, err := io.ReadFull(conn, q); err != nil {
		return false
	}
	end := 12
	for q[end] != 0 {
		end += 1 + int(q[end])
	}
	end += 5 // the root, the type and the class
	a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
	for _, ip := range ips {
		if asked := q[end-3]; asked == typeA && ip.Is4() || asked == typeAAAA && ip.Is6() {
			a[7]++
			a = append(a, 0xc0, 12, 0, asked, 0, 1, 0, 0, 0, 0, 0, byte(len(ip.AsSlice())))
			a = append(a, ip.AsSlice()...)
		}
	}
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
	return err == nil
}

// resolveNothing is a resolver that reaches no name server.
func resolveNothing() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}
}
